/* SPDX-License-Identifier: MIT
 *
 * Changing a password file: one line is put in, replaced or left out, all others are copied. It is written beside, as
 * FILE.new, synced, and takes the name; that FILE.new can be made only once keeps two who change it apart.
 *
 * Invariant: FILE is always whole, and FILE.new is gone when the job is over. Test: tests/auth/test_passwd.c.
 */
#include "auth/passwd_core.h"
#include "base/try.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include <plait/thread.h>

enum { SALT_BYTES = 32, SHA512_ROUNDS = 200000 };

struct change {
    int holders;
    struct plait_sys *sys;
    bool removes;
    enum plait_passwd_method method;
    struct plait__passwd_reader reader;
    struct crypt_data crypt;
    int out;
    off_t out_at; /* written so far */
    size_t out_len;
    uint8_t out_bytes[4096];
    size_t user_len;
    char user[PLAIT_LOGIN_USER_MAX];
    char secret[CRYPT_MAX_PASSPHRASE_SIZE];
    char salt[SALT_BYTES];
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    const char *hash; /* in `crypt` */
    char path[PLAIT__PASSWD_PATH_MAX + 1], beside[PLAIT__PASSWD_PATH_MAX + 5], folder[PLAIT__PASSWD_PATH_MAX + 1];
};

/* --- in a pool thread --------------------------------------------------------------------------------------------- */

static int flush(struct change *c)
{
    size_t done = 0;
    while (done < c->out_len) {
        const ssize_t put = c->sys->ops->pwrite(c->sys, c->out, c->out_bytes + done, c->out_len - done, c->out_at);
        if (put <= 0)
            return put < 0 ? (int)put : -ENOSPC;
        done += (size_t)put;
        c->out_at += put;
    }
    c->out_len = 0;
    return 0;
}

static int put(struct change *c, plait_slice bytes)
{
    const int res = bytes.len > sizeof c->out_bytes - c->out_len ? flush(c) : 0;
    if (res < 0)
        return res;
    memcpy(c->out_bytes + c->out_len, bytes.ptr, bytes.len);
    c->out_len += bytes.len;
    return 0;
}

static int put_line(struct change *c, plait_slice line)
{
    int res = line.len ? put(c, line) : 0;
    return res < 0 ? res : put(c, PLAIT_LIT("\n"));
}

static int put_entry(struct change *c)
{
    int res = put(c, plait_slice_of(c->user, c->user_len));
    res = res < 0 ? res : put(c, PLAIT_LIT(":"));
    return res < 0 ? res : put_line(c, plait_slice_text(c->hash));
}

/* Lines of the user but the first would mean nothing, and go. */
static int copy(struct change *c)
{
    const plait_slice wanted = plait_slice_of(c->user, c->user_len);
    plait_slice line, user, hash;
    bool found = false;
    int more = c->reader.fd >= 0;
    while (more > 0 && (more = plait__passwd_next(&c->reader, &line)) > 0) {
        const bool own = plait__passwd_line(line, &user, &hash) && plait_slice_equal(user, wanted);
        int res = 0;
        if (!own)
            res = put_line(c, line);
        else if (!found && !c->removes)
            res = put_entry(c);
        more = res < 0 ? res : more;
        found = found || own;
    }
    if (more < 0 || found)
        return more;
    return c->removes ? -ENOENT : put_entry(c);
}

/* Writes FILE.new, and gives it FILE's name. Returns 0 or -errno. */
static int replace(struct change *c)
{
    struct stat st = {.st_mode = 0600};
    struct plait_sys *sys = c->sys;
    int res = c->reader.fd >= 0 ? sys->ops->fstat(sys, c->reader.fd, &st) : 0;
    res = res < 0 ? res : sys->ops->fchmodat(sys, AT_FDCWD, c->beside, st.st_mode & 0777);
    res = res < 0 ? res : copy(c);
    res = res < 0 ? res : flush(c);
    res = res < 0 ? res : sys->ops->fsync(sys, c->out);
    (void)sys->ops->close(sys, c->out);
    res = res < 0 ? res : sys->ops->renameat(sys, AT_FDCWD, c->beside, AT_FDCWD, c->path);
    if (res < 0)
        (void)sys->ops->unlinkat(sys, AT_FDCWD, c->beside, 0);
    return res;
}

/* The name is on the disk when the folder is. */
static int sync_folder(const struct change *c)
{
    const int fd = c->sys->ops->openat2(c->sys, AT_FDCWD, c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0);
    if (fd < 0)
        return fd;
    const int res = c->sys->ops->fsync(c->sys, fd);
    (void)c->sys->ops->close(c->sys, fd);
    return res;
}

