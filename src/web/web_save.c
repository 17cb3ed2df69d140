/* SPDX-License-Identifier: MIT
 *
 * A file that is written as its bytes come, beneath a folder, by the pool: the loop never waits for the disk. It
 * stands under a name of its own until it is complete and synced; then it takes the name that it was meant to have,
 * which it reserved before. What breaks off leaves nothing, but for a download: that is a part, NAME.part, with which
 * the next one may go on.
 *
 * One job at a time: create, write what has gathered, write on …, finish or undo. Invariant: while a job runs the loop
 * touches none of what the job uses, and the last of the two to let go frees it. Test: tests/web/test_web_save.c.
 */
#include "base/try.h"
#include "web/http_core.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>

#include <plait/thread.h>

enum { NAME_MAX_BYTES = 200, HIGH = 128 << 10, TEMP_MAX = NAME_MAX_BYTES + 24 };

enum step { CREATE, WRITE, FINISH, UNDO, REST };

struct plait_save {
    struct plait_reactor *reactor;
    struct plait_sys *sys;
    int holders; /* the loop, and a job */
    /* of the job while one runs */
    int folder, fd;
    bool made, reserved, overwrite;
    bool keeps; /* what is there when it breaks off */
    bool cut;   /* the file is to be emptied first */
    enum step step;
    uint64_t offset;
    struct plait_buf out;
    plait_err result;
    char name[NAME_MAX_BYTES + 1], temp[TEMP_MAX];
    /* of the loop */
    struct plait_buf gathered;
    struct plait_deferred *job, *done;
    bool ended, aborted, was_full, restarts;
    plait_err err;
    plait_call_fn room_fn;
    void *room_ctx;
    struct plait_soon soon;
};

/* --- in a pool thread --------------------------------------------------------------------------------------------- */

