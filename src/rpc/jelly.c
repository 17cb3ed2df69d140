/* SPDX-License-Identifier: MIT
 *
 * Trees of values: building, walking, matching. All memory of a tree is in chunks of its own that go together; a value
 * is linked to the next one beside it. It knows nothing of the wire: see jelly_read.c and jelly_write.c.
 *
 * Invariant: level[0] is the top, level[depth] what takes the next value; an alias's target is no alias.
 * Test: tests/rpc/test_jelly.c.
 */
#include "rpc/jelly_core.h"

#include "base/text.h"
#include "base/try.h"
#include "rpc/banana_wire.h"

enum { CHUNK_BYTES = 2048, ALIGN = 16, TREE_BYTES_MAX = 16 << 20 };

/* clang-format off */
#define TAG(text, shape) {"" text, sizeof(text) - 1, (shape)}
/* clang-format on */

const struct plait__jelly_tag plait__jelly_tags[PLAIT__JELLY_KINDS] = {
    [PLAIT_JELLY_NONE] = TAG("None", PLAIT__JELLY_NOTHING),
    [PLAIT_JELLY_BOOLEAN] = TAG("boolean", PLAIT__JELLY_TRUTH),
    [PLAIT_JELLY_INTEGER] = TAG("", PLAIT__JELLY_BARE),
    [PLAIT_JELLY_BIG_INTEGER] = TAG("", PLAIT__JELLY_BARE),
    [PLAIT_JELLY_FLOAT] = TAG("", PLAIT__JELLY_BARE),
    [PLAIT_JELLY_BYTES] = TAG("", PLAIT__JELLY_BARE),
    [PLAIT_JELLY_TEXT] = TAG("unicode", PLAIT__JELLY_STRING),
    [PLAIT_JELLY_LIST] = TAG("list", PLAIT__JELLY_ITEMS),
    [PLAIT_JELLY_TUPLE] = TAG("tuple", PLAIT__JELLY_ITEMS),
    [PLAIT_JELLY_DICTIONARY] = TAG("dictionary", PLAIT__JELLY_PAIRS),
    [PLAIT_JELLY_SET] = TAG("set", PLAIT__JELLY_ITEMS),
    [PLAIT_JELLY_FROZENSET] = TAG("frozenset", PLAIT__JELLY_ITEMS),
    [PLAIT_JELLY_DATETIME] = TAG("datetime", PLAIT__JELLY_STRING),
    [PLAIT_JELLY_DATE] = TAG("date", PLAIT__JELLY_STRING),
    [PLAIT_JELLY_TIME] = TAG("time", PLAIT__JELLY_STRING),
    [PLAIT_JELLY_TIMEDELTA] = TAG("timedelta", PLAIT__JELLY_STRING),
    [PLAIT_JELLY_DECIMAL] = TAG("decimal", PLAIT__JELLY_TWO_INTEGERS),
    [PLAIT_JELLY_MODULE] = TAG("module", PLAIT__JELLY_NAME),
    [PLAIT_JELLY_CLASS] = TAG("class", PLAIT__JELLY_NAME),
    [PLAIT_JELLY_FUNCTION] = TAG("function", PLAIT__JELLY_NAME),
    [PLAIT_JELLY_UNPERSISTABLE] = TAG("unpersistable", PLAIT__JELLY_STRING),
    [PLAIT_JELLY_REMOTE] = TAG("remote", PLAIT__JELLY_ID),
    [PLAIT_JELLY_LOCAL] = TAG("local", PLAIT__JELLY_ID),
    [PLAIT_JELLY_CACHED] = TAG("cached", PLAIT__JELLY_ID),
    [PLAIT_JELLY_LCACHE] = TAG("lcache", PLAIT__JELLY_ID),
    [PLAIT_JELLY_INSTANCE] = TAG("", PLAIT__JELLY_STATE),
    [PLAIT__JELLY_ALIAS] = TAG("dereference", PLAIT__JELLY_BARE),
};

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void fail(struct plait_jelly *j, plait_err err)
{
    if (j->err == PLAIT_OK)
        j->err = err;
}

