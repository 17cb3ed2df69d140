/* SPDX-License-Identifier: MIT
 *
 * Bytes come in three types: a slice is borrowed, a buffer is owned and has a hard maximum, a chain (inside the
 * library) is bounded pieces on their way out. Text is read through one scan cursor.
 */
#ifndef PLAIT_BYTES_H
#define PLAIT_BYTES_H

#include <plait/memory.h>

#include <stdarg.h>
#include <string.h>

PLAIT_BEGIN

/* The simplest callback. */
typedef void (*plait_call_fn)(void *ctx);

/* Borrowed bytes. `ptr` may be NULL when `len` is 0. */
typedef struct plait_slice {
    const uint8_t *ptr;
    size_t len;
} plait_slice;

/** Slice of `len` bytes at `ptr`. Ownership: borrowed from the caller. */
static inline plait_slice plait_slice_of(const void *ptr, size_t len)
{
    plait_slice s;
    s.ptr = (const uint8_t *)ptr;
    s.len = len;
    return s;
}

/** Slice of a terminated text, without its terminator. Ownership: borrowed from the caller. */
static inline plait_slice plait_slice_text(const char *text)
{
    return plait_slice_of(text, text ? strlen(text) : 0);
}

/* Slice of a string literal. */
#define PLAIT_LIT(literal) plait_slice_of("" literal, sizeof(literal) - 1)

/* Arguments for printf's "%.*s". Peer's bytes printed so are escaped by the log. */
#define PLAIT_ARG(slice) (int)(slice).len, (const char *)(slice).ptr

/** Part of a slice from `from` up to `to`; both are cut to its length. Ownership: borrowed as the slice was. */
PLAIT_API plait_slice plait_slice_sub(plait_slice s, size_t from, size_t to);

/** Whether two slices hold the same bytes. Not for secrets: see plait_slice_equal_secret. */
PLAIT_API bool plait_slice_equal(plait_slice a, plait_slice b);

/** Whether two slices hold the same bytes, ASCII letters compared without case. */
PLAIT_API bool plait_slice_equal_nocase(plait_slice a, plait_slice b);

/** Whether two slices hold the same bytes, in time that depends on the lengths only. */
PLAIT_API bool plait_slice_equal_secret(plait_slice a, plait_slice b);

/** Whether a slice begins with another. */
PLAIT_API bool plait_slice_starts(plait_slice s, plait_slice prefix);

/** Offset of the first byte `byte` at or behind `from`, or SIZE_MAX. */
PLAIT_API size_t plait_slice_find_byte(plait_slice s, uint8_t byte, size_t from);

/** Offset of the first occurrence of `what` at or behind `from`, or SIZE_MAX; an empty `what` is found at `from`. */
PLAIT_API size_t plait_slice_find(plait_slice s, plait_slice what, size_t from);

/** Slice without the spaces and tabs at both ends. Ownership: borrowed as the slice was. */
PLAIT_API plait_slice plait_slice_trim(plait_slice s);

/** Reads a whole slice as an unsigned decimal number of at most `max`; nothing but digits is accepted.
 * Errors: PLAIT_ESYNTAX (empty or not a digit), PLAIT_ELIMIT (over max). */
PLAIT_API plait_err plait_slice_to_u64(plait_slice s, uint64_t max, uint64_t *out) PLAIT_MUST;

/* An owned buffer that grows up to a hard maximum. Its write error is sticky: build a message without looking, and look
 * at `err` once at the end. Reading takes from the front. The members are for reading only. */
struct plait_buf {
    uint8_t *ptr; /* storage; the content is ptr[at .. at + len) */
    size_t at;
    size_t len;
    size_t cap;
    size_t max; /* most bytes of content */
    plait_err err;
    struct plait_budget *budget;
};

/** Makes an empty buffer whose content may reach `max` bytes, counted under `budget`; allocates nothing yet.
 * Ownership: the caller's memory, ended with plait_buf_deinit. */
PLAIT_API void plait_buf_init(struct plait_buf *buf, struct plait_budget *budget, size_t max);

/** Frees a buffer's storage and leaves it empty, usable and without an error. */
PLAIT_API void plait_buf_deinit(struct plait_buf *buf);

/** Forgets content and error, keeps the storage. */
PLAIT_API void plait_buf_clear(struct plait_buf *buf);

/** Content of a buffer. Ownership: borrowed until the next call on the buffer. */
static inline plait_slice plait_buf_slice(const struct plait_buf *buf)
{
    return plait_slice_of(buf->ptr ? buf->ptr + buf->at : NULL, buf->len);
}

/** Room for `bytes` more at the end. Returns where to write, or NULL with the buffer's error set (PLAIT_ETOOLONG over
 * its maximum, PLAIT_ENOMEM). Ownership: borrowed until the next call; plait_buf_commit makes it content. */
PLAIT_API uint8_t *plait_buf_reserve(struct plait_buf *buf, size_t bytes) PLAIT_MUST;

