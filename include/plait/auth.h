/* SPDX-License-Identifier: MIT
 *
 * Who somebody is, and what he gets. A login carries credentials to a portal; the portal's checkers judge them, one
 * after another; its realm makes the avatar, the object that a known user works with. A protocol knows its portal, and
 * neither the checkers nor the realm: any of the three can be another.
 */
#ifndef PLAIT_AUTH_H
#define PLAIT_AUTH_H

#include <plait/address.h>
#include <plait/deferred.h>

PLAIT_BEGIN

#define PLAIT_LOGIN_USER_MAX 255    /* bytes of a user's name */
#define PLAIT_LOGIN_SECRET_MAX 8192 /* bytes of a password or token */

/* --- credentials -------------------------------------------------------------------------------------------------- */

/* Kinds of credentials; bits, as checkers and portals name several. */
enum plait_login_kind {
    PLAIT_LOGIN_ANONYMOUS = 1, /* nothing is shown */
    PLAIT_LOGIN_PASSWORD = 2,  /* user and password */
    PLAIT_LOGIN_TOKEN = 4,     /* a secret that tells who it is, too */
    PLAIT_LOGIN_PROOF = 8,     /* user, and a proof of a password that is not shown: `proves` judges it */
    PLAIT_LOGIN_PROVED = 16,   /* user, whom TLS, the kernel or SCRAM has proved: unless there is a `proves`, which says
                                * no, of a proof that was wrong */
};

/* Credentials, and where they come from. Copied by what takes them, but for what `ctx` points to. */
struct plait_login {
    enum plait_login_kind kind;
    plait_slice user;                 /* of a password or proof */
    plait_slice secret;               /* the password or the token */
    const struct plait_address *from; /* who asks, for the limits; NULL: nobody that is counted */
    /* Whether the proof is right for a password. */
    bool (*proves)(plait_slice password, void *ctx);
    void *ctx;
};

/* --- checkers ----------------------------------------------------------------------------------------------------- */

struct plait_checker;

/* A way to judge credentials. */
struct plait_checker_ops {
    const char *name;
    unsigned kinds; /* kinds of credentials that it judges */
    /* Fires with the name of who was let in: value.ptr is a text made with plait_mem_text, "" for nobody in particular.
     * PLAIT_EACCESS: these credentials are not good; any other error: it could not be told. `login` lives until the
     * deferred has fired. A user who does not exist must take as long as one who does. */
    struct plait_deferred *(*check)(const struct plait_login *login, void *ctx);
    void (*destroy)(void *ctx); /* may be NULL */
};

/** Makes a checker. Returns NULL, after `destroy`, when there is no memory. Ownership: the caller's, until a portal
 * takes it. Callbacks: `check` for each login that a portal brings. */
PLAIT_API struct plait_checker *plait_checker_new(struct plait_reactor *reactor, const struct plait_checker_ops *ops,
                                                  void *ctx) PLAIT_MUST;

/** Ends a checker that no portal has taken. Takes NULL and leaves NULL. */
PLAIT_API void plait_checker_free(struct plait_checker **checker);

/** Makes a checker that lets everybody in, as nobody in particular. Returns NULL when there is no memory. Ownership: as
 * plait_checker_new. */
PLAIT_API struct plait_checker *plait_checker_anonymous_new(struct plait_reactor *reactor) PLAIT_MUST;

/** Makes a checker that believes who was proved (PLAIT_LOGIN_PROVED). A wrong proof is refused as a wrong password is:
 * slowly, and counted. Returns NULL when there is no memory. Ownership: as plait_checker_new. */
PLAIT_API struct plait_checker *plait_checker_proved_new(struct plait_reactor *reactor) PLAIT_MUST;

/** Makes a checker that knows the users that it is told of: their passwords in the clear, so that it can judge proofs
 * too, and tokens. Returns NULL when there is no memory. Ownership: as plait_checker_new. */
PLAIT_API struct plait_checker *plait_checker_memory_new(struct plait_reactor *reactor) PLAIT_MUST;

/** Tells a checker of plait_checker_memory_new of a user. Errors: PLAIT_EINVAL (empty or too long), PLAIT_EEXISTS,
 * PLAIT_ENOMEM. */
PLAIT_API plait_err plait_checker_memory_user(struct plait_checker *checker, plait_slice user, plait_slice password)
    PLAIT_MUST;

/** Tells a checker of plait_checker_memory_new of a token and whom it stands for. Errors: as
 * plait_checker_memory_user; PLAIT_EIO (no hash). */
PLAIT_API plait_err plait_checker_memory_token(struct plait_checker *checker, plait_slice token, plait_slice user)
    PLAIT_MUST;

/** Makes a checker of passwords by a file with lines "USER:HASH", hashes as crypt(3) makes them. It is read, and
 * hashing done, in the pool; an edit counts from the next login on. Returns NULL when there is no memory or the path is
 * longer than 1000 bytes. Ownership: as plait_checker_new. */
PLAIT_API struct plait_checker *plait_checker_file_new(struct plait_reactor *reactor, const char *path) PLAIT_MUST;

