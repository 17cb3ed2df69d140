/* SPDX-License-Identifier: MIT
 *
 * The list of errors as tables, errno to error, and a fault as a line of text.
 *
 * Invariant: everything here is constant; nothing allocates.
 * Test: tests/base/test_err.c.
 */
#include <plait/err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct entry {
    const char *name;
    const char *text;
    enum plait_err_class cls;
};

static const struct entry entries[] = {
#define PLAIT_ERR_ENTRY(name, cls, text) {#name, text, PLAIT_CLASS_##cls},
    PLAIT_ERR_LIST(PLAIT_ERR_ENTRY)
#undef PLAIT_ERR_ENTRY
};

static const struct entry *entry_of(plait_err err)
{
    static const struct entry unknown = {"?", "an unknown error", PLAIT_CLASS_IO};
    return (unsigned)err < PLAIT_ERR_COUNT ? &entries[err] : &unknown;
}

const char *plait_err_name(plait_err err)
{
    return entry_of(err)->name;
}

const char *plait_err_text(plait_err err)
{
    return entry_of(err)->text;
}

enum plait_err_class plait_err_class_of(plait_err err)
{
    return entry_of(err)->cls;
}

plait_err plait_err_from_errno(int os_errno)
{
    static const struct {
        int os_errno;
        plait_err err;
    } map[] = {
        {0, PLAIT_OK},
        {EAGAIN, PLAIT_EAGAIN},
        {EBUSY, PLAIT_EBUSY},
        {ECONNRESET, PLAIT_ERESET},
        {ECONNABORTED, PLAIT_ERESET},
        {ENETRESET, PLAIT_ERESET},
        {EPIPE, PLAIT_EPIPE},
        {ECONNREFUSED, PLAIT_EREFUSED},
        {ENETUNREACH, PLAIT_EUNREACHABLE},
        {EHOSTUNREACH, PLAIT_EUNREACHABLE},
        {ENETDOWN, PLAIT_EUNREACHABLE},
        {EHOSTDOWN, PLAIT_EUNREACHABLE},
        {ETIMEDOUT, PLAIT_ENETTIMEDOUT},
        {EADDRINUSE, PLAIT_EADDRINUSE},
        {EADDRNOTAVAIL, PLAIT_EADDRNOTAVAIL},
        {EACCES, PLAIT_EACCESS},
        {EPERM, PLAIT_EACCESS},
        {ENOENT, PLAIT_ENOTFOUND},
        {ENOTDIR, PLAIT_ENOTFOUND},
        {EEXIST, PLAIT_EEXISTS},
        {ENOSPC, PLAIT_ENOSPACE},
        {EDQUOT, PLAIT_ENOSPACE},
        {ESRCH, PLAIT_EEXITED},
        {EMSGSIZE, PLAIT_EMSGSIZE},
        {EMFILE, PLAIT_EDESCRIPTORS},
        {ENFILE, PLAIT_EDESCRIPTORS},
        {ENOMEM, PLAIT_ENOMEM},
        {ENOBUFS, PLAIT_ENOMEM},
        {EINVAL, PLAIT_EINVAL},
        {EBADF, PLAIT_EINVAL},
        {ENAMETOOLONG, PLAIT_EINVAL},
        {EAFNOSUPPORT, PLAIT_EUNSUPPORTED},
        {EOPNOTSUPP, PLAIT_EUNSUPPORTED},
        {ENOSYS, PLAIT_EUNSUPPORTED},
        {ECANCELED, PLAIT_ECANCELLED},
        {ENODATA, PLAIT_ETRUNCATED},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (map[i].os_errno == os_errno)
            return map[i].err;
    }
    return PLAIT_EIO;
}

static bool worth_again(plait_err err)
{
    const enum plait_err_class cls = plait_err_class_of(err);
    return cls == PLAIT_CLASS_AGAIN || cls == PLAIT_CLASS_IO || cls == PLAIT_CLASS_TIMEOUT;
}

struct plait_fault plait_fault_make(plait_err err, const char *step)
{
    const struct plait_fault fault = {.err = err, .tls_alert = -1, .retry = worth_again(err), .step = step};
    return fault;
}

struct plait_fault plait_fault_os(int os_errno, const char *step)
{
    struct plait_fault fault = plait_fault_make(plait_err_from_errno(os_errno), step);
    fault.os_errno = os_errno;
    return fault;
}

size_t plait_fault_format(const struct plait_fault *fault, char *out, size_t out_bytes)
{
    const char *step = fault->step ? fault->step : "";
    const char *after_step = fault->step ? ": " : "";
    const char *detail = fault->detail ? fault->detail : "";
    const char *before_detail = fault->detail ? ": " : "";
    char os[48] = "";
    char alert[32] = "";
    const char *os_name = fault->os_errno ? strerrorname_np(fault->os_errno) : NULL;
    if (os_name)
        snprintf(os, sizeof os, " (%s)", os_name);
    else if (fault->os_errno)
        snprintf(os, sizeof os, " (errno %d)", fault->os_errno);
    if (fault->tls_alert > 0)
        snprintf(alert, sizeof alert, " (TLS alert %d)", fault->tls_alert);
    const int n = snprintf(out, out_bytes, "%s%s%s%s%s%s%s", step, after_step, plait_err_text(fault->err),
                           before_detail, detail, os, alert);
    return n < 0 ? 0 : (size_t)n;
}
