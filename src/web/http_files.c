/* SPDX-License-Identifier: MIT
 *
 * Files below a folder as a resource. Names are opened by openat2 beneath the folder's descriptor, so that no path,
 * link or encoding leads out of it; hidden names are refused before. Small files are read and sent with their head in
 * one write, larger ones go by the stream's way for files. Open files are kept for a while and looked at again each
 * second.
 *
 * Invariant: a descriptor belongs to one struct file, which is closed when its last user is done. Test:
 * tests/web/test_http_files.c.
 */
#include "base/timefmt.h"
#include "base/try.h"
#include "web/http_core.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    SMALL_FILE = 16384, /* bytes read into memory and kept */
    CACHE_SLOTS = 256,
    CACHE_NAME = 512, /* longest name kept */
    INDEX_MAX = 64,
};

/* An open file, with its content when it is small. */
struct file {
    struct files *owner;
    size_t refs;
    int fd; /* -1: the content is here */
    struct stat info;
    plait_time checked;
    uint64_t hash;
    size_t name_len, etag_len;
    plait_time coded_absent[2]; /* no precompressed form beside it until then */
    bool coded;                 /* there is one */
    char *content;
    char etag[64];
    char name[];
};

struct files {
    struct plait_reactor *reactor;
    size_t refs;
    int root;
    bool listing, welcome;
    char index[INDEX_MAX];
    struct file *slot[CACHE_SLOTS];
};

static void files_unref(struct files *f)
{
    if (--f->refs > 0)
        return;
    if (f->root >= 0)
        (void)f->reactor->sys->ops->close(f->reactor->sys, f->root);
    plait_mem_free(f);
}

static void file_unref(struct file *file)
{
    if (--file->refs > 0)
        return;
    struct files *f = file->owner;
    if (file->fd >= 0)
        (void)f->reactor->sys->ops->close(f->reactor->sys, file->fd);
    plait_mem_free(file->content);
    plait_mem_free(file);
    files_unref(f);
}

/* --- opening --------------------------------------------------------------------------------------------------- */

