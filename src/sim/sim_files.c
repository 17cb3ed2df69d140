/* SPDX-License-Identifier: MIT
 *
 * Files of a host's tree as open files, and the calls on them and on the tree. Epoll refuses them with EPERM, as it
 * does for what never blocks. /dev/null is the one device.
 *
 * Tests: tests/sim/test_files.c.
 */
#include "sim/sim_fault.h"
#include "sim/sim_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

struct open_file {
    struct sim_file file;
    struct sim_inode *inode;
    off_t at; /* position; in a folder: entries given */
};

static void open_release(struct sim_file *f)
{
    struct open_file *o = SIM_OF(f, struct open_file, file);
    sim_inode_closed(o->inode);
    plait_mem_free(o);
}

static struct open_file *open_of(struct sim_file *f)
{
    return SIM_OF(f, struct open_file, file);
}

ssize_t sim_inode_read(struct sim_file *f, uint8_t *out, size_t len, off_t at)
{
    const struct sim_ring *data = &open_of(f)->inode->data;
    if (at < 0)
        return -EINVAL;
    if ((size_t)at >= data->len)
        return 0;
    size_t n = data->len - (size_t)at < len ? data->len - (size_t)at : len;
    memcpy(out, data->ptr + at, n);
    return (ssize_t)n;
}

static ssize_t file_read(struct sim_file *f, struct sim_io *io)
{
    struct open_file *o = open_of(f);
    const struct sim_ring *data = &o->inode->data;
    if (!sim_disk_lives(f->host))
        return -EIO;
    f->host->disk.cost += f->host->disk.options.read;
    if ((size_t)o->at >= data->len)
        return 0;
    size_t n = sim_io_copy_out(io, data->ptr + o->at, data->len - (size_t)o->at);
    o->at += (off_t)n;
    return (ssize_t)n;
}

static ssize_t file_write(struct sim_file *f, struct sim_io *io)
{
    struct open_file *o = open_of(f);
    uint8_t piece[4096];
    size_t done = 0;
    if (!sim_disk_lives(f->host))
        return -EIO;
    f->host->disk.cost += f->host->disk.options.write;
    if ((f->flags & O_APPEND) && io->left) /* nothing to write moves nothing */
        o->at = (off_t)o->inode->data.len;
    while (io->left) {
        size_t n = sim_io_copy_in(io, piece, sizeof piece);
        ssize_t res = sim_inode_write(o->inode, piece, n, (size_t)o->at);
        if (res < 0)
            return done ? (ssize_t)done : res;
        o->at += res;
        done += (size_t)res;
        if ((size_t)res < n)
            break;
    }
    return (ssize_t)done;
}

static ssize_t folder_read(struct sim_file *f, struct sim_io *io)
{
    (void)f;
    (void)io;
    return -EISDIR;
}

static ssize_t null_read(struct sim_file *f, struct sim_io *io)
{
    (void)f;
    (void)io;
    return 0;
}

static ssize_t null_write(struct sim_file *f, struct sim_io *io)
{
    (void)f;
    return (ssize_t)io->left;
}

static const struct sim_file_ops file_ops = {
    .name = "file", .read = file_read, .write = file_write, .release = open_release};
static const struct sim_file_ops folder_ops = {.name = "folder", .read = folder_read, .release = open_release};
static const struct sim_file_ops null_ops = {
    .name = "null", .read = null_read, .write = null_write, .release = open_release};

struct sim_inode *sim_file_inode(struct sim_file *f)
{
    return f->ops->release == open_release ? open_of(f)->inode : NULL;
}

bool sim_is_plain_file(const struct sim_file *f)
{
    return f->ops == &file_ops;
}

off_t sim_file_position(struct sim_file *f)
{
    return open_of(f)->at;
}