static int open_at(struct plait_save *s, const char *name, int flags, unsigned mode)
{
    return s->sys->ops->openat2(s->sys, s->folder, name, flags | O_CLOEXEC | O_NOFOLLOW, mode,
                                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static plait_err create(struct plait_save *s)
{
    s->fd = open_at(s, s->temp, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (s->fd < 0)
        return PLAIT_FAIL(plait_err_from_errno(-s->fd));
    s->made = true;
    return PLAIT_OK;
}

static plait_err cut(struct plait_save *s)
{
    if (!s->cut)
        return PLAIT_OK;
    const int err = s->sys->ops->ftruncate(s->sys, s->fd, 0);
    if (err < 0)
        return PLAIT_FAIL(plait_err_from_errno(-err));
    s->cut = false;
    return PLAIT_OK;
}

static plait_err write_out(struct plait_save *s)
{
    PLAIT_TRY(cut(s));
    plait_slice rest = plait_buf_slice(&s->out);
    while (rest.len) {
        const ssize_t put = s->sys->ops->pwrite(s->sys, s->fd, rest.ptr, rest.len, (off_t)s->offset);
        if (put <= 0)
            return PLAIT_FAIL(put ? plait_err_from_errno((int)-put) : PLAIT_ENOSPACE);
        s->offset += (uint64_t)put;
        rest = plait_slice_sub(rest, (size_t)put, rest.len);
    }
    return PLAIT_OK;
}

/* Takes the name, unless somebody has it: O_EXCL lets one win. */
static plait_err reserve(struct plait_save *s)
{
    if (s->overwrite)
        return PLAIT_OK;
    const int fd = open_at(s, s->name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0)
        return PLAIT_FAIL(plait_err_from_errno(-fd));
    (void)s->sys->ops->close(s->sys, fd);
    s->reserved = true;
    return PLAIT_OK;
}

static plait_err finish(struct plait_save *s)
{
    PLAIT_TRY(cut(s));
    int err = s->sys->ops->fsync(s->sys, s->fd);
    if (err < 0)
        return PLAIT_FAIL(plait_err_from_errno(-err));
    PLAIT_TRY(reserve(s));
    err = s->sys->ops->renameat(s->sys, s->folder, s->temp, s->folder, s->name);
    if (err < 0)
        return PLAIT_FAIL(plait_err_from_errno(-err));
    s->made = s->reserved = false;
    (void)s->sys->ops->fsync(s->sys, s->folder);
    return PLAIT_OK;
}

static void undo(struct plait_save *s)
{
    if (s->made && !s->keeps)
        (void)s->sys->ops->unlinkat(s->sys, s->folder, s->temp, 0);
    if (s->reserved)
        (void)s->sys->ops->unlinkat(s->sys, s->folder, s->name, 0);
    s->made = s->reserved = false;
}

static plait_err work(plait_value *value, void *arg)
{
    struct plait_save *s = arg;
    value->num = 0;
    if (s->step == CREATE)
        s->result = create(s);
    else if (s->step == WRITE)
        s->result = write_out(s);
    else if (s->step == FINISH)
        s->result = finish(s);
    else
        undo(s);
    return PLAIT_OK;
}

/* --- in the loop -------------------------------------------------------------------------------------------------- */

static void save_unref(void *ctx)
{
    struct plait_save *s = ctx;
    if (--s->holders > 0)
        return;
    undo(s); /* nothing is left to be undone, or no thread could be had for it */
    if (s->fd >= 0)
        (void)s->sys->ops->close(s->sys, s->fd);
    if (s->folder >= 0)
        (void)s->sys->ops->close(s->sys, s->folder);
    plait_buf_deinit(&s->out);
    plait_buf_deinit(&s->gathered);
    plait_mem_free(s);
}

static void on_worked(struct plait_result *result, void *ctx)
{
    struct plait_save *s = ctx;
    plait_err err = result->fault.err == PLAIT_OK ? s->result : result->fault.err;
    plait_result_set(result, plait_value_num(0));
    s->job = NULL;
    s->err = s->err ? s->err : err;
    if (s->step == FINISH && s->err == PLAIT_OK)
        s->step = REST;
    plait_soon_queue(&s->soon);
}

static void run_job(struct plait_save *s, enum step step)
{
    s->step = step;
    s->holders++;
    s->job = plait_in_thread(s->reactor, PLAIT_LANE_FILES, work, s, save_unref);
    if (plait_then(s->job, on_worked, s) == PLAIT_OK)
        return;
    s->err = s->err ? s->err : PLAIT_FAIL(PLAIT_ENOMEM); /* there is no job */
    plait_soon_queue(&s->soon);
}

/* It is over, well or not: tells, and goes when nobody holds it any more. */
static void settle(struct plait_save *s)
{
    struct plait_deferred *done = s->done;
    if (!s->ended && !s->aborted)
        return; /* the owner learns of it at the end */
    s->done = NULL;
    if (done && s->err)
        plait_fire_fault(done, plait_fault_make(s->err, "save"));
    else if (done)
        plait_fire(done, plait_value_num((int64_t)s->offset));
    plait_soon_cancel(&s->soon);
    save_unref(s);
}

static void tell_room(struct plait_save *s)
{
    if (!s->was_full || plait_save_is_full(s))
        return;
    s->was_full = false;
    if (s->room_fn)
        s->room_fn(s->room_ctx);
}

static void go_on(void *ctx)
{
    struct plait_save *s = ctx;
    if (s->job)
        return;
    if (s->restarts) {
        s->restarts = false;
        s->offset = 0;
        s->cut = true;
    }
    if (s->err || s->aborted || s->step == REST) {
        plait_buf_clear(&s->gathered);
        if ((s->made || s->reserved) && s->step != UNDO) {
            run_job(s, UNDO);
            return;
        }
        tell_room(s);
        settle(s);
    } else if (!s->made) {
        run_job(s, CREATE);
    } else if (s->gathered.len) {
        const struct plait_buf empty = s->out;
        s->out = s->gathered;
        s->gathered = empty;
        plait_buf_clear(&s->gathered);
        run_job(s, WRITE);
        tell_room(s);
    } else if (s->ended) {
        run_job(s, FINISH);
    }
}

/* A name that a client may give: no path, not hidden, nothing that terminals or shells stumble over. */
static bool take_name(plait_slice name, char out[NAME_MAX_BYTES + 1])
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '/' || name.ptr[i - 1] == '\\') {
            name = plait_slice_sub(name, i, name.len); /* some clients send paths */
            break;
        }
    }
    if (name.len == 0 || name.len > NAME_MAX_BYTES || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
            return false;
    }
    memcpy(out, name.ptr, name.len);
    out[name.len] = 0;
    return true;
}

static struct plait_save *save_new(struct plait_reactor *reactor)
{
    struct plait_budget *budget = plait_reactor_budget(reactor);
    struct plait_save *s = plait_mem_new(budget, sizeof(*s));
    if (!s)
        return NULL;
    s->reactor = reactor;
    s->sys = reactor->sys;
    s->holders = 1;
    s->fd = s->folder = -1;
    plait_buf_init(&s->out, budget, SIZE_MAX / 2);
    plait_buf_init(&s->gathered, budget, SIZE_MAX / 2);
    plait_soon_init(&s->soon, reactor, "save", go_on, s);
    return s;
}