/* Opens beneath the folder. A FIFO or a device must not hold the loop. */
static int open_beneath(struct files *f, const char *name)
{
    struct plait_sys *sys = f->reactor->sys;
    return sys->ops->openat2(sys, f->root, *name ? name : ".", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0,
                             RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

/* FNV-1a: keys are names that exist, so nobody can make them collide from outside. */
static uint64_t hash_name(plait_slice name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.ptr[i]) * 0x100000001b3u;
    return hash;
}

static void write_etag(struct file *file)
{
    int len = snprintf(file->etag, sizeof(file->etag), "\"%llx-%llx-%llx\"", (unsigned long long)file->info.st_ino,
                       (unsigned long long)file->info.st_size,
                       (unsigned long long)file->info.st_mtim.tv_sec * 1000000000u +
                           (unsigned long long)file->info.st_mtim.tv_nsec);
    file->etag_len = (size_t)len;
}

static struct file *file_new(struct files *f, plait_slice name, int fd, const struct stat *info)
{
    struct file *file = plait_mem_new(plait_reactor_budget(f->reactor), sizeof(*file) + name.len + 1);
    if (!file)
        return NULL;
    file->owner = f;
    f->refs++;
    file->refs = 1;
    file->fd = fd;
    file->info = *info;
    file->checked = plait_now(f->reactor);
    file->name_len = name.len;
    memcpy(file->name, name.ptr, name.len);
    file->hash = hash_name(name);
    write_etag(file);
    return file;
}

/* Reads without waiting for the disk where the file system can tell. */
static ssize_t read_now(struct plait_sys *sys, int fd, void *to, size_t len, size_t from)
{
    ssize_t got = sys->ops->pread_nowait(sys, fd, to, len, (off_t)from);
    return got == -EOPNOTSUPP ? sys->ops->pread(sys, fd, to, len, (off_t)from) : got;
}

/* Reads a small file whole, and gives its descriptor back. One that changes meanwhile keeps its descriptor, and so does
 * one that is not in memory: a thread fetches it when it is sent. */
static void load_small(struct file *file)
{
    struct plait_reactor *r = file->owner->reactor;
    size_t size = (size_t)file->info.st_size, have = 0;
    file->content = plait_mem_resize(plait_reactor_budget(r), NULL, size + 1);
    while (file->content && have <= size) {
        ssize_t got = read_now(r->sys, file->fd, file->content + have, size + 1 - have, have);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    if (have != size) {
        plait_mem_free(file->content);
        file->content = NULL;
        return;
    }
    if (file->content) {
        (void)r->sys->ops->close(r->sys, file->fd);
        file->fd = -1;
    }
}

/* Whether a kept file is still what stands under its name. */
static bool still_good(struct files *f, struct file *file)
{
    struct plait_sys *sys = f->reactor->sys;
    struct stat now;
    if (plait_now(f->reactor) - file->checked < plait_seconds(1))
        return true;
    int fd = open_beneath(f, file->name);
    if (fd < 0)
        return false;
    int err = sys->ops->fstat(sys, fd, &now);
    (void)sys->ops->close(sys, fd);
    file->checked = plait_now(f->reactor);
    return err == 0 && now.st_ino == file->info.st_ino && now.st_dev == file->info.st_dev &&
           now.st_size == file->info.st_size && now.st_mtim.tv_sec == file->info.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == file->info.st_mtim.tv_nsec && now.st_mode == file->info.st_mode;
}

static struct file *cache_find(struct files *f, plait_slice name)
{
    struct file **slot = &f->slot[hash_name(name) % CACHE_SLOTS];
    struct file *file = *slot;
    if (!file || file->name_len != name.len || memcmp(file->name, name.ptr, name.len) != 0)
        return NULL;
    if (still_good(f, file)) {
        if (file->refs == 1 && !file->content && file->info.st_size <= SMALL_FILE)
            load_small(file); /* it was not in memory when it was opened */
        file->refs++;
        return file;
    }
    *slot = NULL;
    file_unref(file);
    return NULL;
}

static void cache_keep(struct files *f, struct file *file)
{
    struct file **slot = &f->slot[file->hash % CACHE_SLOTS];
    if (file->name_len > CACHE_NAME)
        return;
    if (*slot)
        file_unref(*slot);
    *slot = file;
    file->refs++;
}

/* Opens a name. Gives a regular file with a reference; *fd is a folder's descriptor instead. */
static plait_err open_name(struct files *f, const char *name, struct file **out, int *folder)
{
    struct plait_sys *sys = f->reactor->sys;
    plait_slice key = plait_slice_text(name);
    struct stat info;
    *folder = -1;
    *out = cache_find(f, key);
    if (*out)
        return PLAIT_OK;
    int fd = open_beneath(f, name);
    if (fd < 0)
        return PLAIT_FAIL(fd == -EXDEV || fd == -ELOOP ? PLAIT_ENOTFOUND : plait_err_from_errno(-fd));
    int err = sys->ops->fstat(sys, fd, &info);
    if (err == 0 && S_ISDIR(info.st_mode)) {
        *folder = fd;
        return PLAIT_OK;
    }
    if (err == 0 && S_ISREG(info.st_mode))
        *out = file_new(f, key, fd, &info);
    if (!*out) {
        (void)sys->ops->close(sys, fd);
        return PLAIT_FAIL(err ? plait_err_from_errno(-err) : S_ISREG(info.st_mode) ? PLAIT_ENOMEM : PLAIT_ENOTFOUND);
    }
    if (info.st_size <= SMALL_FILE)
        load_small(*out);
    cache_keep(f, *out);
    return PLAIT_OK;
}

/* --- answering ------------------------------------------------------------------------------------------------- */

/* Precompressed forms beside a file, the better one first. */
static const struct coding {
    const char *name, *ending;
} codings[] = {{"br", ".br"}, {"gzip", ".gz"}};

enum { CODINGS = 2, ENDING = 3 };

/* Opens a file's form in a coding; NULL where there is none. */
static struct file *open_coded(struct file *file, size_t which)
{
    struct files *f = file->owner;
    char name[CACHE_NAME + ENDING + 1];
    struct file *coded = NULL;
    int folder = -1;
    if (file->name_len > CACHE_NAME || plait_now(f->reactor) < file->coded_absent[which])
        return NULL;
    memcpy(name, file->name, file->name_len);
    memcpy(name + file->name_len, codings[which].ending, ENDING + 1);
    if (open_name(f, name, &coded, &folder) == PLAIT_OK && coded) {
        file->coded = true;
        return coded;
    }
    if (folder >= 0)
        (void)f->reactor->sys->ops->close(f->reactor->sys, folder);
    file->coded_absent[which] = plait_now(f->reactor) + plait_seconds(1);
    return NULL;
}

/* The form that the client likes best; the file itself where that is as good, or there is no other. */
static struct file *choose_form(struct plait_request *req, struct file *file, const struct coding **coding)
{
    struct file *best = file;
    unsigned most = 0;
    *coding = NULL;
    for (size_t i = 0; i < CODINGS && plait_request_field(req, "accept-encoding").ptr; i++) {
        const unsigned weight = plait_request_weight(req, "accept-encoding", plait_slice_text(codings[i].name));
        struct file *coded = weight > most ? open_coded(file, i) : NULL;
        if (!coded)
            continue;
        if (best != file)
            file_unref(best);
        best = coded;
        most = weight;
        *coding = &codings[i];
    }
    if (file->coded)
        (void)plait_reply_field_list(req, "Vary", PLAIT_LIT("Accept-Encoding"));
    if (best != file)
        file_unref(file);
    return best;
}

/* By the name without the ending of a coding. */
static const char *type_of(const struct plait_request *req, const struct file *file)
{
    const size_t ending = plait_reply_field_of(req, "Content-Encoding").ptr ? ENDING : 0;
    return plait__http_mime(plait_slice_of(file->name, file->name_len - ending));
}

static void released(void *ctx)
{
    file_unref(ctx);
}

/* Sends part of a file, and gives the file back. */
static void reply_part(struct plait_request *req, int status, struct file *file, const struct plait__http_range *part)
{
    const char *type = type_of(req, file);
    if (file->content) {
        plait_reply(req, status, type, plait_slice_of(file->content + part->from, (size_t)part->bytes));
        file_unref(file);
        return;
    }
    struct plait_reply_range range = {file->fd, part->from, part->bytes, released, file};
    plait_reply_file(req, status, type, &range);
}

static void reply_no_range(struct plait_request *req, struct file *file)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "bytes */%lld", (long long)file->info.st_size);
    (void)plait_reply_field(req, "Content-Range", plait_slice_of(text, (size_t)len));
    plait_reply_field_remove(req, "Content-Encoding"); /* the page that says it has none */
    file_unref(file);
    plait_reply_error(req, 416, NULL);
}