/** Makes the first `bytes` of what was reserved content. */
PLAIT_API void plait_buf_commit(struct plait_buf *buf, size_t bytes);

/** Appends bytes; the sticky error tells of failure. */
PLAIT_API void plait_buf_put(struct plait_buf *buf, plait_slice s);

/** Appends one byte. */
PLAIT_API void plait_buf_put_u8(struct plait_buf *buf, uint8_t value);

/** Appends two bytes, big-endian. */
PLAIT_API void plait_buf_put_u16(struct plait_buf *buf, uint16_t value);

/** Appends four bytes, big-endian. */
PLAIT_API void plait_buf_put_u32(struct plait_buf *buf, uint32_t value);

/** Appends a terminated text without its terminator. */
PLAIT_API void plait_buf_put_text(struct plait_buf *buf, const char *text);

/** Appends a number in decimal. */
PLAIT_API void plait_buf_put_u64_text(struct plait_buf *buf, uint64_t value);

/** Appends text in printf's format. */
PLAIT_API void plait_buf_printf(struct plait_buf *buf, const char *fmt, ...) PLAIT_PRINTF(2, 3);

/** Appends text in printf's format from an argument list. */
PLAIT_API void plait_buf_vprintf(struct plait_buf *buf, const char *fmt, va_list args) PLAIT_PRINTF(2, 0);

/** Takes `bytes` (cut to the content) from the front. */
PLAIT_API void plait_buf_consume(struct plait_buf *buf, size_t bytes);

/* Bytes that several owners share. */
struct plait_shared;

/** Makes shared bytes by copying. Returns NULL when there is no memory. Ownership: one reference, the caller's. */
PLAIT_API struct plait_shared *plait_shared_new(struct plait_budget *budget, plait_slice bytes) PLAIT_MUST;

/** Takes one more reference. Ownership: the returned reference is the caller's. */
PLAIT_API struct plait_shared *plait_shared_ref(struct plait_shared *shared);

/** Gives a reference up; the last one frees. Takes NULL and leaves NULL. */
PLAIT_API void plait_shared_unref(struct plait_shared **shared);

/** The bytes. Ownership: borrowed from the reference. */
PLAIT_API plait_slice plait_shared_slice(const struct plait_shared *shared);

/* A cursor over borrowed text. Every `plait_scan_` function that returns bool moves the cursor only when it returns
 * true. */
struct plait_scan {
    const uint8_t *at;
    const uint8_t *end;
};

/** Cursor at the start of a slice. Ownership: borrows the slice's bytes. */
static inline struct plait_scan plait_scan_of(plait_slice s)
{
    struct plait_scan c;
    c.at = s.ptr;
    c.end = s.ptr ? s.ptr + s.len : s.ptr;
    return c;
}

/** Whether nothing is left. */
static inline bool plait_scan_done(const struct plait_scan *scan)
{
    return scan->at == scan->end;
}

/** What is left. Ownership: borrowed as the scanned slice was. */
static inline plait_slice plait_scan_rest(const struct plait_scan *scan)
{
    return plait_slice_of(scan->at, (size_t)(scan->end - scan->at));
}

/** Takes one byte if it is `byte`. */
PLAIT_API bool plait_scan_byte(struct plait_scan *scan, uint8_t byte);

/** Takes a literal text. */
PLAIT_API bool plait_scan_literal(struct plait_scan *scan, plait_slice literal);

/** Takes a literal text, ASCII letters compared without case. */
PLAIT_API bool plait_scan_literal_nocase(struct plait_scan *scan, plait_slice literal);

/** Takes everything before the next byte `stop`, which stays; false when there is none. */
PLAIT_API bool plait_scan_until(struct plait_scan *scan, uint8_t stop, plait_slice *out);

/** Takes the longest run, at least one byte, of bytes for which `is` says yes. Callbacks: `is` runs inside the call. */
PLAIT_API bool plait_scan_while(struct plait_scan *scan, bool (*is)(uint8_t byte), plait_slice *out);

/** Takes spaces and tabs, none included, and returns how many. */
PLAIT_API size_t plait_scan_blank(struct plait_scan *scan);

/** Takes a run of decimal digits, at least one, whose value is at most `max`. */
PLAIT_API bool plait_scan_u64(struct plait_scan *scan, uint64_t max, uint64_t *out);

/** Takes a run of hexadecimal digits, at least one, whose value is at most `max`. */
PLAIT_API bool plait_scan_hex64(struct plait_scan *scan, uint64_t max, uint64_t *out);

/** Takes one byte. */
PLAIT_API bool plait_scan_u8(struct plait_scan *scan, uint8_t *out);

/** Takes two bytes, big-endian. */
PLAIT_API bool plait_scan_u16(struct plait_scan *scan, uint16_t *out);

/** Takes four bytes, big-endian. */
PLAIT_API bool plait_scan_u32(struct plait_scan *scan, uint32_t *out);

/** Takes exactly `len` bytes. */
PLAIT_API bool plait_scan_bytes(struct plait_scan *scan, size_t len, plait_slice *out);

PLAIT_END
#endif
