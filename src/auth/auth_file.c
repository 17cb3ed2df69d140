/* SPDX-License-Identifier: MIT
 *
 * A checker by a password file. Each login reads the whole file in the pool and hashes once: with the user's hash, or
 * where there is none with another's, so that it takes as long to find out that somebody does not exist.
 *
 * Invariant: a job's memory is made before its thread runs, and wiped when both sides let go of it. Test:
 * tests/auth/test_file.c.
 */
#include "auth/passwd_core.h"
#include "base/try.h"

#include <errno.h>
#include <fcntl.h>

#include <plait/thread.h>

/* What stands in for the hash of somebody who does not exist in a file that names nobody: yescrypt as
 * plait_passwd_set makes it. */
#define NOBODYS_HASH "$y$j9T$k2XAnEHBqQ1Ct2aMXFKNa/HAmA1BpMnBsYHMWB4NZN4$799Rqy6coXnMj11oPdbmX8dfNsX5lPEnMAIYxkN3Nh9"

/* --- lines -------------------------------------------------------------------------------------------------------- */

int plait__passwd_open(struct plait__passwd_reader *r, struct plait_sys *sys, const char *path)
{
    r->sys = sys;
    r->offset = 0;
    r->at = r->len = 0;
    r->fd = sys->ops->openat2(sys, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0, 0);
    return r->fd;
}

void plait__passwd_close(struct plait__passwd_reader *r)
{
    if (r->fd >= 0)
        (void)r->sys->ops->close(r->sys, r->fd);
    r->fd = -1;
}

/* Fills the chunk. Returns its length, 0 at the end, or -errno. */
static ssize_t fill(struct plait__passwd_reader *r)
{
    const ssize_t got = r->sys->ops->pread(r->sys, r->fd, r->chunk, sizeof r->chunk, r->offset);
    r->at = 0;
    r->len = got > 0 ? (size_t)got : 0;
    r->offset += got > 0 ? got : 0;
    return got;
}

int plait__passwd_next(struct plait__passwd_reader *r, plait_slice *line)
{
    size_t len = 0;
    for (;;) {
        const ssize_t got = r->at == r->len ? fill(r) : 1;
        *line = plait_slice_of(r->line, len);
        if (got <= 0)
            return got < 0 ? (int)got : len > 0;
        const uint8_t byte = r->chunk[r->at++];
        if (byte == '\n')
            return 1;
        if (len == sizeof r->line)
            return -E2BIG;
        r->line[len++] = byte;
    }
}

/* --- in a pool thread --------------------------------------------------------------------------------------------- */

struct job {
    int holders; /* the pool, and the chain */
    struct plait_reactor *reactor;
    struct plait_sys *sys;
    struct plait__passwd_reader reader;
    struct crypt_data crypt;
    size_t user_len;
    char user[PLAIT_LOGIN_USER_MAX];
    char secret[CRYPT_MAX_PASSPHRASE_SIZE]; /* terminated */
    char path[PLAIT__PASSWD_PATH_MAX + 1];
    char hash[PLAIT__PASSWD_LINE_MAX + 1];
    bool found; /* the hash is the user's own */
};

static void keep_hash(struct job *job, plait_slice hash)
{
    memcpy(job->hash, hash.ptr, hash.len);
    job->hash[hash.len] = '\0';
}

/* The first line that names somebody counts. */
static int find(struct job *job)
{
    const plait_slice wanted = plait_slice_of(job->user, job->user_len);
    plait_slice line, user, hash;
    int res;
    bool any = false, named = false;
    keep_hash(job, PLAIT_LIT(NOBODYS_HASH));
    while ((res = plait__passwd_next(&job->reader, &line)) > 0) {
        if (!plait__passwd_line(line, &user, &hash))
            continue;
        const bool own = !named && plait_slice_equal(user, wanted);
        named = named || own;
        if (!plait__passwd_is_hash(hash) || (any && !own))
            continue;
        if (!job->found)
            keep_hash(job, hash);
        job->found = job->found || own;
        any = true;
    }
    return res;
}

