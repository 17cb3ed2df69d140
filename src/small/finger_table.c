/* SPDX-License-Identifier: MIT
 *
 * A finger directory that is a table: people as the operator lists them, with nothing looked up anywhere.
 *
 * Invariant: the texts are copies of the table's own.
 * Test: tests/small/test_finger_table.c.
 */
#include "base/try.h"

#include <plait/finger.h>

struct row {
    char *user, *name, *plan;
};

struct table {
    struct plait_reactor *reactor;
    size_t count;
    struct row row[];
};

static void table_free(void *ctx)
{
    struct table *t = ctx;
    for (size_t i = 0; i < t->count; i++) {
        plait_mem_free(t->row[i].user);
        plait_mem_free(t->row[i].name);
        plait_mem_free(t->row[i].plan);
    }
    plait_mem_free(t);
}

static struct plait_deferred *fire_text(struct plait_reactor *reactor, struct plait_finger_text *text)
{
    if (!text || text->buf.err == PLAIT_OK)
        return text ? plait_deferred_succeed(reactor, plait_value_ptr(text, plait_finger_text_free)) : NULL;
    const plait_err err = text->buf.err;
    plait_finger_text_free(text);
    return plait_deferred_fail(reactor, plait_fault_make(err, "find"));
}

static void put_person(struct plait_finger_text *text, const struct row *row)
{
    plait_buf_printf(&text->buf, "Login: %s\n", row->user);
    if (row->name[0])
        plait_buf_printf(&text->buf, "Name: %s\n", row->name);
    plait_buf_printf(&text->buf, row->plan[0] ? "Plan:\n%s\n" : "No plan.\n%s", row->plan);
}

static struct plait_deferred *find(struct plait_reactor *reactor, plait_slice user, bool whois, void *ctx)
{
    const struct table *t = ctx;
    (void)whois;
    for (size_t i = 0; i < t->count; i++) {
        if (!plait_slice_equal_nocase(user, plait_slice_text(t->row[i].user)))
            continue;
        struct plait_finger_text *text = plait_finger_text_new(reactor);
        if (text)
            put_person(text, &t->row[i]);
        return fire_text(reactor, text);
    }
    return plait_deferred_fail(reactor, plait_fault_make(PLAIT_ENOTFOUND, "find"));
}

static struct plait_deferred *list(struct plait_reactor *reactor, bool whois, void *ctx)
{
    const struct table *t = ctx;
    struct plait_finger_text *text = plait_finger_text_new(reactor);
    for (size_t i = 0; text && i < t->count; i++) {
        if (whois)
            put_person(text, &t->row[i]);
        else
            plait_buf_printf(&text->buf, "%-16s %s\n", t->row[i].user, t->row[i].name);
    }
    return fire_text(reactor, text);
}

static char *copy(struct table *t, const char *text)
{
    return plait_mem_text(plait_reactor_budget(t->reactor), text ? text : "", text ? strlen(text) : 0);
}

plait_err plait_finger_table(struct plait_reactor *reactor, const struct plait_finger_entry *entries, size_t count,
                             struct plait_finger_directory *out)
{
    struct table *t = plait_mem_new(plait_reactor_budget(reactor), sizeof *t + count * sizeof t->row[0]);
    if (!t)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    t->reactor = reactor;
    for (size_t i = 0; i < count; i++) {
        struct row *row = &t->row[t->count++];
        const bool named = entries[i].user && entries[i].user[0];
        row->user = named ? copy(t, entries[i].user) : NULL;
        row->name = copy(t, entries[i].name);
        row->plan = copy(t, entries[i].plan);
        if (row->user && row->name && row->plan)
            continue;
        table_free(t);
        return named ? PLAIT_FAIL(PLAIT_ENOMEM) : PLAIT_FAIL(PLAIT_EINVAL);
    }
    *out = (struct plait_finger_directory){.find = find, .list = list, .free = table_free, .ctx = t};
    return PLAIT_OK;
}
