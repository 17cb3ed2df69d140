/* SPDX-License-Identifier: MIT
 *
 * What lies beneath a host's files: the disk. A file's content and a folder's entries are there twice, as programs see
 * them and as they would be found after a loss of power; between the two stand writes and changes of folders that were
 * not synced yet.
 */
#ifndef PLAIT_SIM_DISK_H
#define PLAIT_SIM_DISK_H

#include "sim/sim_core.h"

struct sim_inode;

/* What an inode is on the disk. */
struct sim_stored {
    struct sim_inode *parent;  /* where it stands there; NULL: nowhere, or it is the root */
    struct sim_link in_parent; /* in the parent's entries, which hold a reference */
    struct sim_link entries;   /* of a folder */
    char *name;                /* in the parent */
    struct sim_ring data;      /* content that is safe */
    unsigned mode;             /* permissions that are safe */
    struct sim_link writes;    /* content on its way, oldest first */
    size_t write_count;
    bool marked, wants_place; /* while a folder is synced */
};

void sim_stored_init(struct sim_stored *stored, unsigned mode);
void sim_stored_free(struct sim_stored *stored);

/* Note a change before it is done. False: there is no memory, and nothing is noted. */
bool sim_disk_note_write(struct sim_inode *inode, const uint8_t *bytes, size_t len, size_t at);
bool sim_disk_note_size(struct sim_inode *inode, size_t size);
bool sim_disk_note_place(struct sim_inode *inode, struct sim_inode *folder, const char *name,
                         struct sim_inode *replaced);
bool sim_disk_note_removal(struct sim_inode *inode);

/* Makes a file's content, or a folder's entries, safe: 0 or -ENOSPC. */
int sim_disk_sync(struct sim_inode *inode);
/* Syncing failed: what was on its way is lost, though programs go on seeing it. */
void sim_disk_sync_failed(struct sim_inode *inode);
/* A file, and the way to it from the root. */
int sim_disk_sync_with_way(struct sim_inode *inode);

/* A call on files: false while the power is cut. */
bool sim_disk_lives(struct plait_host *host);

/* The power is lost: what was not synced is kept, lost, torn or reordered by the seed, and the tree becomes what the
 * disk holds. When plait_host_cut_disk has done so before, the power only comes back. */
void sim_files_crash(struct plait_host *host);

/* Before a host's tree goes. */
void sim_disk_free(struct plait_host *host);

/* Content with a position: a gap becomes zeroes. */
bool sim_ring_resize(struct plait_sim *sim, struct sim_ring *ring, size_t size);

#endif