static void reply_range(struct plait_request *req, struct file *file, const struct plait__http_range *part)
{
    char text[96];
    int len = snprintf(text, sizeof(text), "bytes %llu-%llu/%lld", (unsigned long long)part->from,
                       (unsigned long long)(part->from + part->bytes - 1), (long long)file->info.st_size);
    if (plait_reply_field(req, "Content-Range", plait_slice_of(text, (size_t)len)) != PLAIT_OK) {
        plait_reply_field_remove(req, "Content-Encoding");
        file_unref(file);
        plait_reply_error(req, 503, NULL);
        return;
    }
    reply_part(req, 206, file, part);
}

/* --- several ranges (RFC 9110 section 15.3.7.2) ---------------------------------------------------------------- */

/* Head of one part, or with part NULL the end of them all. */
struct parts {
    const struct file *file;
    const char *type;
    uint64_t boundary;
};

static size_t part_head(const struct parts *parts, const struct plait__http_range *part, char out[320])
{
    int len;
    if (!part)
        len = snprintf(out, 320, "\r\n--%016llx--\r\n", (unsigned long long)parts->boundary);
    else
        len = snprintf(out, 320, "\r\n--%016llx\r\nContent-Type: %s\r\nContent-Range: bytes %llu-%llu/%lld\r\n\r\n",
                       (unsigned long long)parts->boundary, parts->type, (unsigned long long)part->from,
                       (unsigned long long)(part->from + part->bytes - 1), (long long)parts->file->info.st_size);
    return (size_t)len;
}

static void write_part(struct plait_request *req, struct file *file, const struct plait__http_range *part)
{
    if (file->content) {
        plait_reply_write(req, plait_slice_of(file->content + part->from, (size_t)part->bytes));
        return;
    }
    file->refs++;
    struct plait_reply_range range = {file->fd, part->from, part->bytes, released, file};
    plait__reply_write_file(req, &range);
}

