/* SPDX-License-Identifier: MIT
 *
 * The lines of a password file. Pure: auth_file.c reads the file, auth_passwd.c writes it.
 *
 * Invariant: what plait__passwd_is_user takes, and a line's end keeps out of, comes back from plait__passwd_line. Test:
 * tests/auth/test_passwd_wire.c.
 */
#include "auth/passwd_wire.h"

bool plait__passwd_line(plait_slice line, plait_slice *user, plait_slice *hash)
{
    struct plait_scan scan = plait_scan_of(line);
    if (!plait_scan_until(&scan, ':', user) || !plait__passwd_is_user(*user))
        return false;
    *hash = plait_slice_sub(plait_scan_rest(&scan), 1, SIZE_MAX);
    return plait_slice_find_byte(*hash, 0, 0) == SIZE_MAX;
}

bool plait__passwd_is_user(plait_slice user)
{
    if (user.len == 0 || user.len > 255 || user.ptr[0] == '#')
        return false;
    for (size_t i = 0; i < user.len; i++) {
        if (user.ptr[i] < 0x20 || user.ptr[i] == 0x7f || user.ptr[i] == ':')
            return false;
    }
    return true;
}

bool plait__passwd_is_hash(plait_slice hash)
{
    return hash.len > 0 && hash.ptr[0] != '!' && hash.ptr[0] != '*';
}
