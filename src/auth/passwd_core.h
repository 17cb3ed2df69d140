/* SPDX-License-Identifier: MIT
 *
 * Reading a password file in a job of the pool: line by line, with all memory made before.
 */
#ifndef PLAIT_AUTH_PASSWD_CORE_H
#define PLAIT_AUTH_PASSWD_CORE_H

#include "auth/auth_core.h"
#include "auth/passwd_wire.h"
#include "engine/sys.h"

#include <crypt.h>
#include <sys/types.h>

enum { PLAIT__PASSWD_PATH_MAX = 1000 };

struct plait__passwd_reader {
    struct plait_sys *sys;
    int fd;
    off_t offset;
    size_t at, len; /* of the chunk: what was not looked at yet */
    uint8_t chunk[4096];
    uint8_t line[PLAIT__PASSWD_LINE_MAX];
};

/* Begins at the file's start. Returns the descriptor, or -errno. */
int plait__passwd_open(struct plait__passwd_reader *r, struct plait_sys *sys, const char *path);
void plait__passwd_close(struct plait__passwd_reader *r);

/* The next line without its end, borrowed until the next call. Returns 1, 0 behind the last, or -errno: -E2BIG for a
 * line that is too long. */
int plait__passwd_next(struct plait__passwd_reader *r, plait_slice *line);

#endif