static plait_err work(plait_value *value, void *arg)
{
    struct job *job = arg;
    value->num = 0;
    int res = plait__passwd_open(&job->reader, job->sys, job->path);
    res = res < 0 ? res : find(job);
    plait__passwd_close(&job->reader);
    if (res < 0)
        return PLAIT_FAIL(res == -E2BIG ? PLAIT_ETOOLONG : plait_err_from_errno(-res));
    const char *got = crypt_r(job->secret, job->hash, &job->crypt);
    const bool right = got && plait_slice_equal_secret(plait_slice_text(got), plait_slice_text(job->hash));
    return right && job->found ? PLAIT_OK : PLAIT_FAIL(PLAIT_EACCESS);
}

/* --- in the loop -------------------------------------------------------------------------------------------------- */

static void let_go(void *arg)
{
    struct job *job = arg;
    if (--job->holders > 0)
        return;
    plait_mem_wipe(job, sizeof *job);
    plait_mem_free(job);
}

/* A file that can't be read is no fault of who logs in. */
static void judged(struct plait_result *result, void *ctx)
{
    struct job *job = ctx;
    if (result->fault.err == PLAIT_OK) {
        char *name = plait_mem_text(plait_reactor_budget(job->reactor), job->user, job->user_len);
        plait_result_set(result, plait_value_ptr(name, plait_mem_free));
        if (!name)
            plait_result_fail(result, plait_fault_make(PLAIT_ENOMEM, "check"));
    } else if (result->fault.err != PLAIT_EACCESS && result->fault.err != PLAIT_ECANCELLED) {
        plait__warn(job->reactor, "auth-file", "a password file could not be read",
                    (struct plait_field[]){plait_field_text("path", job->path),
                                           plait_field_text("error", plait_err_text(result->fault.err)),
                                           {0}});
        if (result->fault.err == PLAIT_ENOTFOUND)
            result->fault.err = PLAIT_EIO;
    }
    let_go(job);
}

struct file {
    struct plait_reactor *reactor;
    char path[PLAIT__PASSWD_PATH_MAX + 1];
};

static struct job *job_new(const struct file *f, const struct plait_login *login)
{
    struct job *job = plait_mem_new(plait_reactor_budget(f->reactor), sizeof *job);
    if (!job)
        return NULL;
    job->holders = 2;
    job->reactor = f->reactor;
    job->sys = f->reactor->sys;
    job->reader.fd = -1;
    job->user_len = login->user.len;
    memcpy(job->user, login->user.ptr, login->user.len);
    memcpy(job->secret, login->secret.ptr, login->secret.len);
    memcpy(job->path, f->path, sizeof job->path);
    return job;
}

/* What no line can name, or no hash be of, is not let in; the portal's wait covers that no hash was made. */
static bool can_be(const struct plait_login *login)
{
    return plait__passwd_is_user(login->user) && login->secret.len > 0 &&
           login->secret.len < CRYPT_MAX_PASSPHRASE_SIZE && plait_slice_find_byte(login->secret, 0, 0) == SIZE_MAX;
}

static struct plait_deferred *check(const struct plait_login *login, void *ctx)
{
    const struct file *f = ctx;
    if (!can_be(login))
        return plait__checker_refuses(f->reactor, PLAIT_EACCESS);
    struct job *job = job_new(f, login);
    if (!job)
        return NULL;
    struct plait_deferred *d = plait_in_thread(f->reactor, PLAIT_LANE_HASHING, work, job, let_go);
    if (plait_then(d, judged, job) == PLAIT_OK)
        return d;
    let_go(job);
    plait_deferred_cancel(d);
    return NULL;
}

struct plait_checker *plait_checker_file_new(struct plait_reactor *reactor, const char *path)
{
    static const struct plait_checker_ops ops = {
        .name = "file", .kinds = PLAIT_LOGIN_PASSWORD, .check = check, .destroy = plait_mem_free};
    const size_t len = strlen(path);
    struct file *f = len <= PLAIT__PASSWD_PATH_MAX ? plait_mem_new(plait_reactor_budget(reactor), sizeof *f) : NULL;
    if (!f)
        return NULL;
    f->reactor = reactor;
    memcpy(f->path, path, len);
    return plait_checker_new(reactor, &ops, f);
}
