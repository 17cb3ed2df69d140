/* SPDX-License-Identifier: MIT
 *
 * The system's resolver: the hosts file, then the C library in a pool thread. The file is looked at at most once a
 * second and read again when it changed; it becomes a table of names in one block, so that a list of a hundred thousand
 * blocked names costs a look-up no more than an empty one.
 *
 * Invariant: a failure to read the file counts as an empty file, and is logged once a change. A look-up in the pool
 * touches nothing of the resolver, so one that is replaced meanwhile hurts nobody.
 * Test: tests/engine/test_resolve.c.
 */
#include "base/try.h"
#include "engine/resolve_core.h"

#include <plait/thread.h>

#include <errno.h>
#include <fcntl.h>

enum { FILE_MAX = 4 * 1024 * 1024, ANSWERS_MAX = 64 };

/* One pair of the file. The name is text[name .. name + len). */
struct pair {
    uint32_t name;
    uint32_t next; /* in its bucket: index + 1; 0: none */
    uint32_t scope;
    uint8_t len;
    uint8_t kind;
    uint8_t ip[16];
};

struct hosts_resolver {
    struct plait_reactor *reactor;
    const char *path;
    plait_time looked;
    bool ever; /* looked at least once */
    struct stat stat;
    uint8_t *text;
    struct pair *pairs;
    uint32_t *buckets;
    size_t count, bucket_mask;
};

/* --- the table ---------------------------------------------------------------------------------------------------- */

static uint32_t hash_name(plait_slice name)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.ptr[i];
        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32U : c)) * 16777619U;
    }
    return h ^ (h >> 15);
}

static void forget(struct hosts_resolver *h)
{
    plait_mem_free(h->text);
    plait_mem_free(h->pairs);
    plait_mem_free(h->buckets);
    h->text = NULL;
    h->pairs = NULL;
    h->buckets = NULL;
    h->count = 0;
}

static size_t count_pairs(plait_slice text)
{
    struct plait__hosts at = plait__hosts_of(text);
    struct plait_address address;
    plait_slice name;
    size_t n = 0;
    while (plait__hosts_next(&at, &address, &name))
        n++;
    return n;
}

static void fill_pair(struct pair *p, const uint8_t *text, const struct plait_address *address, plait_slice name)
{
    p->name = (uint32_t)(name.ptr - text);
    p->len = (uint8_t)name.len;
    p->kind = (uint8_t)address->kind;
    p->scope = address->scope;
    memcpy(p->ip, address->ip, sizeof p->ip);
}

/* Puts the pairs in from the last to the first, so that each bucket stands in the file's order. */
static void link_pairs(struct hosts_resolver *h)
{
    for (size_t i = h->count; i > 0; i--) {
        struct pair *p = &h->pairs[i - 1];
        uint32_t *bucket = &h->buckets[hash_name(plait_slice_of(h->text + p->name, p->len)) & h->bucket_mask];
        p->next = *bucket;
        *bucket = (uint32_t)i;
    }
}