void *plait__jelly_take(struct plait_jelly *j, size_t bytes)
{
    struct plait__jelly_chunk *chunk = j->chunks;
    bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (!chunk || chunk->size - chunk->used < bytes) {
        const size_t head = (sizeof *chunk + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        const size_t size = head + (bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES);
        chunk = plait_mem_new(&j->budget, size);
        if (!chunk) {
            fail(j, PLAIT_ENOMEM);
            return NULL;
        }
        *chunk = (struct plait__jelly_chunk){.next = j->chunks, .used = head, .size = size};
        j->chunks = chunk;
    }
    chunk->used += bytes;
    return (uint8_t *)chunk + chunk->used - bytes;
}

struct plait_jelly *plait_jelly_new(struct plait_budget *budget, const struct plait_jelly_options *options)
{
    struct plait_jelly *j = plait_mem_new(budget, sizeof *j);
    if (!j)
        return NULL;
    if (options)
        j->options = *options;
    if (j->options.depth == 0 || j->options.depth > PLAIT__JELLY_DEPTH_MAX)
        j->options.depth = PLAIT__JELLY_DEPTH_MAX;
    plait_budget_init(&j->budget, budget, NULL, j->options.bytes_max ? j->options.bytes_max : TREE_BYTES_MAX);
    j->top.kind = PLAIT_JELLY_LIST;
    j->level[0] = &j->top;
    return j;
}

void plait_jelly_free(struct plait_jelly **jelly)
{
    struct plait_jelly *j = *jelly;
    if (!j)
        return;
    while (j->chunks) {
        struct plait__jelly_chunk *chunk = j->chunks;
        j->chunks = chunk->next;
        plait_mem_free(chunk);
    }
    plait_mem_free(j);
    *jelly = NULL;
}

struct plait_jelly_value *plait__jelly_add(struct plait_jelly *j, struct plait_jelly_value *parent)
{
    struct plait_jelly_value *v = plait__jelly_take(j, sizeof *v);
    if (!v)
        return NULL;
    if (parent->last)
        parent->last->next = v;
    else
        parent->first = v;
    parent->last = v;
    parent->count++;
    return v;
}

/* --- building ----------------------------------------------------------------------------------------------------- */

static struct plait_jelly_value *put(struct plait_jelly *j, unsigned kind)
{
    if (j->err != PLAIT_OK)
        return NULL;
    struct plait_jelly_value *v = plait__jelly_add(j, j->level[j->depth]);
    if (v)
        v->kind = (uint8_t)kind;
    return v;
}

static struct plait_jelly_value *put_string(struct plait_jelly *j, unsigned kind, plait_slice text)
{
    if (text.len > PLAIT__BANANA_ITEM_MAX)
        fail(j, PLAIT_ETOOLONG);
    struct plait_jelly_value *v = put(j, kind);
    uint8_t *copy = v ? plait__jelly_take(j, text.len) : NULL;
    if (!copy)
        return NULL;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    v->text = plait_slice_of(copy, text.len);
    return v;
}

void plait_jelly_put_none(struct plait_jelly *j)
{
    put(j, PLAIT_JELLY_NONE);
}

void plait_jelly_put_boolean(struct plait_jelly *j, bool value)
{
    struct plait_jelly_value *v = put(j, PLAIT_JELLY_BOOLEAN);
    if (v)
        v->truth = value;
}

void plait_jelly_put_integer(struct plait_jelly *j, int64_t value)
{
    struct plait_jelly_value *v = put(j, PLAIT_JELLY_INTEGER);
    if (v)
        v->integer = value;
}

void plait_jelly_put_big_integer(struct plait_jelly *j, bool negative, plait_slice digits)
{
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] > 0x7f)
            fail(j, PLAIT_EINVAL);
    if (digits.len > PLAIT__BANANA_DIGITS_MAX)
        fail(j, PLAIT_ETOOLONG);
    struct plait_jelly_value *v = put_string(j, PLAIT_JELLY_BIG_INTEGER, digits);
    if (v)
        v->truth = negative;
}