static void reply_parts(struct plait_request *req, struct file *file, const struct plait__http_range *part, int count)
{
    const struct parts parts = {file, type_of(req, file), plait_random_u64(req->web->reactor)};
    char text[320], type[64];
    uint64_t total = part_head(&parts, NULL, text);
    for (int i = 0; i < count; i++)
        total += part_head(&parts, &part[i], text) + part[i].bytes;
    (void)snprintf(type, sizeof(type), "multipart/byteranges; boundary=%016llx", (unsigned long long)parts.boundary);
    plait_reply_begin(req, 206, type, total);
    for (int i = 0; i < count; i++) {
        plait_reply_write(req, plait_slice_of(text, part_head(&parts, &part[i], text)));
        write_part(req, file, &part[i]);
    }
    plait_reply_write(req, plait_slice_of(text, part_head(&parts, NULL, text)));
    file_unref(file);
    plait_reply_end(req);
}

static void reply_found(struct plait_request *req, struct file *file)
{
    const struct coding *coding;
    file = choose_form(req, file, &coding);
    plait_slice etag = plait_slice_of(file->etag, file->etag_len), field = plait_request_field(req, "range");
    struct plait__http_range range[PLAIT__HTTP_RANGES];
    struct plait__http_range whole = {0, (uint64_t)file->info.st_size};
    int64_t now, modified = file->info.st_mtim.tv_sec;
    uint32_t nanoseconds;
    int count = 0;
    if (plait_request_unchanged(req, etag, modified)) {
        file_unref(file);
        return;
    }
    (void)plait_reply_field(req, "Accept-Ranges", PLAIT_LIT("bytes"));
    if (coding && plait_reply_field(req, "Content-Encoding", plait_slice_text(coding->name)) != PLAIT_OK) {
        file_unref(file);
        plait_reply_error(req, 503, NULL);
        return;
    }
    if (field.ptr && !req->head_only) {
        plait_wall_clock(req->web->reactor, &now, &nanoseconds);
        if (plait__http_range_holds(req, etag, modified, now))
            count = plait__http_ranges(field, whole.bytes, range);
    }
    if (count < 0)
        reply_no_range(req, file);
    else if (count == 1)
        reply_range(req, file, &range[0]);
    else if (count > 1)
        reply_parts(req, file, range, count);
    else
        reply_part(req, 200, file, &whole);
}

/* --- folders --------------------------------------------------------------------------------------------------- */

enum { ENTRIES_MAX = 10000, DENTS = 16384 };

/* What a folder holds, while a page of it is made. */
struct folder {
    struct files *files;
    int fd;
    struct plait__http_entry *entry;
    size_t count, cap;
};

static void folder_free(struct folder *d)
{
    for (size_t i = 0; i < d->count; i++)
        plait_mem_free((void *)(uintptr_t)d->entry[i].name);
    plait_mem_free(d->entry);
    (void)d->files->reactor->sys->ops->close(d->files->reactor->sys, d->fd);
}

