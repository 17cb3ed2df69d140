/* SPDX-License-Identifier: MIT
 *
 * Lines: the codec. It remembers how far it looked, and looks again only where a delimiter may have begun.
 *
 * Invariant: the first `seen` bytes of the input hold no whole delimiter.
 * Tests: tests/framing/test_line_wire.c; fuzz/fuzz_framing.c.
 */
#include "base/try.h"

#include <plait/framing.h>

enum { LINE_MAX_BYTES = 8192, DELIMITER_MAX_BYTES = 16 };

void plait_line_init(struct plait_line *line, size_t max)
{
    plait_line_init_delimiter(line, PLAIT_LIT("\r\n"), max);
    line->bare_lf = true;
}

void plait_line_init_delimiter(struct plait_line *line, plait_slice delimiter, size_t max)
{
    *line = (struct plait_line){.delimiter = delimiter, .max = max ? max : LINE_MAX_BYTES};
    if (line->max > SIZE_MAX - DELIMITER_MAX_BYTES)
        line->max = SIZE_MAX - DELIMITER_MAX_BYTES; /* so that sums with it don't overflow */
}

void plait_line_restart(struct plait_line *line)
{
    line->seen = 0;
}

static struct plait_frame bad(plait_err err)
{
    return (struct plait_frame){.event = PLAIT_FRAME_BAD, .err = err};
}

/* Where the line ends and how long its delimiter is. SIZE_MAX: nowhere yet. */
static size_t find_end(const struct plait_line *line, plait_slice in, size_t *delimiter_len)
{
    if (!line->bare_lf) {
        *delimiter_len = line->delimiter.len;
        return plait_slice_find(in, line->delimiter, line->seen);
    }
    const size_t lf = plait_slice_find_byte(in, '\n', line->seen);
    const bool with_cr = lf != SIZE_MAX && lf > 0 && in.ptr[lf - 1] == '\r';
    *delimiter_len = with_cr ? 2 : 1;
    return with_cr ? lf - 1 : lf;
}

struct plait_frame plait_line_next(struct plait_line *line, plait_slice in)
{
    size_t delimiter_len;
    if (line->seen > in.len)
        line->seen = 0;
    const size_t end = find_end(line, in, &delimiter_len);
    if (end != SIZE_MAX) {
        if (end > line->max)
            return bad(PLAIT_ETOOLONG);
        line->seen = 0;
        return (struct plait_frame){
            .event = PLAIT_FRAME_WHOLE, .payload = plait_slice_sub(in, 0, end), .taken = end + delimiter_len};
    }
    const size_t partial = line->delimiter.len - 1; /* so much of a delimiter may stand at the end */
    if (in.len > line->max + partial)
        return bad(PLAIT_ETOOLONG);
    line->seen = in.len > partial ? in.len - partial : 0;
    return (struct plait_frame){.event = PLAIT_FRAME_MORE};
}