static plait_err index_text(struct hosts_resolver *h, size_t len)
{
    const plait_slice text = plait_slice_of(h->text, len);
    struct plait__hosts at = plait__hosts_of(text);
    struct plait_address address;
    plait_slice name;
    const size_t count = count_pairs(text);
    size_t buckets = 16;
    while (buckets < count)
        buckets *= 2;
    h->bucket_mask = buckets - 1;
    h->pairs = plait_mem_new(&h->reactor->budget, (count + 1) * sizeof *h->pairs);
    h->buckets = plait_mem_new(&h->reactor->budget, buckets * sizeof *h->buckets);
    if (!h->pairs || !h->buckets)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    while (plait__hosts_next(&at, &address, &name))
        fill_pair(&h->pairs[h->count++], h->text, &address, name);
    link_pairs(h);
    return PLAIT_OK;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static plait_err read_all(struct hosts_resolver *h, int fd, size_t size, size_t *len)
{
    struct plait_sys *sys = h->reactor->sys;
    h->text = plait_mem_resize(&h->reactor->budget, NULL, size + 1);
    if (!h->text)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    *len = 0;
    while (*len < size) {
        const ssize_t got = sys->ops->pread(sys, fd, h->text + *len, size - *len, (off_t)*len);
        if (got < 0)
            return PLAIT_FAIL(plait_err_from_errno((int)-got));
        if (got == 0)
            return PLAIT_OK; /* shorter than it was a moment ago */
        *len += (size_t)got;
    }
    return PLAIT_OK;
}

static plait_err load(struct hosts_resolver *h)
{
    struct plait_sys *sys = h->reactor->sys;
    size_t len = 0;
    if (!S_ISREG(h->stat.st_mode))
        return PLAIT_FAIL(PLAIT_EUNSUPPORTED);
    if (h->stat.st_size > FILE_MAX)
        return PLAIT_FAIL(PLAIT_ETOOLONG);
    const int fd = sys->ops->openat2(sys, AT_FDCWD, h->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, 0);
    if (fd < 0)
        return PLAIT_FAIL(plait_err_from_errno(-fd));
    const plait_err err = read_all(h, fd, (size_t)h->stat.st_size, &len);
    sys->ops->close(sys, fd);
    PLAIT_TRY(err);
    return index_text(h, len);
}

static void warn(struct hosts_resolver *h, plait_err err)
{
    const struct plait_fault fault = plait_fault_make(err, "read");
    const struct plait_field fields[] = {plait_field_text("file", h->path), plait_field_fault(&fault),
                                         plait_field_end()};
    plait__warn(h->reactor, "hosts-unreadable", "The hosts file could not be read; its names are not known.", fields);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Reads the file when it changed, a second after the last look at the earliest. */
static void look(struct hosts_resolver *h)
{
    struct plait_sys *sys = h->reactor->sys;
    struct stat st = {.st_ino = 0};
    const plait_time now = plait_now(h->reactor);
    if (h->ever && now - h->looked < plait_seconds(1))
        return;
    h->looked = now;
    const bool there = sys->ops->fstatat(sys, AT_FDCWD, h->path, &st, 0) == 0;
    if (h->ever && same_file(&st, &h->stat))
        return;
    h->ever = true;
    h->stat = st;
    forget(h);
    const plait_err err = there ? load(h) : PLAIT_OK;
    if (err != PLAIT_OK) {
        forget(h);
        warn(h, err);
    }
}

static size_t find(const struct hosts_resolver *h, plait_slice name, enum plait_family family,
                   struct plait_address *out)
{
    size_t n = 0;
    uint32_t at = h->buckets ? h->buckets[hash_name(name) & h->bucket_mask] : 0;
    for (; at != 0 && n < ANSWERS_MAX; at = h->pairs[at - 1].next) {
        const struct pair *p = &h->pairs[at - 1];
        if (!plait_slice_equal_nocase(plait_slice_of(h->text + p->name, p->len), name))
            continue;
        out[n] = (struct plait_address){.kind = (enum plait_address_kind)p->kind, .scope = p->scope};
        memcpy(out[n].ip, p->ip, sizeof p->ip);
        n += plait__family_has(family, &out[n]);
    }
    return n;
}

/* --- the C library ------------------------------------------------------------------------------------------------ */

/* A look-up in the pool. The job's thread writes to it while it runs; before and after it is the reactor's. */
struct lookup {
    struct plait_reactor *reactor;
    unsigned refs; /* the job's, the chain's; both given up in the reactor's thread */
    enum plait_family family;
    size_t count;
    struct plait_address address[ANSWERS_MAX];
    char name[PLAIT__HOST_NAME_MAX + 2];
};

static void lookup_unref(void *ptr)
{
    struct lookup *l = ptr;
    if (--l->refs == 0)
        plait_mem_free(l);
}

static plait_err run_lookup(plait_value *value, void *arg)
{
    struct lookup *l = arg;
    (void)value;
    return plait__getaddrinfo(l->name, l->family, l->address, ANSWERS_MAX, &l->count);
}

static void on_answer(struct plait_result *result, void *ctx)
{
    struct lookup *l = ctx;
    plait_value value;
    if (result->fault.err == PLAIT_OK) {
        const plait_err err = plait_addresses_new(l->reactor, l->address, l->count, &value);
        if (err == PLAIT_OK)
            plait_result_set(result, value);
        else
            plait_result_fail(result, plait_fault_make(err, "resolve"));
    } else {
        result->fault.step = "resolve"; /* that a thread did it is of no interest */
    }
    lookup_unref(l);
}

static struct plait_deferred *ask_library(struct plait_reactor *r, plait_slice name, enum plait_family family)
{
    struct lookup *l = plait_mem_new(&r->budget, sizeof *l);
    if (!l)
        return NULL;
    l->reactor = r;
    l->refs = 2;
    l->family = family;
    memcpy(l->name, name.ptr, name.len);
    struct plait_deferred *d = plait_in_thread(r, PLAIT_LANE_NAMES, run_lookup, l, lookup_unref);
    if (plait_then(d, on_answer, l) == PLAIT_OK)
        return d;
    lookup_unref(l);
    plait_deferred_cancel(d);
    return NULL;
}

/* --- the resolver ------------------------------------------------------------------------------------------------- */

static struct plait_deferred *resolve(struct plait_reactor *r, plait_slice name, enum plait_family family, void *ctx)
{
    struct hosts_resolver *h = ctx;
    struct plait_address found[ANSWERS_MAX];
    look(h);
    const size_t count = find(h, plait__host_name_bare(name), family, found);
    if (count > 0)
        return plait__addresses_fire(r, found, count);
    /* In the simulated world there is nobody else to ask: the library would ask the real one. */
    if (r->sys->ops->job_delay(r->sys) != 0)
        return plait_deferred_fail(r, plait_fault_make(PLAIT_ENAMENOTFOUND, "resolve"));
    return ask_library(r, name, family);
}

static void resolver_free(void *ctx)
{
    forget(ctx);
    plait_mem_free(ctx);
}

plait_err plait__resolver_of(struct plait_reactor *r, const char *hosts_path, struct plait_resolver *out)
{
    struct hosts_resolver *h = plait_mem_new(&r->budget, sizeof *h);
    if (!h)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    h->reactor = r;
    h->path = hosts_path;
    *out = (struct plait_resolver){.resolve = resolve, .free = resolver_free, .ctx = h};
    return PLAIT_OK;
}

plait_err plait_resolver_system(struct plait_reactor *reactor, struct plait_resolver *out)
{
    return plait__resolver_of(reactor, "/etc/hosts", out);
}
