/* SPDX-License-Identifier: MIT
 *
 * What is on its way to a host's disk, for sim_disk.c and sim_crash.c.
 */
#ifndef PLAIT_SIM_DISK_CORE_H
#define PLAIT_SIM_DISK_CORE_H

#include "sim/sim_files.h"

/* Content of a file. */
struct sim_write {
    struct sim_link link;
    size_t at, len;
    bool resize; /* to `at` bytes */
    uint8_t bytes[];
};

/* A change of folders; it holds a reference to each inode. */
struct sim_change {
    struct sim_link link;
    struct sim_inode *inode, *folder; /* which gets, or loses, its place there */
    struct sim_inode *from;           /* the folder that a moved one left; NULL: it is new */
    struct sim_inode *replaced;       /* what stood in the place; may be NULL */
    char *name;
    bool removal, marked;
};

void sim_write_free(struct sim_stored *stored, struct sim_write *w);
void sim_change_free(struct sim_disk *disk, struct sim_change *c);

/* Does on the disk what was on its way. A change that does not fit any more is as good as lost: false. A write fails
 * where there is no memory. */
bool sim_change_apply(struct sim_change *c);
bool sim_stored_write(struct sim_inode *inode, const uint8_t *bytes, size_t len, size_t at);

#endif
