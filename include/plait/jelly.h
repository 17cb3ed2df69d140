/* SPDX-License-Identifier: MIT
 *
 * Jelly: the values that Perspective Broker carries, as a tree to build, to walk and to match. What Twisted's
 * twisted.spread.jelly makes of a Python object is a value here; bytes on the wire are banana.
 *
 *     plait_jelly_open(j, PLAIT_JELLY_TUPLE);
 *     plait_jelly_put_integer(j, 3);
 *     plait_jelly_put_text(j, PLAIT_LIT("three"));
 *     plait_jelly_close(j);
 *     ...
 *     int64_t number;
 *     plait_slice text;
 *     if (plait_jelly_match(args, "it", &number, &text))
 */
#ifndef PLAIT_JELLY_H
#define PLAIT_JELLY_H

#include <plait/bytes.h>

PLAIT_BEGIN

struct plait_jelly;
struct plait_jelly_value;

/* Python's name stands behind each. */
enum plait_jelly_kind {
    PLAIT_JELLY_NONE,          /* None */
    PLAIT_JELLY_BOOLEAN,       /* bool */
    PLAIT_JELLY_INTEGER,       /* int that fits int64_t */
    PLAIT_JELLY_BIG_INTEGER,   /* int beyond: digits of 7 bits, lowest first, at most 64 */
    PLAIT_JELLY_FLOAT,         /* float */
    PLAIT_JELLY_BYTES,         /* bytes */
    PLAIT_JELLY_TEXT,          /* str, UTF-8 */
    PLAIT_JELLY_LIST,          /* list */
    PLAIT_JELLY_TUPLE,         /* tuple */
    PLAIT_JELLY_DICTIONARY,    /* dict: a key, its value, the next key ... */
    PLAIT_JELLY_SET,           /* set */
    PLAIT_JELLY_FROZENSET,     /* frozenset */
    PLAIT_JELLY_DATETIME,      /* datetime: "2020 1 2 3 4 5 6", with microseconds, without a zone */
    PLAIT_JELLY_DATE,          /* date: "2020 1 2" */
    PLAIT_JELLY_TIME,          /* time: "3 4 5 6" */
    PLAIT_JELLY_TIMEDELTA,     /* timedelta: "days seconds microseconds" */
    PLAIT_JELLY_DECIMAL,       /* Decimal: coefficient and exponent of ten, two integers */
    PLAIT_JELLY_MODULE,        /* a module, by name */
    PLAIT_JELLY_CLASS,         /* a class, by name */
    PLAIT_JELLY_FUNCTION,      /* a function, by name */
    PLAIT_JELLY_UNPERSISTABLE, /* what could not be sent: the reason */
    PLAIT_JELLY_REMOTE,        /* an object of the sender, by number or by name (bytes) */
    PLAIT_JELLY_LOCAL,         /* an object of the receiver */
    PLAIT_JELLY_CACHED,        /* what the sender gave to be cached, again */
    PLAIT_JELLY_LCACHE,        /* what the receiver gave to be cached, on its way home */
    PLAIT_JELLY_INSTANCE,      /* an instance of a class: its name, then one or two values (a number, the state) */
};

/* The zero value of every member is its default. */
struct plait_jelly_options {
    size_t bytes_max; /* of the tree's memory; 16 MiB */
    unsigned depth;   /* of values in values; 64, and at most that */
    /* Whether instances, classes, functions and modules of this name are taken from the wire; NULL: none is. */
    bool (*accept)(plait_slice name, void *ctx);
    void *ctx;
    void *reserved[2];
};

/* --- trees -------------------------------------------------------------------------------------------------------- */

/** Makes an empty tree, counted under `budget`. Returns NULL when there is no memory. Ownership: the caller's, ended
 * with plait_jelly_free; options are copied and may be NULL. */
PLAIT_API struct plait_jelly *plait_jelly_new(struct plait_budget *budget, const struct plait_jelly_options *options)
    PLAIT_MUST;

/** Frees a tree with all its values. Takes NULL and leaves NULL. */
PLAIT_API void plait_jelly_free(struct plait_jelly **jelly);

/** First of the values at the top of a tree, NULL when there is none. Ownership: borrowed from the tree, as every value
 * is. */
PLAIT_API const struct plait_jelly_value *plait_jelly_top(const struct plait_jelly *jelly);

/* --- building ----------------------------------------------------------------------------------------------------- */

/* Values go to the end of what was opened last, or to the top. The error is sticky: PLAIT_EINVAL (a value that can't
 * stand there), PLAIT_ETOOLONG (over 640 KiB, which is banana's own limit), PLAIT_ELIMIT (depth), PLAIT_ENOMEM. Bytes
 * are copied. */

/** Puts None. */
PLAIT_API void plait_jelly_put_none(struct plait_jelly *jelly);

/** Puts a bool. */
PLAIT_API void plait_jelly_put_boolean(struct plait_jelly *jelly, bool value);

/** Puts an int. */
PLAIT_API void plait_jelly_put_integer(struct plait_jelly *jelly, int64_t value);

/** Puts an int of any size: at most 64 digits of 7 bits, lowest first. */
PLAIT_API void plait_jelly_put_big_integer(struct plait_jelly *jelly, bool negative, plait_slice digits);

/** Puts a float. */
PLAIT_API void plait_jelly_put_float(struct plait_jelly *jelly, double value);