static plait_err save_open(struct plait_save *s, const char *folder, plait_slice name)
{
    uint8_t random[8];
    if (!take_name(name, s->name))
        return PLAIT_FAIL(PLAIT_EINVAL);
    PLAIT_TRY(plait_random_bytes(s->reactor, random, sizeof(random)));
    uint64_t number;
    memcpy(&number, random, sizeof(number));
    (void)snprintf(s->temp, sizeof(s->temp), ".%016llx.part", (unsigned long long)number);
    s->folder = s->sys->ops->openat2(s->sys, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
    return s->folder < 0 ? PLAIT_FAIL(plait_err_from_errno(-s->folder)) : PLAIT_OK;
}

/* Splits a path; what is in front of the name is a folder. */
static void cut_path(plait_slice path, plait_slice *folder, plait_slice *name)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    *folder = at > 1 ? plait_slice_sub(path, 0, at - 1) : plait_slice_text(at ? "/" : ".");
    *name = plait_slice_sub(path, at, path.len);
}

static plait_err part_open(struct plait_save *s, plait_slice path, struct stat *info)
{
    char text[PATH_MAX];
    plait_slice folder, name;
    cut_path(path, &folder, &name);
    if (name.len == 0 || name.len > NAME_MAX_BYTES || folder.len >= sizeof(text))
        return PLAIT_FAIL(PLAIT_EINVAL);
    memcpy(text, folder.ptr, folder.len);
    text[folder.len] = 0;
    (void)snprintf(s->name, sizeof(s->name), "%.*s", PLAIT_ARG(name));
    (void)snprintf(s->temp, sizeof(s->temp), "%s.part", s->name);
    s->folder = s->sys->ops->openat2(s->sys, AT_FDCWD, text, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
    if (s->folder < 0)
        return PLAIT_FAIL(plait_err_from_errno(-s->folder));
    s->fd = open_at(s, s->temp, O_RDWR | O_CREAT | O_NONBLOCK, 0644);
    const int err = s->fd < 0 ? s->fd : s->sys->ops->fstat(s->sys, s->fd, info);
    return err < 0 ? PLAIT_FAIL(plait_err_from_errno(-err)) : PLAIT_OK;
}

plait_err plait__save_continue(struct plait_reactor *reactor, plait_slice path, struct plait_save **out,
                               uint64_t *bytes, int64_t *changed)
{
    struct stat info;
    struct plait_save *s = save_new(reactor);
    *out = NULL;
    if (!s)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    s->keeps = s->overwrite = true;
    const plait_err err = part_open(s, path, &info);
    if (err != PLAIT_OK) {
        save_unref(s);
        return err;
    }
    s->made = true;
    s->offset = *bytes = (uint64_t)info.st_size;
    *changed = info.st_mtim.tv_sec;
    *out = s;
    return PLAIT_OK;
}

void plait__save_restart(struct plait_save *s)
{
    plait_buf_clear(&s->gathered);
    s->restarts = true;
    plait_soon_queue(&s->soon);
}

plait_err plait__save_err(const struct plait_save *s)
{
    return s->err;
}

plait_err plait_save_begin(struct plait_reactor *reactor, const char *folder, plait_slice name, bool overwrite,
                           struct plait_save **out)
{
    struct plait_save *s = save_new(reactor);
    *out = NULL;
    if (!s)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    s->overwrite = overwrite;
    const plait_err err = save_open(s, folder, name);
    if (err != PLAIT_OK) {
        save_unref(s);
        return err;
    }
    plait_soon_queue(&s->soon);
    *out = s;
    return PLAIT_OK;
}

void plait_save_write(struct plait_save *s, plait_slice piece)
{
    if (s->err || s->ended)
        return;
    plait_buf_put(&s->gathered, piece);
    if (s->gathered.err)
        s->err = PLAIT_FAIL(PLAIT_ENOMEM);
    s->was_full |= plait_save_is_full(s);
    plait_soon_queue(&s->soon);
}

bool plait_save_is_full(const struct plait_save *s)
{
    return !s->err && s->gathered.len >= HIGH;
}

void plait_save_room(struct plait_save *s, plait_call_fn fn, void *ctx)
{
    s->room_fn = fn;
    s->room_ctx = ctx;
}

const char *plait_save_name(const struct plait_save *s)
{
    return s->name;
}

static void on_cancel(struct plait_deferred *deferred, void *ctx)
{
    struct plait_save *s = ctx;
    s->done = NULL;
    s->aborted = true;
    plait_soon_queue(&s->soon);
    plait_fire_fault(deferred, plait_fault_make(PLAIT_ECANCELLED, "save"));
}

struct plait_deferred *plait_save_end(struct plait_save **save)
{
    struct plait_save *s = *save;
    *save = NULL;
    s->room_fn = NULL;
    s->done = plait_deferred_new(s->reactor, "save", on_cancel, s);
    s->ended = true;
    s->aborted = !s->done;
    plait_soon_queue(&s->soon);
    return s->done;
}

void plait_save_abort(struct plait_save **save)
{
    struct plait_save *s = *save;
    *save = NULL;
    if (!s)
        return;
    s->room_fn = NULL;
    s->aborted = true;
    plait_soon_queue(&s->soon);
}
