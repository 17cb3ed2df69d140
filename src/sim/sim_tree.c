/* SPDX-License-Identifier: MIT
 *
 * A host's tree of files and folders in memory, and the way from a path to a place in it, beneath a folder where that
 * is asked for. There are no links and no owners: the host's program owns everything. What of it is safe when the power
 * is lost is sim_disk.c.
 *
 * Invariant: an inode is held by the folder it stands in and by each open file; it goes with the last of them.
 * Tests: tests/sim/test_files.c.
 */
#include "sim/sim_files.h"
#include "sim/sim_socket.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

/* --- inodes ------------------------------------------------------------------------------------------------------- */

static void forget_left(struct sim_inode *inode)
{
    if (inode->left)
        sim_inode_unref(inode->left);
    inode->left = NULL;
}

void sim_inode_link(struct sim_inode *inode, struct sim_inode *folder, char *name)
{
    forget_left(inode);
    inode->parent = folder;
    inode->name = name;
    if (folder)
        sim_list_add(&folder->entries, &inode->in_parent);
}

static void touch(struct sim_inode *inode)
{
    inode->changed = inode->host->sim->wall_began + inode->host->sim->now;
}

struct sim_inode *sim_inode_make(struct plait_host *host, struct sim_inode *folder, const char *name, unsigned mode)
{
    struct plait_budget *budget = &host->sim->budget;
    struct sim_inode *inode = plait_mem_new(budget, sizeof *inode);
    char *text = inode ? plait_mem_text(budget, name, strlen(name)) : NULL;
    if (!text) {
        plait_mem_free(inode);
        return NULL;
    }
    inode->host = host;
    sim_list_init(&inode->in_parent);
    sim_list_init(&inode->entries);
    sim_stored_init(&inode->stored, mode);
    inode->mode = mode;
    inode->number = ++host->next_inode;
    inode->refs = 1;
    touch(inode);
    if (folder && !sim_disk_note_place(inode, folder, name, NULL)) {
        plait_mem_free(text);
        sim_inode_unref(inode);
        return NULL;
    }
    sim_inode_link(inode, folder, text);
    return inode;
}

void sim_inode_unref(struct sim_inode *inode)
{
    if (--inode->refs)
        return;
    plait_mem_free(inode->name);
    inode->host->disk.used -= inode->data.len;
    sim_ring_free(&inode->data);
    sim_stored_free(&inode->stored);
    plait_mem_free(inode);
}

/* What nobody can reach gives its room back, and the folder that it stood in; the disk may know it still. */
static void let_go(struct sim_inode *inode)
{
    if (!inode->name && inode->opens == 0) {
        (void)sim_inode_resize(inode, 0);
        forget_left(inode);
    }
    sim_inode_unref(inode);
}

void sim_inode_unlink(struct sim_inode *inode)
{
    sim_list_del(&inode->in_parent);
    plait_mem_free(inode->name);
    inode->name = NULL;
    if (S_ISDIR(inode->mode) && inode->parent) {
        inode->left = inode->parent;
        inode->left->refs++;
    }
    inode->parent = NULL;
    let_go(inode);
}

void sim_inode_opened(struct sim_inode *inode)
{
    inode->refs++;
    inode->opens++;
}

void sim_inode_closed(struct sim_inode *inode)
{
    inode->opens--;
    let_go(inode);
}

void sim_tree_free(struct sim_inode *inode)
{
    while (!sim_list_empty(&inode->entries))
        sim_tree_free(SIM_OF(inode->entries.next, struct sim_inode, in_parent));
    sim_inode_unlink(inode);
}

bool sim_inode_resize(struct sim_inode *inode, size_t size)
{
    size_t before = inode->data.len;
    if (!sim_ring_resize(inode->host->sim, &inode->data, size))
        return false;
    inode->host->disk.used += size - before;
    return true;
}

/* How much longer the disk's quota lets a file become. */
static size_t room(const struct plait_host *host)
{
    const struct sim_disk *disk = &host->disk;
    if (disk->options.bytes_max == 0)
        return SIZE_MAX;
    return disk->options.bytes_max > disk->used ? disk->options.bytes_max - disk->used : 0;
}

int sim_inode_truncate(struct sim_inode *inode, size_t size)
{
    size_t before = inode->data.len;
    if (size > before && size - before > room(inode->host))
        return -ENOSPC;
    if (!sim_disk_note_size(inode, size) || !sim_inode_resize(inode, size))
        return -ENOSPC;
    touch(inode);
    return 0;
}

ssize_t sim_inode_write(struct sim_inode *inode, const uint8_t *bytes, size_t len, size_t at)
{
    size_t before = inode->data.len, most = room(inode->host);
    if (len == 0)
        return 0;
    if (at + len > before && at + len - before > most)
        len = before + most > at ? before + most - at : 0;
    size_t size = at + len > before ? at + len : before;
    if (len == 0 || !sim_inode_resize(inode, size))
        return -ENOSPC;
    if (!sim_disk_note_write(inode, bytes, len, at)) {
        (void)sim_inode_resize(inode, before); /* becoming shorter cannot fail */
        return -ENOSPC;
    }
    memcpy(inode->data.ptr + at, bytes, len);
    touch(inode);
    return (ssize_t)len;
}