/** Puts bytes. */
PLAIT_API void plait_jelly_put_bytes(struct plait_jelly *jelly, plait_slice value);

/** Puts a str, which is UTF-8. */
PLAIT_API void plait_jelly_put_text(struct plait_jelly *jelly, plait_slice value);

/** Puts one of the kinds that are a piece of text: TEXT, DATETIME to TIMEDELTA, MODULE to UNPERSISTABLE. */
PLAIT_API void plait_jelly_put_named(struct plait_jelly *jelly, enum plait_jelly_kind kind, plait_slice text);

/** Puts a REMOTE, LOCAL, CACHED or LCACHE by its number. */
PLAIT_API void plait_jelly_put_object(struct plait_jelly *jelly, enum plait_jelly_kind kind, int64_t number);

/** Puts once more what was opened in this tree, and may still be open: the peer gets the same object at both places. */
PLAIT_API void plait_jelly_put_again(struct plait_jelly *jelly, struct plait_jelly_value *value);

/** Opens a LIST, TUPLE, DICTIONARY, SET, FROZENSET or DECIMAL and returns it; NULL on failure. Ownership: as
 * plait_jelly_top. */
PLAIT_API struct plait_jelly_value *plait_jelly_open(struct plait_jelly *jelly, enum plait_jelly_kind kind);

/** Opens an instance of the class `name`. Ownership: as plait_jelly_open. */
PLAIT_API struct plait_jelly_value *plait_jelly_open_instance(struct plait_jelly *jelly, plait_slice name);

/** Closes what was opened last. */
PLAIT_API void plait_jelly_close(struct plait_jelly *jelly);

/** Whether a tree is fit to be written. Errors: the sticky one; PLAIT_EINVAL (something is open). */
PLAIT_API plait_err plait_jelly_error(const struct plait_jelly *jelly) PLAIT_MUST;

/* --- walking ------------------------------------------------------------------------------------------------------ */

/* What is asked of a value of another kind, or of NULL, reads as 0, false or nothing. Objects that stand at several
 * places are found at all of them, and an object may hold itself: a walk over everything needs a limit of its own. */

/** Kind of a value; NONE for NULL. */
PLAIT_API enum plait_jelly_kind plait_jelly_kind(const struct plait_jelly_value *value);

/** Value of an INTEGER; number of a REMOTE, LOCAL, CACHED or LCACHE. */
PLAIT_API int64_t plait_jelly_integer(const struct plait_jelly_value *value);

/** Value of a BOOLEAN; whether a BIG_INTEGER is negative. */
PLAIT_API bool plait_jelly_boolean(const struct plait_jelly_value *value);

/** Value of a FLOAT. */
PLAIT_API double plait_jelly_float(const struct plait_jelly_value *value);

/** Bytes of BYTES, TEXT and the kinds that are a piece of text; digits of a BIG_INTEGER; name of an INSTANCE, or of an
 * object that has no number. Ownership: borrowed from the tree. */
PLAIT_API plait_slice plait_jelly_bytes(const struct plait_jelly_value *value);

/** Number of values inside; a DICTIONARY's keys and values count each. */
PLAIT_API size_t plait_jelly_count(const struct plait_jelly_value *value);

/** First value inside. Ownership: as plait_jelly_top. */
PLAIT_API const struct plait_jelly_value *plait_jelly_first(const struct plait_jelly_value *value);

/** Value behind another inside the same one, or at the top. Ownership: as plait_jelly_top. */
PLAIT_API const struct plait_jelly_value *plait_jelly_next(const struct plait_jelly_value *value);

/** Value of a DICTIONARY's key, which is TEXT or BYTES; NULL when it isn't there. Ownership: as plait_jelly_top. */
PLAIT_API const struct plait_jelly_value *plait_jelly_get(const struct plait_jelly_value *value, const char *key);

/** Whether the values inside are as many as the letters of `pattern`, and as they say; then they are given out. The
 * letters, and the type of the pointer that belongs to each: 'i' INTEGER, int64_t; 'f' FLOAT, double; 'b' BOOLEAN,
 * bool; 's' BYTES and 't' TEXT or BYTES, plait_slice; 'v' anything, const struct plait_jelly_value pointer. */
PLAIT_API bool plait_jelly_match(const struct plait_jelly_value *value, const char *pattern, ...);

/* --- the wire ----------------------------------------------------------------------------------------------------- */

/** Reads one value from the front of `wire`, which is banana, to the end of what was opened last, and takes it off.
 * `vocabulary`: the dialect is "pb", not "none". Errors: PLAIT_EMALFORMED (this is no value), PLAIT_ETRUNCATED,
 * PLAIT_EFORBIDDEN (a name that was not accepted), PLAIT_ELIMIT (depth), PLAIT_ETOOLONG, PLAIT_ENOMEM, and the tree's
 * own; the tree is then fit for plait_jelly_free only. Source: twisted/spread/jelly.py. */
PLAIT_API plait_err plait_jelly_read(struct plait_jelly *jelly, plait_slice *wire, bool vocabulary) PLAIT_MUST;

/** Appends a value to `out` as banana. Errors: the tree's, PLAIT_ELIMIT (depth), PLAIT_ETOOLONG, PLAIT_ENOMEM. */
PLAIT_API plait_err plait_jelly_write(struct plait_jelly *jelly, const struct plait_jelly_value *value,
                                      struct plait_buf *out, bool vocabulary) PLAIT_MUST;

PLAIT_END
#endif
