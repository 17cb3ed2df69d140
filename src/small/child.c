/* SPDX-License-Identifier: MIT
 *
 * What those who run programs for long share: copies of what they were told to run, and lines of what a program says.
 *
 * Invariant: a line that is told is not empty and has at most PLAIT__SAID_MAX bytes. Test: tests/small/test_child.c.
 */
#include "small/child_core.h"

#include <string.h>

void plait__said_end(struct plait__said *said, plait__said_fn fn, void *ctx)
{
    plait_slice line = plait_slice_of(said->line, said->len);
    said->len = 0;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len)
        fn(line, ctx);
}

void plait__said_put(struct plait__said *said, plait_slice in, plait__said_fn fn, void *ctx)
{
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != '\n')
            said->line[said->len++] = (char)in.ptr[i];
        if (in.ptr[i] == '\n' || said->len == PLAIT__SAID_MAX)
            plait__said_end(said, fn, ctx);
    }
}

/* --- copies ------------------------------------------------------------------------------------------------------- */

/* Where copies go: pointers in front, texts behind. */
struct place {
    const char **pointers;
    char *texts;
};

static size_t count_list(const char *const *list, size_t *bytes)
{
    size_t count = 0;
    for (; list && list[count]; count++)
        *bytes += strlen(list[count]) + 1;
    return count;
}

static const char *copy_text(struct place *p, const char *text)
{
    char *at = p->texts;
    if (!text)
        return NULL;
    const size_t bytes = strlen(text) + 1;
    memcpy(at, text, bytes);
    p->texts += bytes;
    return at;
}

static const char *const *copy_list(struct place *p, const char *const *list)
{
    const char **at = p->pointers;
    if (!list)
        return NULL;
    for (; *list; list++)
        *p->pointers++ = copy_text(p, *list);
    *p->pointers++ = NULL;
    return at;
}

void *plait__child_keep(struct plait_budget *budget, struct plait_spawn_options *options)
{
    size_t bytes = strlen(options->path) + 1 + (options->cwd ? strlen(options->cwd) + 1 : 0);
    const size_t pointers = count_list(options->argv, &bytes) + count_list(options->env, &bytes) + 2;
    void *block = plait_mem_new(budget, pointers * sizeof(const char *) + bytes);
    struct place p = {.pointers = block};
    if (!block)
        return NULL;
    p.texts = (char *)(p.pointers + pointers);
    options->path = copy_text(&p, options->path);
    options->cwd = copy_text(&p, options->cwd);
    options->argv = copy_list(&p, options->argv);
    options->env = copy_list(&p, options->env);
    return block;
}
