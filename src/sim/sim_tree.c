/* SPDX-License-Identifier: MIT
 *
 * A host's tree of files and folders in memory, and the way from a path to a place in it, beneath a folder where that
 * is asked for. There are no symbolic links, no owners and no crashes yet: what is written is there.
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

void sim_inode_link(struct sim_inode *inode, struct sim_inode *folder, char *name)
{
    inode->parent = folder;
    inode->name = name;
    if (folder)
        sim_list_add(&folder->entries, &inode->in_parent);
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
    sim_list_init(&inode->in_parent);
    sim_list_init(&inode->entries);
    inode->mode = mode;
    inode->number = ++host->next_inode;
    inode->refs = 1;
    inode->changed = host->sim->wall_began + host->sim->now;
    sim_inode_link(inode, folder, text);
    return inode;
}

void sim_inode_unref(struct sim_inode *inode)
{
    if (--inode->refs)
        return;
    plait_mem_free(inode->name);
    sim_ring_free(&inode->data);
    plait_mem_free(inode);
}

void sim_inode_unlink(struct sim_inode *inode)
{
    sim_list_del(&inode->in_parent);
    plait_mem_free(inode->name);
    inode->name = NULL;
    inode->parent = NULL;
    sim_inode_unref(inode);
}

void sim_tree_free(struct sim_inode *inode)
{
    while (!sim_list_empty(&inode->entries))
        sim_tree_free(SIM_OF(inode->entries.next, struct sim_inode, in_parent));
    sim_inode_unlink(inode);
}

int sim_inode_write(struct plait_host *host, struct sim_inode *inode, const uint8_t *bytes, size_t len, size_t at)
{
    static const uint8_t zeroes[512];
    struct sim_ring *data = &inode->data;
    while (data->len < at) {
        size_t gap = at - data->len;
        if (!sim_ring_put(host->sim, data, zeroes, gap < sizeof zeroes ? gap : sizeof zeroes))
            return -ENOSPC;
    }
    size_t over = data->len - at < len ? data->len - at : len;
    if (over)
        memcpy(data->ptr + at, bytes, over);
    if (over < len && !sim_ring_put(host->sim, data, bytes + over, len - over))
        return -ENOSPC;
    inode->changed = host->sim->wall_began + host->sim->now;
    return 0;
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

/* One name further, from the folder `at`. */
static int walk(struct sim_inode *base, struct sim_inode *at, const char *name, uint64_t resolve, struct sim_place *out)
{
    if (!S_ISDIR(at->mode))
        return -ENOTDIR;
    out->folder = at;
    if (strcmp(name, ".") == 0) {
        out->inode = at;
    } else if (strcmp(name, "..") == 0) {
        if (at == base && (resolve & RESOLVE_BENEATH))
            return -EXDEV;
        bool top = !at->parent || (at == base && (resolve & RESOLVE_IN_ROOT));
        out->inode = top ? at : at->parent;
    } else {
        if (!at->name)
            return -ENOENT; /* it was removed, and nothing can be made in it */
        out->inode = entry(at, name);
    }
    return 0;
}

int sim_path_find(struct plait_host *host, int dirfd, const char *path, uint64_t resolve, struct sim_place *out)
{
    struct sim_inode *base;
    int res = start(host, dirfd, path, resolve, &base);
    if (res)
        return res;
    *out = (struct sim_place){.folder = base, .inode = base, .name = "."};
    for (;;) {
        res = next_name(&path, out->name);
        if (res <= 0)
            break;
        if (!out->inode)
            return -ENOENT;
        res = walk(base, out->inode, out->name, resolve, out);
        if (res)
            return res;
        out->slash = *path == '/';
    }
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