/* --- password files ----------------------------------------------------------------------------------------------- */

enum plait_passwd_method {
    PLAIT_PASSWD_YESCRYPT, /* slow, and needs memory: 16 MiB */
    PLAIT_PASSWD_SHA512,   /* for programs that know nothing newer */
};

/** Sets a user's password in a password file, which is made, for its owner only, when there is none. The file is
 * replaced as a whole: whoever reads it sees the old one or the new one. Fires when it is on the disk. Errors:
 * PLAIT_EINVAL (a user with ':' or control characters, or behind '#'; a password that is empty, has a NUL, or more than
 * 511 bytes; a path of more than 1000), PLAIT_EBUSY (FILE.new exists: somebody is changing the file), PLAIT_ETOOLONG (a
 * line of more than 1000 bytes), PLAIT_EACCESS and other errors of files. Ownership: as plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_passwd_set(struct plait_reactor *reactor, const char *path, plait_slice user,
                                                  plait_slice password, enum plait_passwd_method method) PLAIT_MUST;

/** Takes a user out of a password file. Errors: PLAIT_ENOTFOUND (no such file or user), else as plait_passwd_set.
 * Ownership: as plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_passwd_remove(struct plait_reactor *reactor, const char *path, plait_slice user)
    PLAIT_MUST;

/* --- avatars ------------------------------------------------------------------------------------------------------ */

/* What somebody works with who was let in. Members but the realm's three are for reading. */
struct plait_avatar {
    const char *name;             /* who it is; "" for nobody in particular */
    const char *const *asked;     /* interfaces that were asked for, in order of preference; NULL-terminated */
    void *mind;                   /* the protocol's own object for the other side, as plait_portal_login got it */
    const char *interface;        /* set by the realm: which of those asked for this is */
    void *object;                 /* set by the realm */
    void (*logout)(void *object); /* set by the realm, or NULL: called once, at the end */
};

/* Makes somebody's avatar: sets its three members, now or before the deferred that it returns fires. One that fires
 * with a fault, or sets no interface (PLAIT_EUNSUPPORTED), lets nobody in. */
typedef struct plait_deferred *(*plait_realm_fn)(struct plait_avatar *avatar, void *ctx);

/** Ends somebody's stay: calls `logout`, and frees. Takes NULL and leaves NULL. Callbacks: the avatar's `logout` inside
 * the call. */
PLAIT_API void plait_avatar_logout(struct plait_avatar **avatar);

/* --- portals ------------------------------------------------------------------------------------------------------ */

struct plait_portal;

/* The zero value of a member is its default. */
struct plait_portal_options {
    plait_realm_fn realm; /* NULL: an avatar without an object, of the first interface asked for */
    void *ctx;
    unsigned failures_per_user;    /* 10: then it is locked until some are forgiven */
    unsigned failures_per_address; /* 50; an IPv6 /64 counts as one */
    plait_span forgive;            /* one failure is forgiven after so long; 1 min */
    plait_span slow;               /* a failure is told at a multiple of it after the login began; 1 s */
    size_t logins;                 /* under way at once, those that wait to be told among them; 1024 */
    size_t remembered;             /* users, and addresses, with failures; the oldest go first; 16384 of each */
    void *reserved[4];
};

/** Makes a portal; `options` may be NULL. Returns NULL when there is no memory. Ownership: one reference, the caller's.
 * Callbacks: the realm for each who was let in. */
PLAIT_API struct plait_portal *plait_portal_new(struct plait_reactor *reactor,
                                                const struct plait_portal_options *options) PLAIT_MUST;

/** Takes one more reference. Ownership: the returned reference is the caller's. */
PLAIT_API struct plait_portal *plait_portal_ref(struct plait_portal *portal);

/** Gives a reference up; logins that are under way go on. Takes NULL and leaves NULL. */
PLAIT_API void plait_portal_unref(struct plait_portal **portal);

/** Adds a checker behind those there are. Errors: PLAIT_ENOMEM (`checker` is NULL). Ownership: the checker is taken. */
PLAIT_API plait_err plait_portal_add(struct plait_portal *portal, struct plait_checker *checker) PLAIT_MUST;

/** Kinds of credentials that a portal's checkers judge. */
PLAIT_API unsigned plait_portal_kinds(const struct plait_portal *portal);

/** Logs somebody in. Fires with a struct plait_avatar (value.ptr) of one of `interfaces`, a NULL-terminated list that
 * lives as long as the avatar. A value that nobody takes is logged out. Errors: PLAIT_EACCESS (not known, or
 * not so), PLAIT_ELIMIT (too many failures, or too many logins), PLAIT_EUNSUPPORTED (no checker for such credentials,
 * none of the interfaces), PLAIT_EINVAL (too long), what checkers and realm fail with, PLAIT_ECANCELLED. Ownership: as
 * plait_deferred_new; the avatar is ended with plait_avatar_logout. */
PLAIT_API struct plait_deferred *plait_portal_login(struct plait_portal *portal, const struct plait_login *login,
                                                    const char *const *interfaces, void *mind) PLAIT_MUST;

PLAIT_END
#endif
