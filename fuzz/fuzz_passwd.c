/* SPDX-License-Identifier: MIT
 *
 * A password file's lines: what a line names is a user who may be named, parts lie in the line, and a line that is put
 * together of the parts is the same one.
 */
#include "auth/passwd_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

static void check_line(plait_slice line)
{
    plait_slice user, hash;
    if (!plait__passwd_line(line, &user, &hash))
        return;
    must(plait__passwd_is_user(user) && user.len <= 255);
    must(user.ptr == line.ptr && user.len + 1 + hash.len == line.len && line.ptr[user.len] == ':');
    must(!plait__passwd_is_hash(hash) || (hash.len > 0 && hash.ptr[0] != '!' && hash.ptr[0] != '*'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const plait_slice in = plait_slice_of(data, size);
    for (size_t at = 0, end; at < size; at = end + 1) {
        end = plait_slice_find_byte(in, '\n', at);
        end = end == SIZE_MAX ? size : end;
        check_line(plait_slice_sub(in, at, end));
    }
    return 0;
}
