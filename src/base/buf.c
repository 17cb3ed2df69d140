/* SPDX-License-Identifier: MIT
 *
 * The owned buffer: grows by doubling up to its maximum, slides its content to the front when that makes the room.
 *
 * Invariant: at + len <= cap; len <= max; after an error nothing is appended any more until plait_buf_clear or deinit.
 * Test: tests/base/test_buf.c.
 */
#include <plait/bytes.h>

#include <stdio.h>

enum { FIRST_BYTES = 64 };

void plait_buf_init(struct plait_buf *buf, struct plait_budget *budget, size_t max)
{
    *buf = (struct plait_buf){.budget = budget, .max = max};
}

void plait_buf_deinit(struct plait_buf *buf)
{
    plait_mem_free(buf->ptr);
    plait_buf_init(buf, buf->budget, buf->max);
}

void plait_buf_clear(struct plait_buf *buf)
{
    buf->at = 0;
    buf->len = 0;
    buf->err = PLAIT_OK;
}

static bool grow(struct plait_buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : FIRST_BYTES;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > buf->max && need <= buf->max)
        cap = buf->max;
    uint8_t *ptr = plait_mem_resize(buf->budget, buf->ptr, cap);
    if (!ptr) {
        buf->err = PLAIT_ENOMEM;
        return false;
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

uint8_t *plait_buf_reserve(struct plait_buf *buf, size_t bytes)
{
    if (buf->err != PLAIT_OK)
        return NULL;
    if (bytes > buf->max - buf->len) {
        buf->err = PLAIT_ETOOLONG;
        return NULL;
    }
    if (buf->cap - buf->at - buf->len < bytes || !buf->ptr) {
        if (buf->at > 0) {
            memmove(buf->ptr, buf->ptr + buf->at, buf->len);
            buf->at = 0;
        }
        if ((buf->cap - buf->len < bytes || !buf->ptr) && !grow(buf, buf->len + bytes))
            return NULL;
    }
    return buf->ptr + buf->at + buf->len;
}

void plait_buf_commit(struct plait_buf *buf, size_t bytes)
{
    buf->len += bytes;
}

void plait_buf_put(struct plait_buf *buf, plait_slice s)
{
    uint8_t *at = s.len > 0 ? plait_buf_reserve(buf, s.len) : NULL;
    if (!at)
        return;
    memcpy(at, s.ptr, s.len);
    buf->len += s.len;
}

void plait_buf_put_u8(struct plait_buf *buf, uint8_t value)
{
    plait_buf_put(buf, plait_slice_of(&value, 1));
}

void plait_buf_put_u16(struct plait_buf *buf, uint16_t value)
{
    const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    plait_buf_put(buf, plait_slice_of(bytes, sizeof bytes));
}

void plait_buf_put_u32(struct plait_buf *buf, uint32_t value)
{
    plait_buf_put_u16(buf, (uint16_t)(value >> 16));
    plait_buf_put_u16(buf, (uint16_t)value);
}

void plait_buf_put_text(struct plait_buf *buf, const char *text)
{
    plait_buf_put(buf, plait_slice_text(text));
}

void plait_buf_put_u64_text(struct plait_buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    plait_buf_put(buf, plait_slice_of(digits + at, sizeof digits - at));
}

void plait_buf_printf(struct plait_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    plait_buf_vprintf(buf, fmt, args);
    va_end(args);
}

void plait_buf_vprintf(struct plait_buf *buf, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, fmt, args);
    /* vsnprintf terminates; the terminator must not count against the maximum, so the text is made beside the
     * buffer. */
    char small[256];
    if (n >= 0 && (size_t)n < sizeof small) {
        vsnprintf(small, sizeof small, fmt, again);
        plait_buf_put(buf, plait_slice_of(small, (size_t)n));
    } else if (n >= 0 && buf->err == PLAIT_OK) {
        char *text = plait_mem_resize(buf->budget, NULL, (size_t)n + 1);
        if (text) {
            vsnprintf(text, (size_t)n + 1, fmt, again);
            plait_buf_put(buf, plait_slice_of(text, (size_t)n));
        } else {
            buf->err = PLAIT_ENOMEM;
        }
        plait_mem_free(text);
    }
    va_end(again);
}

void plait_buf_consume(struct plait_buf *buf, size_t bytes)
{
    if (bytes >= buf->len) {
        buf->at = 0;
        buf->len = 0;
        return;
    }
    buf->at += bytes;
    buf->len -= bytes;
}