/* Looks at an entry; a link counts as what it leads to, when that is beneath the folder. */
static bool look_at(const struct folder *d, const char *name, struct stat *out)
{
    struct plait_sys *sys = d->files->reactor->sys;
    if (sys->ops->fstatat(sys, d->fd, name, out, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if (S_ISLNK(out->st_mode)) {
        int fd = sys->ops->openat2(sys, d->fd, name, O_PATH | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
        if (fd < 0)
            return false;
        int err = sys->ops->fstat(sys, fd, out);
        (void)sys->ops->close(sys, fd);
        if (err < 0)
            return false;
    }
    return S_ISREG(out->st_mode) || S_ISDIR(out->st_mode);
}

static plait_err folder_add(struct folder *d, const char *name)
{
    struct plait_budget *budget = plait_reactor_budget(d->files->reactor);
    struct stat info;
    if (name[0] == '.' || d->count == ENTRIES_MAX || !look_at(d, name, &info))
        return PLAIT_OK;
    if (d->count == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 32;
        void *more = plait_mem_resize(budget, d->entry, cap * sizeof(*d->entry));
        if (!more)
            return PLAIT_FAIL(PLAIT_ENOMEM);
        d->entry = more;
        d->cap = cap;
    }
    char *copy = plait_mem_text(budget, name, strlen(name));
    if (!copy)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    d->entry[d->count++] =
        (struct plait__http_entry){copy, S_ISDIR(info.st_mode), (uint64_t)info.st_size, info.st_mtim.tv_sec};
    return PLAIT_OK;
}

static int entry_compare(const void *a, const void *b)
{
    const struct plait__http_entry *x = a, *y = b;
    if (x->folder != y->folder)
        return x->folder ? -1 : 1;
    int order = strcasecmp(x->name, y->name);
    return order ? order : strcmp(x->name, y->name);
}

/* The records are struct linux_dirent64 of getdents64(2): the length stands at 16, the name at 19. */
static plait_err folder_read(struct folder *d)
{
    struct plait_sys *sys = d->files->reactor->sys;
    char dents[DENTS];
    for (;;) {
        ssize_t got = sys->ops->getdents(sys, d->fd, dents, sizeof(dents));
        if (got < 0)
            return PLAIT_FAIL(plait_err_from_errno((int)-got));
        if (got == 0)
            break;
        for (ssize_t at = 0; at + 19 < got;) {
            uint16_t len;
            memcpy(&len, dents + at + 16, sizeof(len));
            PLAIT_TRY(folder_add(d, dents + at + 19));
            at += len;
        }
    }
    if (d->count)
        qsort(d->entry, d->count, sizeof(*d->entry), entry_compare);
    return PLAIT_OK;
}

static void put_folder_page(struct plait_request *req, const struct folder *d, struct plait_buf *page)
{
    plait_slice path = plait_request_path(req);
    if (!d->files->welcome || plait_request_rest(req).len) {
        plait__http_listing(page, path, d->entry, d->count);
        return;
    }
    struct plait_buf table;
    plait_buf_init(&table, plait_reactor_budget(d->files->reactor), (size_t)8 << 20);
    if (d->files->listing)
        plait__http_table(&table, path, d->entry, d->count);
    plait__http_welcome(page, plait_buf_slice(&table));
    if (table.err)
        page->err = table.err;
    plait_buf_deinit(&table);
}

/* Takes the folder's descriptor. */
static void reply_folder_page(struct plait_request *req, struct files *f, int fd)
{
    struct folder d = {.files = f, .fd = fd};
    bool welcomes = f->welcome && plait_request_rest(req).len == 0;
    struct plait_buf page;
    if (!f->listing && !welcomes) {
        folder_free(&d);
        plait_reply_error(req, 404, NULL);
        return;
    }
    plait_buf_init(&page, plait_reactor_budget(f->reactor), (size_t)8 << 20);
    plait_err err = folder_read(&d);
    if (!err)
        put_folder_page(req, &d, &page);
    folder_free(&d);
    if (err) {
        plait_reply_error(req, err == PLAIT_EACCESS ? 403 : 503, NULL);
        return;
    }
    (void)plait_reply_field(req, "Cache-Control", PLAIT_LIT("no-cache"));
    plait_reply_buf(req, 200, "text/html; charset=utf-8", &page);
}

/* A folder asked for without its slash: relative links on its page would lead elsewhere. */
static void redirect_to_slash(struct plait_request *req)
{
    struct plait_buf to;
    plait_buf_init(&to, plait_reactor_budget(req->web->reactor), PLAIT__HTTP1_HEAD_MAX * 4);
    plait_percent_encode(&to, plait_request_path(req), "/");
    plait_buf_put_u8(&to, '/');
    if (plait_request_query(req).ptr) {
        plait_buf_put_u8(&to, '?');
        plait_buf_put(&to, plait_request_query(req));
    }
    if (to.err)
        plait_reply_error(req, 503, NULL);
    else
        plait_reply_redirect(req, 301, plait_buf_slice(&to));
    plait_buf_deinit(&to);
}

static void reply_open_error(struct plait_request *req, plait_err err)
{
    switch (err) {
    case PLAIT_EACCESS:
        plait_reply_error(req, 403, NULL);
        break;
    case PLAIT_EDESCRIPTORS:
    case PLAIT_ENOMEM:
        plait_reply_error(req, 503, NULL);
        break;
    case PLAIT_EIO:
        plait_reply_error(req, 500, NULL);
        break;
    default:
        plait_reply_error(req, 404, NULL);
    }
}

/* The folder is open: its index stands for it, else a page lists it. */
static void reply_folder(struct plait_request *req, struct files *f, const char *name, int fd)
{
    size_t len = strlen(name), index = strlen(f->index);
    struct file *file = NULL;
    int inner = -1;
    char *path = plait_request_memory(req, len + index + 2);
    plait_err err = path ? PLAIT_OK : PLAIT_ENOMEM;
    if (path) {
        memcpy(path, name, len);
        if (len)
            path[len++] = '/';
        memcpy(path + len, f->index, index + 1);
        err = open_name(f, path, &file, &inner);
    }
    if (inner >= 0)
        (void)f->reactor->sys->ops->close(f->reactor->sys, inner);
    if (!err && !file)
        err = PLAIT_ENOTFOUND;
    if (err == PLAIT_ENOTFOUND) {
        reply_folder_page(req, f, fd);
        return;
    }
    (void)f->reactor->sys->ops->close(f->reactor->sys, fd);
    if (err)
        reply_open_error(req, err);
    else
        reply_found(req, file);
}

/* Whether every segment may be named: none empty, none hidden (which refuses dot segments too). */
static bool name_is_right(plait_slice name)
{
    bool start = true;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if (start && (c == '/' || c == '.'))
            return false;
        start = c == '/';
    }
    return true;
}

static void serve(struct plait_request *req, void *ctx)
{
    struct files *f = ctx;
    plait_slice path = plait_request_path(req), rest = plait_request_rest(req);
    bool slash = path.ptr[path.len - 1] == '/';
    struct file *file;
    int folder;
    if (!name_is_right(rest)) {
        plait_reply_error(req, 404, NULL);
        return;
    }
    if (rest.len && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    char *name = plait_request_memory(req, rest.len + 1);
    if (!name) {
        plait_reply_error(req, 503, NULL);
        return;
    }
    if (rest.len)
        memcpy(name, rest.ptr, rest.len);
    name[rest.len] = 0;
    plait_err err = open_name(f, name, &file, &folder);
    if (err) {
        reply_open_error(req, err);
    } else if (file && slash) {
        file_unref(file);
        plait_reply_error(req, 404, NULL);
    } else if (file) {
        reply_found(req, file);
    } else if (!slash) {
        (void)f->reactor->sys->ops->close(f->reactor->sys, folder);
        redirect_to_slash(req);
    } else {
        reply_folder(req, f, name, folder);
    }
}

/* --- the resource ---------------------------------------------------------------------------------------------- */

/* The resource goes: so do the files that are kept; those being sent go when they are. */
static void files_destroy(void *ctx)
{
    struct files *f = ctx;
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        if (f->slot[i])
            file_unref(f->slot[i]);
        f->slot[i] = NULL;
    }
    files_unref(f);
}

static plait_err files_open(struct files *f, const char *folder)
{
    struct plait_sys *sys = f->reactor->sys;
    int fd = sys->ops->openat2(sys, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
    if (fd == -ENOTDIR)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (fd < 0)
        return PLAIT_FAIL(plait_err_from_errno(-fd));
    f->root = fd;
    return PLAIT_OK;
}

static plait_err files_resource(struct files *f, const char *folder, struct plait_resource *resource)
{
    PLAIT_TRY(files_open(f, folder));
    PLAIT_TRY(plait_resource_get(resource, "", serve, f)); /* unseen: the first method of a resource needs no memory */
    plait_resource_leaf(resource);
    return plait_resource_own(resource, f, files_destroy);
}

plait_err plait_files_new(struct plait_reactor *reactor, const char *folder, const struct plait_files_options *options,
                          struct plait_resource **out)
{
    static const struct plait_files_options defaults;
    const struct plait_files_options *o = options ? options : &defaults;
    const char *index = o->index ? o->index : "index.html";
    if (strlen(index) >= INDEX_MAX || !name_is_right(plait_slice_text(index)) || strchr(index, '/'))
        return PLAIT_FAIL(PLAIT_EINVAL);
    struct plait_resource *resource = plait_resource_new(reactor);
    struct files *f = resource ? plait_mem_new(plait_reactor_budget(reactor), sizeof(*f)) : NULL;
    if (!f) {
        plait_resource_unref(&resource);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    f->reactor = reactor;
    f->refs = 1;
    f->root = -1;
    f->listing = !o->no_listing;
    f->welcome = o->welcome;
    memcpy(f->index, index, strlen(index) + 1);
    const plait_err err = files_resource(f, folder, resource);
    if (err) {
        plait_resource_unref(&resource);
        files_unref(f);
        return PLAIT_FAIL(err);
    }
    *out = resource;
    return PLAIT_OK;
}