/* The file is read only while FILE.new is ours: otherwise what somebody else just wrote would be lost. */
static int change(struct change *c)
{
    c->out = c->sys->ops->openat2(c->sys, AT_FDCWD, c->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, 0);
    if (c->out < 0)
        return c->out == -EEXIST ? -EBUSY : c->out;
    int res = plait__passwd_open(&c->reader, c->sys, c->path);
    if (res < 0 && res != -ENOENT) {
        (void)c->sys->ops->close(c->sys, c->out);
        (void)c->sys->ops->unlinkat(c->sys, AT_FDCWD, c->beside, 0);
        return res;
    }
    res = replace(c);
    plait__passwd_close(&c->reader);
    return res < 0 ? res : sync_folder(c);
}

static bool make_hash(struct change *c)
{
    const bool sha = c->method == PLAIT_PASSWD_SHA512;
    const char *setting = crypt_gensalt_rn(sha ? "$6$" : "$y$", sha ? SHA512_ROUNDS : 0, c->salt, SALT_BYTES,
                                           c->setting, sizeof c->setting);
    c->hash = setting ? crypt_r(c->secret, setting, &c->crypt) : NULL;
    return c->hash && c->hash[0] == '$';
}

static plait_err work(plait_value *value, void *arg)
{
    struct change *c = arg;
    value->num = 0;
    const int res = c->removes || make_hash(c) ? change(c) : -EOPNOTSUPP;
    if (res == -EBUSY)
        return PLAIT_FAIL(PLAIT_EBUSY);
    if (res < 0)
        return PLAIT_FAIL(res == -E2BIG ? PLAIT_ETOOLONG : plait_err_from_errno(-res));
    return PLAIT_OK;
}

/* --- in the loop -------------------------------------------------------------------------------------------------- */

static void let_go(void *arg)
{
    struct change *c = arg;
    plait_mem_wipe(c, sizeof *c);
    plait_mem_free(c);
}

static void set_paths(struct change *c, const char *path)
{
    const char *slash = strrchr(path, '/');
    const size_t len = slash ? (size_t)(slash - path) + 1 : 0;
    memcpy(c->path, path, strlen(path) + 1);
    (void)snprintf(c->beside, sizeof c->beside, "%s.new", path);
    memcpy(c->folder, len ? path : ".", len ? len : 1);
}

static bool is_password(plait_slice password)
{
    return password.len > 0 && password.len < CRYPT_MAX_PASSPHRASE_SIZE &&
           plait_slice_find_byte(password, 0, 0) == SIZE_MAX;
}

static bool fits(const char *path, plait_slice user)
{
    return plait__passwd_is_user(user) && path[0] && strlen(path) <= PLAIT__PASSWD_PATH_MAX;
}

static struct change *change_new(struct plait_reactor *reactor, const char *path, plait_slice user)
{
    struct change *c = plait_mem_new(plait_reactor_budget(reactor), sizeof *c);
    if (!c)
        return NULL;
    c->sys = reactor->sys;
    set_paths(c, path);
    memcpy(c->user, user.ptr, user.len);
    c->user_len = user.len;
    return c;
}

static struct plait_deferred *fail(struct plait_reactor *reactor, plait_err err)
{
    return plait_deferred_fail(reactor, plait_fault_make(err, "passwd"));
}

struct plait_deferred *plait_passwd_set(struct plait_reactor *reactor, const char *path, plait_slice user,
                                        plait_slice password, enum plait_passwd_method method)
{
    if (!fits(path, user) || !is_password(password))
        return fail(reactor, PLAIT_EINVAL);
    struct change *c = change_new(reactor, path, user);
    if (!c)
        return NULL;
    c->method = method;
    memcpy(c->secret, password.ptr, password.len);
    const plait_err err = plait_random_bytes(reactor, c->salt, sizeof c->salt);
    if (err == PLAIT_OK)
        return plait_in_thread(reactor, PLAIT_LANE_HASHING, work, c, let_go);
    let_go(c);
    return fail(reactor, err);
}

struct plait_deferred *plait_passwd_remove(struct plait_reactor *reactor, const char *path, plait_slice user)
{
    if (!fits(path, user))
        return fail(reactor, PLAIT_EINVAL);
    struct change *c = change_new(reactor, path, user);
    if (!c)
        return NULL;
    c->removes = true;
    return plait_in_thread(reactor, PLAIT_LANE_HASHING, work, c, let_go);
}
