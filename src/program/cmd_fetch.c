/* SPDX-License-Identifier: MIT
 *
 * plait fetch: gets what a URL names, to standard output or a file, with a progress line where somebody watches.
 *
 * Invariant: bytes go out as they come; nothing of a body is kept. A file that did not arrive whole is said to be so.
 * Test: tests/program/clients.py.
 */
#include "program/program.h"

#include <string.h>
#include <unistd.h>

enum { FIELDS_MAX = 32 };

struct fetch {
    const struct command *command;
    struct plait_reactor *r;
    FILE *out;
    const char *path; /* of --output; NULL: standard output */
    bool show_head;
    bool progress;
    uint64_t got;
    plait_time began, shown;
    struct plait_http_field field[FIELDS_MAX];
    struct plait_fetch_options options;
};

static void print_head(const struct plait_response *response, void *ctx)
{
    struct fetch *f = ctx;
    if (!f->show_head)
        return;
    fprintf(f->out, "%d %s\n", plait_response_status(response), plait_http_reason(plait_response_status(response)));
    for (size_t i = 0; i < plait_response_field_count(response); i++) {
        plait_slice name;
        plait_slice value;
        plait_response_field_at(response, i, &name, &value);
        fprintf(f->out, "%.*s: %.*s\n", PLAIT_ARG(name), PLAIT_ARG(value));
    }
    fputc('\n', f->out);
}

static void show_progress(struct fetch *f, uint64_t length, bool last)
{
    const plait_time now = plait_now(f->r);
    if (!f->progress || (!last && now - f->shown < plait_millis(100)))
        return;
    f->shown = now;
    const uint64_t ms = (uint64_t)(now - f->began) / 1000000 + 1;
    const uint64_t rate = f->got * 1000 / ms;
    if (length != UINT64_MAX && length > 0)
        fprintf(stderr, "\r%3u%%  %llu of %llu bytes  %llu kB/s  %llu s left   ", (unsigned)(f->got * 100 / length),
                (unsigned long long)f->got, (unsigned long long)length, (unsigned long long)rate / 1000,
                (unsigned long long)(rate ? (length - f->got) / rate : 0));
    else
        fprintf(stderr, "\r%llu bytes  %llu kB/s   ", (unsigned long long)f->got, (unsigned long long)rate / 1000);
    if (last)
        fputc('\n', stderr);
}

static plait_err take_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct fetch *f = ctx;
    if (piece.len > 0 && fwrite(piece.ptr, 1, piece.len, f->out) != piece.len)
        return PLAIT_ENOSPACE;
    f->got += piece.len;
    show_progress(f, plait_response_length(response), false);
    return PLAIT_OK;
}

/* Returns whether all of the output is where it belongs. */
static bool finish_output(struct fetch *f)
{
    const bool written = fflush(f->out) == 0 && !ferror(f->out);
    return (!f->path || fclose(f->out) == 0) && written;
}

/* An answer of 4xx or 5xx is a failure, told after its body was shown. */
static int judge(struct fetch *f, const char *url, const struct plait_response *response)
{
    const int status = plait_response_status(response);
    show_progress(f, plait_response_length(response), true);
    return status < 400 ? EXIT_DONE : failed(f->command, "%s: %d %s", url, status, plait_http_reason(status));
}

static int fetch_one(struct fetch *f, const char *url)
{
    plait_value value = {.ptr = NULL};
    char why[WHY_BYTES];
    f->out = f->path ? fopen(f->path, "wb") : stdout;
    if (!f->out)
        return failed(f->command, "the file '%s' cannot be made", f->path);
    f->began = plait_now(f->r);
    const plait_err err = wait_for(f->r, plait_http_get(f->r, url, &f->options), &value, why);
    int status = err == PLAIT_OK ? judge(f, url, value.ptr) : EXIT_FAILED;
    if (err == PLAIT_OK)
        value.destroy(value.ptr);
    const bool written = finish_output(f);
    if (err != PLAIT_OK && err != PLAIT_ENOSPACE)
        return failed(f->command, "%s: %s%s", url, why, f->got > 0 ? "; it did not arrive whole" : "");
    if (!written || err != PLAIT_OK)
        return failed(f->command, "%s: the output could not be written", url);
    return status;
}

static bool add_field(struct fetch *f, char *text)
{
    char *colon = strchr(text, ':');
    if (!colon || colon == text || f->options.field_count == FIELDS_MAX)
        return false;
    *colon++ = '\0';
    colon += strspn(colon, " ");
    f->field[f->options.field_count++] = (struct plait_http_field){.name = text, .value = colon};
    return true;
}

static int take_words(struct fetch *f, struct words *words, const char **url)
{
    while (words->at < words->end) {
        const char *value = "";
        if (take_option(words, "output", 'o', &value)) {
            f->path = value;
        } else if (take_option(words, "header", 'H', &value)) {
            if (value && !add_field(f, (char *)(uintptr_t)value))
                return wrong_usage(f->command, "--header wants 'Name: value', and at most %d of them", FIELDS_MAX);
        } else if (take_option(words, "method", 'X', &value)) {
            f->options.method = value;
        } else if (take_option(words, "data", 'd', &value)) {
            f->options.body = plait_slice_text(value);
        } else if (take_flag(words, "include", 'i')) {
            f->show_head = true;
        } else if ((*words->at)[0] == '-' || *url) {
            return wrong_usage(f->command, "'%s' is not understood; `plait fetch --help` tells what is", *words->at);
        } else {
            *url = next_word(words);
        }
        if (!value)
            return wrong_usage(f->command, "the last option lacks its value");
    }
    return *url ? EXIT_DONE : wrong_usage(f->command, "which URL?");
}

static int run(const struct command *command, struct words *words)
{
    struct fetch f = {.command = command};
    const char *url = NULL;
    int status = take_words(&f, words, &url);
    if (status != EXIT_DONE)
        return status;
    if (f.options.body.len > 0 && !f.options.method)
        f.options.method = "POST";
    f.options.fields = f.field;
    f.options.head = print_head;
    f.options.data = take_piece;
    f.options.ctx = &f;
    f.progress = isatty(2) && (f.path || !isatty(1));
    f.r = plait_new();
    if (!f.r)
        return failed(command, "%s", plait_err_text(PLAIT_ENOMEM));
    status = fetch_one(&f, url);
    plait_reactor_free(&f.r);
    return status;
}

const struct command command_fetch = {
    .name = "fetch",
    .usage = "fetch [-o FILE] [-H 'Name: value']… [-X METHOD] [-d DATA] [-i] URL",
    .help = "Gets what a URL names (http and https). An answer of 400 and above is a failure.\n\n"
            "  -o, --output FILE   write there and not to standard output\n"
            "  -H, --header FIELD  one more field of the request\n"
            "  -X, --method NAME   GET by default, POST with --data\n"
            "  -d, --data TEXT     body of the request\n"
            "  -i, --include       print the answer's head too\n",
    .run = run,
};
