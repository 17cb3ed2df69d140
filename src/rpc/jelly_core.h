/* SPDX-License-Identifier: MIT
 *
 * What jelly's files share of a tree.
 */
#ifndef PLAIT_RPC_JELLY_CORE_H
#define PLAIT_RPC_JELLY_CORE_H

#include <plait/jelly.h>

enum {
    PLAIT__JELLY_DEPTH_MAX = 64,
    PLAIT__JELLY_ALIAS = PLAIT_JELLY_INSTANCE + 1, /* a value that stands somewhere else as well */
    PLAIT__JELLY_KINDS,
};

struct plait_jelly_value {
    uint8_t kind;
    bool truth;      /* BOOLEAN; BIG_INTEGER: negative */
    uint32_t object; /* which of those that have aliases it is, from 1; 0: it has none */
    size_t count;
    struct plait_jelly_value *next;
    struct plait_jelly_value *first;
    struct plait_jelly_value *last;
    plait_slice text;
    union {
        int64_t integer;
        double real;
        struct plait_jelly_value *target; /* of an alias, and no alias itself */
    };
};

/* What follows a tag on the wire. */
enum plait__jelly_shape {
    PLAIT__JELLY_NOTHING,
    PLAIT__JELLY_TRUTH,
    PLAIT__JELLY_STRING,
    PLAIT__JELLY_NAME, /* a string that has to be accepted */
    PLAIT__JELLY_ID,   /* a number or a string */
    PLAIT__JELLY_ITEMS,
    PLAIT__JELLY_PAIRS,
    PLAIT__JELLY_TWO_INTEGERS,
    PLAIT__JELLY_STATE, /* the tag is a class's name */
    PLAIT__JELLY_BARE,  /* has no tag */
};

struct plait__jelly_tag {
    const char *tag; /* empty: none */
    size_t len;
    enum plait__jelly_shape shape;
};

/* By kind. */
extern const struct plait__jelly_tag plait__jelly_tags[PLAIT__JELLY_KINDS];

/* A piece of a tree's memory; content follows. */
struct plait__jelly_chunk {
    struct plait__jelly_chunk *next;
    size_t used;
    size_t size;
};

struct plait_jelly {
    struct plait_budget budget;
    struct plait_jelly_options options;
    struct plait__jelly_chunk *chunks;
    struct plait_jelly_value top;
    struct plait_jelly_value *level[PLAIT__JELLY_DEPTH_MAX + 1]; /* what is open, outermost first */
    unsigned depth;                                              /* of it, without the top */
    plait_err err;
    uint32_t objects; /* values that have aliases */
};

/* Memory of the tree, zeroed. NULL: the sticky error is set. */
void *plait__jelly_take(struct plait_jelly *jelly, size_t bytes);

/* Adds a value to `parent`. NULL: the sticky error is set. */
struct plait_jelly_value *plait__jelly_add(struct plait_jelly *jelly, struct plait_jelly_value *parent);

/* Makes `alias` stand for `target`, which is no alias. */
void plait__jelly_alias(struct plait_jelly *jelly, struct plait_jelly_value *alias, struct plait_jelly_value *target);

/* Whether what is inside a value is complete, and of the kinds that may stand there. */
bool plait__jelly_is_whole(const struct plait_jelly_value *value);

/* The value itself, or what it is an alias of. */
const struct plait_jelly_value *plait__jelly_resolve(const struct plait_jelly_value *value);

#endif
