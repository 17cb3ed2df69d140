/* SPDX-License-Identifier: MIT
 *
 * A host's file tree: what the table of calls, descriptors and UNIX sockets need of it.
 */
#ifndef PLAIT_SIM_FILES_H
#define PLAIT_SIM_FILES_H

#include "sim/sim_disk.h"

struct sim_inode {
    struct plait_host *host;
    struct sim_inode *parent;
    struct sim_link in_parent, entries; /* entries: of a folder */
    struct sim_inode *left;             /* the folder that a removed folder stood in */
    char *name;                         /* in its folder; NULL once unlinked */
    unsigned mode;                      /* S_IFMT bits and permissions */
    uint64_t number;
    size_t refs;            /* open files, the folder it stands in, and what the disk knows of it */
    size_t opens;           /* open files alone */
    int64_t changed;        /* wall clock */
    struct sim_ring data;   /* of a file; at is always 0 */
    struct sim_sock *bound; /* of a socket, while it is bound */
    struct sim_stored stored;
    const struct plait_sim_program *program;
    void *program_ctx;
};

/* Where a path leads: the folder, the last name in it, and what stands there (NULL: nothing). */
struct sim_place {
    struct sim_inode *folder, *inode;
    char name[256]; /* "/" for a path without names */
    bool slash;     /* the path ended in '/' */
};

int sim_path_walk(struct plait_host *host, int dirfd, const char *path, uint64_t resolve, struct sim_place *out);
/* The same; what a '/' follows must be a folder. */
int sim_path_find(struct plait_host *host, int dirfd, const char *path, uint64_t resolve, struct sim_place *out);

plait_err sim_host_write(struct plait_host *host, const char *path, plait_slice bytes, struct sim_inode **out);
/* The owner's rights: there is nobody else. */
enum { SIM_MAY_ENTER = 1, SIM_MAY_WRITE = 2, SIM_MAY_READ = 4 };
bool sim_inode_may(const struct sim_inode *inode, unsigned rights);

struct sim_inode *sim_inode_make(struct plait_host *host, struct sim_inode *folder, const char *name, unsigned mode);
void sim_inode_unref(struct sim_inode *inode);
void sim_inode_unlink(struct sim_inode *inode);
void sim_inode_opened(struct sim_inode *inode);
void sim_inode_closed(struct sim_inode *inode);
void sim_inode_link(struct sim_inode *inode, struct sim_inode *folder, char *name);
void sim_tree_free(struct sim_inode *inode);
/* How much was written, or -ENOSPC. */
ssize_t sim_inode_write(struct sim_inode *inode, const uint8_t *bytes, size_t len, size_t at);
int sim_inode_truncate(struct sim_inode *inode, size_t size);
bool sim_inode_resize(struct sim_inode *inode, size_t size); /* what programs see; nothing is noted */

struct sim_inode *sim_file_inode(struct sim_file *f); /* NULL for what is no file of the tree */
bool sim_is_plain_file(const struct sim_file *f);
ssize_t sim_inode_read(struct sim_file *f, uint8_t *out, size_t len, off_t at);
off_t sim_file_position(struct sim_file *f);
void sim_file_seek(struct sim_file *f, off_t at);

/* UNIX sockets in the tree. */
int sim_inode_bind(struct plait_host *host, const char *path, struct sim_sock *s);
void sim_inode_unbind(struct sim_sock *s);
int sim_inode_socket(struct plait_host *host, const char *path, struct sim_sock **out);

int sim_do_openat2(struct plait_host *host, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve);
int sim_do_fstat(struct plait_host *host, int fd, struct stat *out);
int sim_do_fstatat(struct plait_host *host, int dirfd, const char *path, struct stat *out, int flags);
ssize_t sim_do_pread(struct plait_host *host, int fd, void *buf, size_t len, off_t offset);
ssize_t sim_do_pread_nowait(struct plait_host *host, int fd, void *buf, size_t len, off_t offset);
ssize_t sim_do_pwrite(struct plait_host *host, int fd, const void *buf, size_t len, off_t offset);
int sim_do_ftruncate(struct plait_host *host, int fd, off_t len);
int sim_do_fsync(struct plait_host *host, int fd);
/* A rule made fsync fail with the disk's error: what was on its way is lost. */
void sim_fsync_failed(struct plait_host *host, int fd);
int sim_do_unlinkat(struct plait_host *host, int dirfd, const char *path, int flags);
int sim_do_renameat(struct plait_host *host, int from_dir, const char *from, int to_dir, const char *to);
int sim_do_mkdirat(struct plait_host *host, int dirfd, const char *path, unsigned mode);
int sim_do_fchmodat(struct plait_host *host, int dirfd, const char *path, unsigned mode);
ssize_t sim_do_getdents(struct plait_host *host, int fd, void *buf, size_t len);
int sim_do_isatty(struct plait_host *host, int fd);

int sim_do_fcntl(struct plait_host *host, int fd, int cmd, long arg);
ssize_t sim_do_read(struct plait_host *host, int fd, const struct iovec *iov);
ssize_t sim_do_write(struct plait_host *host, int fd, const struct iovec *iov, size_t count);
ssize_t sim_do_sendfile(struct plait_host *host, int out_fd, int in_fd, off_t *offset, size_t count);

#endif