void plait_jelly_put_float(struct plait_jelly *j, double value)
{
    struct plait_jelly_value *v = put(j, PLAIT_JELLY_FLOAT);
    if (v)
        v->real = value;
}

void plait_jelly_put_bytes(struct plait_jelly *j, plait_slice value)
{
    put_string(j, PLAIT_JELLY_BYTES, value);
}

void plait_jelly_put_text(struct plait_jelly *j, plait_slice value)
{
    plait_jelly_put_named(j, PLAIT_JELLY_TEXT, value);
}

void plait_jelly_put_named(struct plait_jelly *j, enum plait_jelly_kind kind, plait_slice text)
{
    const enum plait__jelly_shape shape = plait__jelly_tags[kind].shape;
    if (shape != PLAIT__JELLY_STRING && shape != PLAIT__JELLY_NAME)
        fail(j, PLAIT_EINVAL);
    if (kind == PLAIT_JELLY_TEXT && !plait__is_utf8(text))
        fail(j, PLAIT_EINVAL);
    put_string(j, kind, text);
}

void plait_jelly_put_object(struct plait_jelly *j, enum plait_jelly_kind kind, int64_t number)
{
    if (plait__jelly_tags[kind].shape != PLAIT__JELLY_ID)
        fail(j, PLAIT_EINVAL);
    struct plait_jelly_value *v = put(j, kind);
    if (v)
        v->integer = number;
}

void plait__jelly_alias(struct plait_jelly *j, struct plait_jelly_value *alias, struct plait_jelly_value *target)
{
    alias->kind = PLAIT__JELLY_ALIAS;
    alias->target = target;
    if (target->object == 0)
        target->object = ++j->objects;
}

void plait_jelly_put_again(struct plait_jelly *j, struct plait_jelly_value *value)
{
    if (!value)
        fail(j, PLAIT_EINVAL);
    struct plait_jelly_value *v = put(j, PLAIT__JELLY_ALIAS);
    if (v)
        plait__jelly_alias(j, v, value);
}

static struct plait_jelly_value *opened(struct plait_jelly *j, struct plait_jelly_value *v)
{
    if (!v)
        return NULL;
    if (j->depth == j->options.depth) {
        fail(j, PLAIT_ELIMIT);
        return NULL;
    }
    j->level[++j->depth] = v;
    return v;
}

struct plait_jelly_value *plait_jelly_open(struct plait_jelly *j, enum plait_jelly_kind kind)
{
    const enum plait__jelly_shape shape = plait__jelly_tags[kind].shape;
    if (shape != PLAIT__JELLY_ITEMS && shape != PLAIT__JELLY_PAIRS && shape != PLAIT__JELLY_TWO_INTEGERS)
        fail(j, PLAIT_EINVAL);
    return opened(j, put(j, kind));
}

struct plait_jelly_value *plait_jelly_open_instance(struct plait_jelly *j, plait_slice name)
{
    return opened(j, put_string(j, PLAIT_JELLY_INSTANCE, name));
}

static bool is_integer(const struct plait_jelly_value *v)
{
    return v->kind == PLAIT_JELLY_INTEGER || v->kind == PLAIT_JELLY_BIG_INTEGER;
}

bool plait__jelly_is_whole(const struct plait_jelly_value *value)
{
    switch (plait__jelly_tags[value->kind].shape) {
    case PLAIT__JELLY_PAIRS:
        return value->count % 2 == 0 && value->count / 2 < PLAIT__BANANA_ITEM_MAX;
    case PLAIT__JELLY_TWO_INTEGERS:
        return value->count == 2 && is_integer(value->first) && value->last->kind == PLAIT_JELLY_INTEGER;
    case PLAIT__JELLY_STATE:
        return value->count == 1 || (value->count == 2 && value->first->kind == PLAIT_JELLY_INTEGER);
    default:
        return value->count < PLAIT__BANANA_ITEM_MAX;
    }
}

void plait_jelly_close(struct plait_jelly *j)
{
    if (j->depth == 0 || !plait__jelly_is_whole(j->level[j->depth]))
        fail(j, PLAIT_EINVAL);
    else
        j->depth--;
}