static struct sim_inode *entry(struct sim_inode *folder, const char *name)
{
    for (struct sim_link *at = folder->entries.next; at != &folder->entries; at = at->next) {
        struct sim_inode *inode = SIM_OF(at, struct sim_inode, in_parent);
        if (strcmp(inode->name, name) == 0)
            return inode;
    }
    return NULL;
}

/* --- paths -------------------------------------------------------------------------------------------------------- */

/* Takes the next name of a path: 1, 0 at the end, -ENAMETOOLONG. */
static int next_name(const char **path, char name[256])
{
    while (**path == '/')
        ++*path;
    const char *end = strchr(*path, '/');
    size_t len = end ? (size_t)(end - *path) : strlen(*path);
    if (len == 0)
        return 0;
    if (len > 255)
        return -ENAMETOOLONG;
    memcpy(name, *path, len);
    name[len] = 0;
    *path += len;
    return 1;
}

static int start(struct plait_host *host, int dirfd, const char *path, uint64_t resolve, struct sim_inode **out)
{
    if (*path == 0)
        return -ENOENT;
    if (strlen(path) >= 4096)
        return -ENAMETOOLONG;
    if (*path == '/' && (resolve & RESOLVE_BENEATH))
        return -EXDEV;
    if (*path == '/' && !(resolve & RESOLVE_IN_ROOT)) {
        *out = host->root;
        return 0;
    }
    if (dirfd == AT_FDCWD) {
        *out = host->cwd;
        return 0;
    }
    struct sim_file *f = sim_fd_file(host, dirfd);
    if (!f)
        return -EBADF;
    *out = sim_file_inode(f);
    return *out && S_ISDIR((*out)->mode) ? 0 : -ENOTDIR;
}

bool sim_inode_may(const struct sim_inode *inode, unsigned rights)
{
    return ((inode->mode >> 6) & rights) == rights;
}

/* One name further, from the folder `at`. */
static int walk(struct sim_inode *base, struct sim_inode *at, const char *name, uint64_t resolve, struct sim_place *out)
{
    out->folder = at;
    if (strcmp(name, ".") == 0) {
        out->inode = at;
    } else if (strcmp(name, "..") == 0) {
        struct sim_inode *up = at->parent ? at->parent : at->left;
        if (at == base && (resolve & RESOLVE_BENEATH))
            return -EXDEV;
        bool top = !up || (at == base && (resolve & RESOLVE_IN_ROOT));
        out->inode = top ? at : up;
    } else {
        if (!at->name)
            return -ENOENT; /* it was removed, and nothing can be made in it */
        out->inode = entry(at, name);
    }
    return 0;
}

int sim_path_walk(struct plait_host *host, int dirfd, const char *path, uint64_t resolve, struct sim_place *out)
{
    struct sim_inode *base;
    int res = start(host, dirfd, path, resolve, &base);
    if (res)
        return res;
    *out = (struct sim_place){.folder = base, .inode = base, .name = "/"};
    for (;;) {
        int more = next_name(&path, out->name);
        if (more == 0)
            return 0;
        struct sim_inode *at = out->inode;
        if (!at || !S_ISDIR(at->mode))
            return at ? -ENOTDIR : -ENOENT;
        if (!sim_inode_may(at, SIM_MAY_ENTER))
            return -EACCES;
        res = more < 0 ? more : walk(base, at, out->name, resolve, out);
        if (res)
            return res;
        out->slash = *path == '/';
    }
}

int sim_path_find(struct plait_host *host, int dirfd, const char *path, uint64_t resolve, struct sim_place *out)
{
    int res = sim_path_walk(host, dirfd, path, resolve, out);
    if (res == 0 && out->slash && out->inode && !S_ISDIR(out->inode->mode))
        return -ENOTDIR;
    return res;
}

/* --- UNIX sockets ------------------------------------------------------------------------------------------------- */

int sim_inode_bind(struct plait_host *host, const char *path, struct sim_sock *s)
{
    struct sim_place place;
    int err = sim_path_find(host, AT_FDCWD, path, 0, &place);
    if (err)
        return err;
    if (place.inode)
        return -EADDRINUSE;
    if (!sim_inode_may(place.folder, SIM_MAY_WRITE))
        return -EACCES;
    struct sim_inode *inode = sim_inode_make(host, place.folder, place.name, S_IFSOCK | 0755);
    if (!inode)
        return -ENOMEM;
    inode->bound = s;
    inode->refs++;
    s->un.inode = inode;
    return 0;
}

void sim_inode_unbind(struct sim_sock *s)
{
    struct sim_inode *inode = s->un.inode;
    if (!inode)
        return;
    s->un.inode = NULL;
    inode->bound = NULL;
    sim_inode_unref(inode);
}

int sim_inode_socket(struct plait_host *host, const char *path, struct sim_sock **out)
{
    struct sim_place place;
    int err = sim_path_find(host, AT_FDCWD, path, 0, &place);
    if (err)
        return err;
    if (!place.inode)
        return -ENOENT;
    *out = place.inode->bound;
    return *out ? 0 : -ECONNREFUSED;
}
