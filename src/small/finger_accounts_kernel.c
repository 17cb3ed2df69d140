/* SPDX-License-Identifier: MIT
 *
 * A finger directory of the machine's accounts. The account database has no call that does not block, so it is asked in
 * the pool, and directly; what people say of themselves is read there too, through the reactor's table of system calls.
 *
 * Invariant: a file is read only when it lies beneath the home without a link on the way, is a plain file and belongs
 * to the account; never more than FILE_MAX bytes of it.
 * Test: tests/small/test_finger_accounts.c.
 */
#include "base/try.h"
#include "engine/core.h"

#include <plait/finger.h>
#include <plait/thread.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <pwd.h>

enum { FILE_MAX = 8192, USER_MAX = 64, SCRATCH = 16384 };

/* One look-up. All its memory is made before the thread runs. The pool holds it while the thread may write to it, the
 * chain until its text is taken; both let go in the loop. */
struct job {
    int holders;
    struct plait_sys *sys;
    struct plait_finger_text *text; /* becomes the value */
    bool whois;
    char user[USER_MAX + 1];
    char scratch[SCRATCH];
    char file[FILE_MAX];
    size_t out_len;
    /* the thread may not touch the reactor's memory: the text is moved over afterwards */
    char out[2 * FILE_MAX + 1024];
};

static void put(struct job *job, const char *text, size_t len)
{
    const size_t room = sizeof job->out - job->out_len;
    if (len > room)
        len = room;
    memcpy(job->out + job->out_len, text, len);
    job->out_len += len;
}

static void put_text(struct job *job, const char *text)
{
    put(job, text, strlen(text));
}

/* The first `len` bytes of a value, up to its first line's end. */
static void put_field(struct job *job, const char *name, const char *value, size_t len)
{
    const char *end = memchr(value, '\n', len);
    put_text(job, name);
    put(job, value, end ? (size_t)(end - value) : len);
    put_text(job, "\n");
}

/* Opens a file beneath a folder, following no link and crossing into no other place. */
static int open_beneath(struct plait_sys *sys, int dir, const char *name)
{
    return sys->ops->openat2(sys, dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0,
                             RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

static bool is_the_owners(struct plait_sys *sys, int fd, uid_t owner)
{
    struct stat st;
    return sys->ops->fstat(sys, fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == owner && (st.st_mode & S_IRUSR);
}

/* Reads the file's first FILE_MAX bytes: all of them, however short the single reads are. */
static size_t read_some(struct job *job, int fd)
{
    size_t len = 0;
    while (len < sizeof job->file) {
        const ssize_t got = job->sys->ops->pread(job->sys, fd, job->file + len, sizeof job->file - len, (off_t)len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    return len;
}

/* Reads one of the owner's files into the job. Returns its length, 0 when there is none to show. */
static size_t read_own(struct job *job, const struct passwd *pw, const char *name)
{
    struct plait_sys *sys = job->sys;
    size_t len = 0;
    const int dir = sys->ops->openat2(sys, AT_FDCWD, pw->pw_dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0);
    const int fd = dir >= 0 ? open_beneath(sys, dir, name) : -1;
    if (fd >= 0 && is_the_owners(sys, fd, pw->pw_uid))
        len = read_some(job, fd);
    if (fd >= 0)
        (void)sys->ops->close(sys, fd);
    if (dir >= 0)
        (void)sys->ops->close(sys, dir);
    return len;
}

static void describe(struct job *job, const struct passwd *pw)
{
    put_field(job, "Login: ", pw->pw_name, strlen(pw->pw_name));
    put_field(job, "Name: ", pw->pw_gecos, strcspn(pw->pw_gecos, ","));
    if (job->whois) {
        put_field(job, "Directory: ", pw->pw_dir, strlen(pw->pw_dir));
        put_field(job, "Shell: ", pw->pw_shell, strlen(pw->pw_shell));
    }
    size_t len = read_own(job, pw, ".project");
    if (len > 0)
        put_field(job, "Project: ", job->file, len);
    len = read_own(job, pw, ".plan");
    put_text(job, len > 0 ? "Plan:\n" : "No plan.\n");
    put(job, job->file, len);
}

/* In a pool thread. */
static plait_err work(plait_value *value, void *arg)
{
    struct job *job = arg;
    struct passwd pw;
    struct passwd *found = NULL;
    const int res = getpwnam_r(job->user, &pw, job->scratch, sizeof job->scratch, &found);
    if (!found)
        return res == 0 ? PLAIT_FAIL(PLAIT_ENOTFOUND) : PLAIT_FAIL(PLAIT_EIO);
    describe(job, &pw);
    value->ptr = job;
    return PLAIT_OK;
}

static void let_go(void *arg)
{
    struct job *job = arg;
    if (--job->holders > 0)
        return;
    if (job->text)
        plait_finger_text_free(job->text);
    plait_mem_free(job);
}

/* Back in the loop: the job becomes its text. */
static void become_text(struct plait_result *result, void *ctx)
{
    struct job *job = ctx;
    if (result->fault.err == PLAIT_OK) {
        struct plait_finger_text *text = job->text;
        job->text = NULL;
        plait_buf_put(&text->buf, plait_slice_of(job->out, job->out_len));
        const plait_err err = text->buf.err;
        plait_result_set(result, plait_value_ptr(text, plait_finger_text_free));
        if (err != PLAIT_OK)
            plait_result_fail(result, plait_fault_make(err, "find"));
    }
    let_go(job);
}

static struct plait_deferred *find(struct plait_reactor *reactor, plait_slice user, bool whois, void *ctx)
{
    (void)ctx;
    if (user.len > USER_MAX)
        return plait_deferred_fail(reactor, plait_fault_make(PLAIT_ENOTFOUND, "find"));
    struct job *job = plait_mem_new(plait_reactor_budget(reactor), sizeof *job);
    if (!job)
        return NULL;
    job->holders = 2;
    job->sys = reactor->sys;
    job->whois = whois;
    job->text = plait_finger_text_new(reactor);
    memcpy(job->user, user.ptr, user.len);
    struct plait_deferred *d = job->text ? plait_in_thread(reactor, PLAIT_LANE_NAMES, work, job, let_go) : NULL;
    if (plait_then(d, become_text, job) == PLAIT_OK)
        return d;
    if (!job->text)
        let_go(job); /* the pool never had it; otherwise it lets go by itself */
    let_go(job);
    plait_deferred_cancel(d);
    return NULL;
}

struct plait_finger_directory plait_finger_accounts(struct plait_reactor *reactor)
{
    (void)reactor;
    return (struct plait_finger_directory){.find = find};
}