plait_err plait_jelly_error(const struct plait_jelly *j)
{
    if (j->err != PLAIT_OK)
        return PLAIT_FAIL(j->err);
    return j->depth > 0 ? PLAIT_FAIL(PLAIT_EINVAL) : PLAIT_OK;
}

/* --- walking ------------------------------------------------------------------------------------------------------ */

static const struct plait_jelly_value nothing = {.kind = PLAIT_JELLY_NONE};

const struct plait_jelly_value *plait__jelly_resolve(const struct plait_jelly_value *value)
{
    if (!value)
        return &nothing;
    return value->kind == PLAIT__JELLY_ALIAS ? value->target : value;
}

const struct plait_jelly_value *plait_jelly_top(const struct plait_jelly *j)
{
    return j->top.first;
}

enum plait_jelly_kind plait_jelly_kind(const struct plait_jelly_value *value)
{
    return (enum plait_jelly_kind)plait__jelly_resolve(value)->kind;
}

int64_t plait_jelly_integer(const struct plait_jelly_value *value)
{
    const struct plait_jelly_value *v = plait__jelly_resolve(value);
    return v->kind == PLAIT_JELLY_FLOAT ? 0 : v->integer;
}

bool plait_jelly_boolean(const struct plait_jelly_value *value)
{
    return plait__jelly_resolve(value)->truth;
}

double plait_jelly_float(const struct plait_jelly_value *value)
{
    const struct plait_jelly_value *v = plait__jelly_resolve(value);
    return v->kind == PLAIT_JELLY_FLOAT ? v->real : 0;
}

plait_slice plait_jelly_bytes(const struct plait_jelly_value *value)
{
    return plait__jelly_resolve(value)->text;
}

size_t plait_jelly_count(const struct plait_jelly_value *value)
{
    return plait__jelly_resolve(value)->count;
}

const struct plait_jelly_value *plait_jelly_first(const struct plait_jelly_value *value)
{
    return plait__jelly_resolve(value)->first;
}

const struct plait_jelly_value *plait_jelly_next(const struct plait_jelly_value *value)
{
    return value ? value->next : NULL;
}

static bool is_string(const struct plait_jelly_value *value)
{
    return value->kind == PLAIT_JELLY_TEXT || value->kind == PLAIT_JELLY_BYTES;
}

const struct plait_jelly_value *plait_jelly_get(const struct plait_jelly_value *value, const char *key)
{
    const struct plait_jelly_value *v = plait__jelly_resolve(value);
    if (v->kind != PLAIT_JELLY_DICTIONARY)
        return NULL;
    for (const struct plait_jelly_value *at = v->first; at && at->next; at = at->next->next) {
        const struct plait_jelly_value *name = plait__jelly_resolve(at);
        if (is_string(name) && plait_slice_equal(name->text, plait_slice_text(key)))
            return at->next;
    }
    return NULL;
}

static bool match_one(const struct plait_jelly_value *at, char letter, void *out)
{
    const struct plait_jelly_value *v = plait__jelly_resolve(at);
    switch (letter) {
    case 'i':
        *(int64_t *)out = v->integer;
        return v->kind == PLAIT_JELLY_INTEGER;
    case 'f':
        *(double *)out = v->real;
        return v->kind == PLAIT_JELLY_FLOAT;
    case 'b':
        *(bool *)out = v->truth;
        return v->kind == PLAIT_JELLY_BOOLEAN;
    case 's':
        *(plait_slice *)out = v->text;
        return v->kind == PLAIT_JELLY_BYTES;
    case 't':
        *(plait_slice *)out = v->text;
        return is_string(v);
    default:
        *(const struct plait_jelly_value **)out = at;
        return letter == 'v';
    }
}

bool plait_jelly_match(const struct plait_jelly_value *value, const char *pattern, ...)
{
    const struct plait_jelly_value *at = plait_jelly_first(value);
    bool matches = plait_jelly_count(value) == strlen(pattern);
    va_list args;
    va_start(args, pattern);
    for (; matches && at; at = at->next, pattern++)
        matches = match_one(at, *pattern, va_arg(args, void *));
    va_end(args);
    return matches;
}