void sim_file_seek(struct sim_file *f, off_t at)
{
    open_of(f)->at = at;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int create(struct plait_host *host, struct sim_place *place, unsigned mode)
{
    if (!sim_inode_may(place->folder, SIM_MAY_WRITE))
        return -EACCES;
    place->inode = sim_inode_make(host, place->folder, place->name, S_IFREG | (mode & 07777 & ~022u));
    return place->inode ? 0 : -ENOSPC;
}

static int check_open(const struct sim_inode *inode, int flags)
{
    bool folder = S_ISDIR(inode->mode), writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
    unsigned rights = (writes ? SIM_MAY_WRITE : 0) | ((flags & O_ACCMODE) != O_WRONLY ? SIM_MAY_READ : 0);
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (folder && (flags & O_CREAT))
        return -EISDIR;
    if (!folder && (flags & O_DIRECTORY))
        return -ENOTDIR;
    if (folder && writes)
        return -EISDIR;
    if (!sim_inode_may(inode, rights))
        return -EACCES;
    return S_ISSOCK(inode->mode) ? -ENXIO : 0;
}

/* What a path's last name is, if not a name: "/", "." or "..". */
static bool is_odd(const char *name)
{
    return strcmp(name, "/") == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Where to open, made if need be. */
static int find_or_make(struct plait_host *host, struct sim_place *place, int flags, unsigned mode)
{
    if (place->slash && (flags & O_CREAT) && !is_odd(place->name))
        return -EISDIR;
    if (place->inode)
        return place->slash && !S_ISDIR(place->inode->mode) ? -ENOTDIR : check_open(place->inode, flags);
    return flags & O_CREAT ? create(host, place, mode) : -ENOENT;
}

int sim_do_openat2(struct plait_host *host, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    struct sim_place place;
    if ((flags & O_CREAT) && (flags & O_DIRECTORY))
        return -EINVAL;
    int err = sim_path_walk(host, dirfd, path, resolve, &place);
    if (err)
        return err;
    if (!sim_fd_room(host, 1))
        return -EMFILE;
    err = find_or_make(host, &place, flags, mode);
    struct open_file *o = err ? NULL : plait_mem_new(&host->sim->budget, sizeof *o);
    if (!o)
        return err ? err : -ENOMEM;
    struct sim_inode *inode = place.inode;
    const struct sim_file_ops *ops = S_ISDIR(inode->mode) ? &folder_ops : S_ISCHR(inode->mode) ? &null_ops : &file_ops;
    sim_file_init(&o->file, host, ops, flags & (O_ACCMODE | O_NONBLOCK | O_APPEND));
    o->inode = inode;
    sim_inode_opened(inode);
    int fd = -ENOSPC;
    if (!(flags & O_TRUNC) || !S_ISREG(inode->mode) || sim_inode_truncate(inode, 0) == 0)
        fd = sim_fd_new(host, &o->file, (flags & O_CLOEXEC) != 0);
    if (fd < 0)
        sim_file_unref(&o->file);
    return fd;
}

/* --- calls on an open file ---------------------------------------------------------------------------------------- */

static void fill_stat(const struct sim_inode *inode, struct stat *out)
{
    *out = (struct stat){.st_dev = 1, .st_ino = inode->number, .st_mode = inode->mode, .st_nlink = inode->name ? 1 : 0};
    out->st_uid = 1000;
    out->st_gid = 1000;
    out->st_blksize = 4096;
    out->st_size = (off_t)inode->data.len;
    out->st_blocks = (blkcnt_t)((inode->data.len + 511) / 512);
    out->st_mtim = (struct timespec){inode->changed / 1000000000, inode->changed % 1000000000};
    out->st_atim = out->st_ctim = out->st_mtim;
}

int sim_do_fstat(struct plait_host *host, int fd, struct stat *out)
{
    struct sim_file *f = sim_fd_file(host, fd);
    if (!f)
        return -EBADF;
    if (sim_file_inode(f)) {
        fill_stat(sim_file_inode(f), out);
        return 0;
    }
    unsigned kind = f->sock ? S_IFSOCK : strcmp(f->ops->name, "pipe") == 0 ? S_IFIFO : 0;
    *out = (struct stat){
        .st_dev = 2, .st_ino = f->id, .st_mode = kind | 0600, .st_nlink = 1, .st_uid = 1000, .st_gid = 1000};
    return 0;
}

int sim_do_fstatat(struct plait_host *host, int dirfd, const char *path, struct stat *out, int flags)
{
    struct sim_place place;
    if (*path == 0 && (flags & AT_EMPTY_PATH))
        return sim_do_fstat(host, dirfd, out);
    int err = sim_path_find(host, dirfd, path, 0, &place);
    if (!err && !place.inode)
        err = -ENOENT;
    if (!err)
        fill_stat(place.inode, out);
    return err;
}

static int plain_file(struct plait_host *host, int fd, off_t offset, bool writes, struct sim_file **out)
{
    struct sim_file *f = *out = sim_fd_file(host, fd);
    if (offset < 0)
        return -EINVAL;
    if (!f)
        return -EBADF;
    if (!sim_file_inode(f))
        return -ESPIPE;
    if (writes ? (f->flags & O_ACCMODE) == O_RDONLY : (f->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    return f->ops == &folder_ops ? -EISDIR : 0;
}

ssize_t sim_do_pread(struct plait_host *host, int fd, void *buf, size_t len, off_t offset)
{
    struct sim_file *f;
    int err = plain_file(host, fd, offset, false, &f);
    host->disk.cost += host->disk.options.read;
    return err ? err : sim_inode_read(f, buf, len, offset);
}

/* What is not in memory by chance. It costs nothing: who asks doesn't wait. */
ssize_t sim_do_pread_nowait(struct plait_host *host, int fd, void *buf, size_t len, off_t offset)
{
    const struct plait_sim_disk *disk = &host->disk.options;
    struct sim_file *f;
    int err = plain_file(host, fd, offset, false, &f);
    if (!err && disk->uncached_num &&
        sim_decide(host->sim, host, SIM_FAULT_KINDS, PLAIT_SYS_pread_nowait, disk->uncached_den) < disk->uncached_num)
        err = -EAGAIN;
    return err ? err : sim_inode_read(f, buf, len, offset);
}

/* Linux appends to a file that was opened so, whatever the offset (pwrite(2), BUGS). */
ssize_t sim_do_pwrite(struct plait_host *host, int fd, const void *buf, size_t len, off_t offset)
{
    struct sim_file *f;
    int err = plain_file(host, fd, offset, true, &f);
    if (err || !sim_is_plain_file(f))
        return err ? err : (ssize_t)len;
    struct sim_inode *inode = open_of(f)->inode;
    host->disk.cost += host->disk.options.write;
    return sim_inode_write(inode, buf, len, f->flags & O_APPEND ? inode->data.len : (size_t)offset);
}

int sim_do_ftruncate(struct plait_host *host, int fd, off_t len)
{
    struct sim_file *f = sim_fd_file(host, fd);
    if (len < 0)
        return -EINVAL;
    if (!f)
        return -EBADF;
    if (!sim_is_plain_file(f) || (f->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    return sim_inode_truncate(open_of(f)->inode, (size_t)len);
}

int sim_do_fsync(struct plait_host *host, int fd)
{
    struct sim_file *f = sim_fd_file(host, fd);
    if (!f)
        return -EBADF;
    if (!sim_file_inode(f) || f->ops == &null_ops)
        return -EINVAL;
    host->disk.cost += host->disk.options.sync;
    return sim_disk_sync(open_of(f)->inode);
}

void sim_fsync_failed(struct plait_host *host, int fd)
{
    struct sim_file *f = sim_fd_file(host, fd);
    if (f && sim_file_inode(f))
        sim_disk_sync_failed(open_of(f)->inode);
}

int sim_do_isatty(struct plait_host *host, int fd)
{
    return sim_fd_file(host, fd) ? 0 : -EBADF;
}

/* --- calls on the tree -------------------------------------------------------------------------------------------- */

/* What is to go must be of the kind that the call is for. */
static int may_remove(const struct sim_place *place, bool folder)
{
    if (!sim_inode_may(place->folder, SIM_MAY_WRITE))
        return -EACCES;
    if (folder && !S_ISDIR(place->inode->mode))
        return -ENOTDIR;
    return !folder && S_ISDIR(place->inode->mode) ? -EISDIR : 0;
}

static int check_remove(const struct sim_place *place, bool folder)
{
    if (is_odd(place->name)) {
        if (!folder)
            return -EISDIR;
        return place->name[0] == '/' ? -EBUSY : place->name[1] ? -ENOTEMPTY : -EINVAL;
    }
    if (!place->inode)
        return -ENOENT;
    if (!folder && place->slash)
        return S_ISDIR(place->inode->mode) ? -EISDIR : -ENOTDIR;
    int err = may_remove(place, folder);
    return err ? err : sim_list_empty(&place->inode->entries) ? 0 : -ENOTEMPTY;
}

int sim_do_unlinkat(struct plait_host *host, int dirfd, const char *path, int flags)
{
    struct sim_place place;
    int err = sim_path_walk(host, dirfd, path, 0, &place);
    if (!err)
        err = check_remove(&place, (flags & AT_REMOVEDIR) != 0);
    if (err)
        return err;
    if (!sim_disk_note_removal(place.inode))
        return -ENOSPC;
    sim_inode_unlink(place.inode);
    return 0;
}

static bool is_above(const struct sim_inode *inode, const struct sim_inode *folder)
{
    while (folder && folder != inode)
        folder = folder->parent;
    return folder != NULL;
}

static int check_rename(const struct sim_place *a, const struct sim_place *b)
{
    if (is_odd(a->name) || is_odd(b->name))
        return -EBUSY;
    if (!a->inode)
        return -ENOENT;
    bool folder = S_ISDIR(a->inode->mode);
    if (!folder && (a->slash || b->slash))
        return -ENOTDIR;
    if (is_above(a->inode, b->folder))
        return -EINVAL; /* into itself */
    if (b->inode && is_above(b->inode, a->folder))
        return -ENOTEMPTY;
    if (a->inode == b->inode)
        return 0;
    int err = may_remove(a, folder);
    if (!err && b->inode)
        err = may_remove(b, folder);
    else if (!err && !sim_inode_may(b->folder, SIM_MAY_WRITE))
        err = -EACCES;
    if (!err && folder && a->folder != b->folder && !sim_inode_may(a->inode, SIM_MAY_WRITE))
        err = -EACCES; /* its ".." changes */
    if (!err && b->inode && !sim_list_empty(&b->inode->entries))
        err = -ENOTEMPTY;
    return err;
}

int sim_do_renameat(struct plait_host *host, int from_dir, const char *from, int to_dir, const char *to)
{
    struct sim_place a, b;
    int err = sim_path_walk(host, from_dir, from, 0, &a);
    if (!err)
        err = sim_path_walk(host, to_dir, to, 0, &b);
    if (!err)
        err = check_rename(&a, &b);
    if (err || a.inode == b.inode)
        return err;
    char *name = plait_mem_text(&host->sim->budget, b.name, strlen(b.name));
    if (!name || !sim_disk_note_place(a.inode, b.folder, b.name, b.inode)) {
        plait_mem_free(name);
        return -ENOMEM;
    }
    if (b.inode)
        sim_inode_unlink(b.inode);
    sim_list_del(&a.inode->in_parent);
    plait_mem_free(a.inode->name);
    sim_inode_link(a.inode, b.folder, name);
    return 0;
}

int sim_do_mkdirat(struct plait_host *host, int dirfd, const char *path, unsigned mode)
{
    struct sim_place place;
    int err = sim_path_walk(host, dirfd, path, 0, &place);
    if (err)
        return err;
    if (place.inode)
        return -EEXIST;
    if (!sim_inode_may(place.folder, SIM_MAY_WRITE))
        return -EACCES;
    return sim_inode_make(host, place.folder, place.name, S_IFDIR | (mode & 07777 & ~022u)) ? 0 : -ENOSPC;
}

int sim_do_fchmodat(struct plait_host *host, int dirfd, const char *path, unsigned mode)
{
    struct sim_place place;
    int err = sim_path_find(host, dirfd, path, 0, &place);
    if (err)
        return err;
    if (!place.inode)
        return -ENOENT;
    place.inode->mode = (place.inode->mode & S_IFMT) | (mode & 07777);
    return 0;
}

static unsigned char kind_of(unsigned mode)
{
    return (unsigned char)((mode & S_IFMT) >> 12);
}

static size_t put_entry(uint8_t *at, size_t room, const struct sim_inode *inode, const char *name, off_t next)
{
    size_t len = strlen(name);
    size_t bytes = (offsetof(struct dirent64, d_name) + len + 1 + 7) & ~(size_t)7;
    struct dirent64 head = {
        .d_ino = inode->number, .d_off = next, .d_reclen = (unsigned short)bytes, .d_type = kind_of(inode->mode)};
    if (bytes > room)
        return 0;
    memcpy(at, &head, offsetof(struct dirent64, d_name));
    memset(at + offsetof(struct dirent64, d_name), 0, bytes - offsetof(struct dirent64, d_name));
    memcpy(at + offsetof(struct dirent64, d_name), name, len);
    return bytes;
}

ssize_t sim_do_getdents(struct plait_host *host, int fd, void *buf, size_t len)
{
    struct sim_file *f = sim_fd_file(host, fd);
    size_t used = 0, step = 1;
    off_t index = 0;
    if (!f)
        return -EBADF;
    if (f->ops != &folder_ops)
        return -ENOTDIR;
    struct open_file *o = open_of(f);
    if (!o->inode->name)
        return -ENOENT;
    struct sim_inode *folder = o->inode, *up = folder->parent ? folder->parent : folder;
    struct sim_link *at = folder->entries.next;
    for (; step && (index < 2 || at != &folder->entries); index++) {
        const struct sim_inode *inode = index == 0 ? folder : index == 1 ? up : SIM_OF(at, struct sim_inode, in_parent);
        const char *name = index == 0 ? "." : index == 1 ? ".." : inode->name;
        if (index >= 2)
            at = at->next;
        if (index < o->at)
            continue;
        step = put_entry((uint8_t *)buf + used, len - used, inode, name, index + 1);
        used += step;
        if (step)
            o->at = index + 1;
    }
    return step == 0 && used == 0 ? -EINVAL : (ssize_t)used;
}
