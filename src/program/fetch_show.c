/* SPDX-License-Identifier: MIT
 *
 * What plait fetch shows on standard error: one line that is written over again, with a bar, bytes, rate and the time
 * left; and with --trace a line for each step, with the milliseconds since the fetch began.
 *
 * Invariant: nothing is shown where nobody asked for it, so that standard error stays what scripts expect. Test:
 * tests/program/clients.py.
 */
#include "program/fetch_show.h"

#include <stdio.h>
#include <string.h>

enum { BAR = 20 };

struct unit {
    const char *name;
    double bytes;
    int digits;
};

static struct unit unit_of(uint64_t bytes)
{
    static const struct unit units[] = {{"GB", 1e9, 2}, {"MB", 1e6, 1}, {"kB", 1e3, 0}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if ((double)bytes >= units[i].bytes)
            return units[i];
    }
    return (struct unit){"bytes", 1, 0};
}

static void put_bar(unsigned percent)
{
    const unsigned full = percent * BAR / 100;
    fputc('[', stderr);
    for (unsigned i = 0; i < BAR; i++)
        fputc(i < full ? '#' : '-', stderr);
    fprintf(stderr, "] %3u%%  ", percent);
}

static void put_amounts(const struct progress *p)
{
    const bool known = p->total != PLAIT_LENGTH_UNKNOWN;
    const struct unit unit = unit_of(known ? p->total : p->got);
    fprintf(stderr, "%.*f ", unit.digits, (double)p->got / unit.bytes);
    if (known)
        fprintf(stderr, "of %.*f ", unit.digits, (double)p->total / unit.bytes);
    fprintf(stderr, "%s  ", unit.name);
}

void show_progress(struct progress *p, plait_time now, bool last)
{
    if (!p->shown || (!last && now - p->last < plait_millis(100)))
        return;
    p->last = now;
    const double seconds = (double)(now - p->began) / 1e9 + 0.001;
    const double rate = (double)p->got / seconds;
    const struct unit unit = unit_of((uint64_t)rate);
    const bool known = p->total != PLAIT_LENGTH_UNKNOWN && p->total > 0 && p->got <= p->total;
    fputc('\r', stderr);
    if (known)
        put_bar((unsigned)(100 * p->got / p->total));
    put_amounts(p);
    fprintf(stderr, "%.*f %s/s  ", unit.digits, rate / unit.bytes, unit.name);
    if (known && rate >= 1) {
        const unsigned long left = (unsigned long)((double)(p->total - p->got) / rate);
        fprintf(stderr, "%lu:%02lu left  ", left / 60, left % 60);
    }
    if (p->all > 1)
        fprintf(stderr, "%zu of %zu done  ", p->done, p->all);
    fputs("\x1b[K", stderr);
    if (last)
        fputc('\n', stderr);
}

/* --- steps ------------------------------------------------------------------------------------------------------- */

static void put_connection(const struct plait_fetch_step *step, const char *address)
{
    const struct plait_tls_info *tls = step->tls;
    fprintf(stderr, "%s %s", step->reused ? "uses again the connection to" : "is connected to", address);
    fprintf(stderr, ", %s", step->version == 20 ? "HTTP/2" : "HTTP/1.1");
    if (!tls)
        return;
    fprintf(stderr, ", %s%s, %s", tls->version, tls->resumed ? " (resumed)" : "", tls->cipher);
    fprintf(stderr, ", certificate of %s%s", tls->peer_subject, tls->verified ? "" : " (NOT verified)");
}

static void put_answer(int status)
{
    fprintf(stderr, "the answer begins: %d %s", status, plait_http_reason(status));
}

static void put_end(plait_err err)
{
    fprintf(stderr, "%s", err == PLAIT_OK ? "all is here" : plait_err_text(err));
}

void show_step(const struct plait_fetch_step *step, plait_span after)
{
    static const struct {
        const char *what, *text;
    } plain[] = {{"attempt", "tries"},
                 {"connected", "TCP is connected to"},
                 {"stopped", "is too late:"},
                 {"failed", "can't reach"}};
    char address[PLAIT_ADDR_TEXT_MAX] = "-";
    if (step->address)
        plait_address_format(step->address, address);
    fprintf(stderr, "%9.1f ms  ", (double)after / 1e6);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(step->what, plain[i].what) == 0)
            fprintf(stderr, "%s %s", plain[i].text, address);
    }
    if (strcmp(step->what, "failed") == 0)
        fprintf(stderr, ": %s", plait_err_text(step->err));
    else if (step->url)
        fprintf(stderr, "%s %s", strcmp(step->what, "begin") == 0 ? "looks for" : "is sent on to", step->url);
    else if (strcmp(step->what, "carried") == 0)
        put_connection(step, address);
    else if (strcmp(step->what, "sent") == 0)
        fputs("the request is written", stderr);
    else if (strcmp(step->what, "answer") == 0)
        put_answer(step->status);
    else if (strcmp(step->what, "again") == 0)
        fputs("begins anew", stderr);
    else if (strcmp(step->what, "end") == 0)
        put_end(step->err);
    fputc('\n', stderr);
}
