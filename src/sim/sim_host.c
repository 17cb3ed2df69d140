/* SPDX-License-Identifier: MIT
 *
 * Hosts: names, addresses, environment, and the reactor that runs on one. A host's name resolves everywhere in
 * its world.
 *
 * Invariant: hosts are never removed, so that their index is their identity in the story.
 * Tests: tests/sim/test_world.c.
 */
#include "base/memory.h"
#include "base/try.h"
#include "sim/sim_files.h"
#include "sim/sim_process.h"

#include <plait/resolve.h>

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* --- making and ending -------------------------------------------------------------------------------------------- */

static void default_addresses(struct plait_host *host)
{
    unsigned number = host->index + 1;
    uint8_t high = (uint8_t)(number >> 16), middle = (uint8_t)(number >> 8), low = (uint8_t)number;
    host->address[0] = (struct plait_address){.kind = PLAIT_ADDR_IP4, .ip = {10, high, middle, low}};
    host->address[1] =
        (struct plait_address){.kind = PLAIT_ADDR_IP6, .ip = {0xfd, [13] = high, [14] = middle, [15] = low}};
    host->address_count = 2;
}

static bool make_tree(struct plait_host *host)
{
    host->root = sim_inode_make(host, NULL, "/", S_IFDIR | 0755);
    if (!host->root)
        return false;
    host->cwd = host->root;
    struct sim_inode *dev = sim_inode_make(host, host->root, "dev", S_IFDIR | 0755);
    struct sim_inode *null = dev ? sim_inode_make(host, dev, "null", S_IFCHR | 0666) : NULL;
    return null && sim_inode_make(host, host->root, "tmp", S_IFDIR | 0777) && sim_disk_sync_with_way(null) == 0;
}

static void init_host(struct plait_sim *sim, struct plait_host *host, const char *name, size_t name_len)
{
    host->sys.ops = &plait__sim_ops;
    host->sim = sim;
    memcpy(host->name, name, name_len);
    host->index = (unsigned)sim->host_count;
    host->fd_max = 1024;
    host->sndbuf = host->rcvbuf = 65536;
    host->next_pid = 1000;
    host->job_delay = plait_micros(50);
    sim_list_init(&host->abstract);
    sim_list_init(&host->disk.changes);
    host->disk.random = sim->seed ^ ((uint64_t)host->index << 32);
    sim_list_init(&host->env);
    sim_list_init(&host->processes);
    sim_list_init(&host->signalfds);
    sim_list_init(&host->in_names);
    sim_list_init(&host->in_ready);
    for (size_t i = 0; i < SIM_HOST_ADDRESSES; i++)
        sim_list_init(&host->in_addresses[i].link);
    host->wake.fire = sim_host_wakes;
    default_addresses(host);
}

static bool room_for_one_more(struct plait_sim *sim)
{
    if (sim->host_count < sim->host_cap)
        return true;
    size_t cap = sim->host_cap ? sim->host_cap * 2 : 8;
    struct plait_host **fresh = plait_mem_resize(&sim->budget, sim->hosts, cap * sizeof(struct plait_host *));
    if (!fresh)
        return false;
    sim->hosts = fresh;
    sim->host_cap = cap;
    return true;
}

struct plait_host *plait_sim_host(struct plait_sim *sim, const char *name)
{
    struct plait_host *host = sim_names_find(sim, plait_slice_text(name), false);
    if (host)
        return host;
    size_t len = strlen(name);
    if (sim->host_count == SIM_HOSTS_MAX || len == 0 || len >= sizeof host->name)
        return NULL;
    host = room_for_one_more(sim) && sim_names_grow(sim) ? plait_mem_new(&sim->budget, sizeof *host) : NULL;
    if (!host)
        return NULL;
    init_host(sim, host, name, len);
    if (!make_tree(host)) {
        if (host->root)
            sim_disk_free(host);
        if (host->root)
            sim_tree_free(host->root);
        plait_mem_free(host);
        return NULL;
    }
    sim->hosts[sim->host_count++] = host;
    sim_names_add(host);
    return host;
}

void plait_host_stop(struct plait_host *host)
{
    sim_list_del(&host->in_ready);
    sim_event_cancel(host->sim, &host->wake);
    if (host->reactor)
        plait_reactor_free(&host->reactor);
    sim_list_del(&host->in_ready);
}

void sim_host_close_all(struct plait_host *host)
{
    for (size_t fd = 0; fd < host->fd_cap; fd++)
        (void)sim_fd_drop(host, (int)fd);
}

static void variable_free(struct sim_variable *v)
{
    sim_list_del(&v->link);
    plait_mem_free(v->name);
    plait_mem_free(v->value);
    plait_mem_free(v);
}

void sim_host_free(struct plait_host *host)
{
    sim_host_close_all(host);
    sim_processes_free(host);
    while (!sim_list_empty(&host->env))
        variable_free(SIM_OF(host->env.next, struct sim_variable, link));
    sim_disk_free(host);
    sim_tree_free(host->root);
    plait_mem_free(host->fds);
    host->fds = NULL;
    host->fd_cap = 0;
}

void sim_host_free_ports(struct plait_host *host)
{
    for (size_t i = 0; i < sizeof host->ports / sizeof host->ports[0]; i++)
        plait_mem_free(host->ports[i].rows);
}

const char *plait_host_name(const struct plait_host *host)
{
    return host->name;
}

struct plait_sys *plait_host_sys(struct plait_host *host)
{
    return &host->sys;
}

/* --- addresses -------------------------------------------------------------------------------------------------- */

plait_err plait_host_set_addresses(struct plait_host *host, const struct plait_address *address, size_t count)
{
    if (count > SIM_HOST_ADDRESSES)
        return PLAIT_FAIL(PLAIT_ELIMIT);
    for (size_t i = 0; i < count; i++) {
        if (address[i].kind != PLAIT_ADDR_IP4 && address[i].kind != PLAIT_ADDR_IP6)
            return PLAIT_FAIL(PLAIT_EINVAL);
    }
    for (size_t i = 0; i < count; i++)
        host->address[i] = address[i];
    host->address_count = count;
    sim_names_move(host);
    return PLAIT_OK;
}

void plait_host_address(const struct plait_host *host, enum plait_address_kind kind, uint16_t port,
                        struct plait_address *out)
{
    *out = (struct plait_address){0};
    for (size_t i = 0; i < host->address_count; i++) {
        if (host->address[i].kind == kind) {
            *out = host->address[i];
            out->port = port;
            return;
        }
    }
}

/* --- the reactor and its resolver --------------------------------------------------------------------------------- */

static bool wanted(const struct plait_address *address, enum plait_family family)
{
    return family == PLAIT_ANY_FAMILY || (family == PLAIT_ONLY_IP4) == (address->kind == PLAIT_ADDR_IP4);
}

/* IPv6 first, as RFC 6724 would have it. */
static size_t collect(const struct plait_host *host, enum plait_family family,
                      struct plait_address out[SIM_HOST_ADDRESSES])
{
    size_t count = 0;
    for (int six = 1; six >= 0; six--) {
        for (size_t i = 0; i < host->address_count; i++) {
            if ((host->address[i].kind == PLAIT_ADDR_IP6) == six && wanted(&host->address[i], family))
                out[count++] = host->address[i];
        }
    }
    return count;
}

static struct plait_deferred *resolve(struct plait_reactor *reactor, plait_slice name, enum plait_family family,
                                      void *ctx)
{
    struct plait_host *self = ctx, *host = sim_names_find(self->sim, name, true);
    struct plait_address found[SIM_HOST_ADDRESSES] = {{0}};
    plait_value value = {0};
    size_t count = host ? collect(host, family, found) : 0;
    if (count == 0)
        return plait_deferred_fail(reactor, plait_fault_make(PLAIT_ENAMENOTFOUND, "resolve"));
    plait_err err = plait_addresses_new(reactor, found, count, &value);
    if (err)
        return plait_deferred_fail(reactor, plait_fault_make(err, "resolve"));
    return plait_deferred_succeed(reactor, value);
}

void plait_host_reactor_options(struct plait_host *host, const struct plait_reactor_options *options)
{
    host->reactor_options = options;
}

/* The heap under a reactor: the C library's, with a count of the blocks that are out. */
static void *counted_resize(void *ptr, size_t bytes, void *ctx)
{
    struct plait_host *host = ctx;
    const struct plait_allocator *libc = plait__libc_allocator();
    void *fresh = libc->resize(ptr, bytes, libc->ctx);
    if (bytes == 0)
        host->heap_blocks -= ptr != NULL;
    else
        host->heap_blocks += fresh && !ptr;
    return fresh;
}

/* A host's log goes into the story. */
static void log_line(enum plait_log_level level, plait_slice line, void *ctx)
{
    struct plait_host *host = ctx;
    (void)level;
    sim_say(host->sim, "host %s logs: %.*s", host->name, (int)(line.len ? line.len - 1 : 0), (const char *)line.ptr);
}

struct plait_reactor *plait_host_reactor(struct plait_host *host)
{
    const struct plait_log_options log = {.level = PLAIT_LOG_INFO, .sink = log_line, .ctx = host};
    struct plait_reactor_options options = {.log = &log};
    if (host->reactor || host->down)
        return host->reactor;
    if (host->reactor_options)
        options = *host->reactor_options;
    options.sys = &host->sys;
    host->heap = (struct plait_allocator){.resize = counted_resize, .ctx = host};
    if (!options.allocator)
        options.allocator = &host->heap;
    host->reactor = plait_reactor_new(&options);
    if (!host->reactor)
        return NULL;
    struct plait_resolver resolver = {.resolve = resolve, .ctx = host};
    plait_reactor_set_resolver(host->reactor, resolver);
    sim_host_touch(host);
    return host->reactor;
}

/* --- environment, files ----------------------------------------------------------------------------------------- */

void plait_host_set_buffers(struct plait_host *host, size_t send_bytes, size_t receive_bytes)
{
    host->sndbuf = send_bytes < 4608 ? 4608 : send_bytes;
    host->rcvbuf = receive_bytes < 2304 ? 2304 : receive_bytes;
}

static struct sim_variable *variable_of(struct plait_host *host, const char *name)
{
    for (struct sim_link *at = host->env.next; at != &host->env; at = at->next) {
        struct sim_variable *v = SIM_OF(at, struct sim_variable, link);
        if (strcmp(v->name, name) == 0)
            return v;
    }
    return NULL;
}

const char *sim_env(struct plait_host *host, const char *name)
{
    struct sim_variable *v = variable_of(host, name);
    return v ? v->value : NULL;
}

static struct sim_variable *variable_new(struct plait_budget *budget, const char *name, const char *value)
{
    struct sim_variable *v = plait_mem_new(budget, sizeof *v);
    if (!v)
        return NULL;
    sim_list_init(&v->link);
    v->name = plait_mem_text(budget, name, strlen(name));
    v->value = plait_mem_text(budget, value, strlen(value));
    if (v->name && v->value)
        return v;
    variable_free(v);
    return NULL;
}

plait_err plait_host_set_env(struct plait_host *host, const char *name, const char *value)
{
    struct sim_variable *old = variable_of(host, name);
    struct sim_variable *fresh = value ? variable_new(&host->sim->budget, name, value) : NULL;
    if (value && !fresh)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    if (old)
        variable_free(old);
    if (fresh)
        sim_list_add(&host->env, &fresh->link);
    return PLAIT_OK;
}

/* Makes the folders on the way to a path. What stands in the way already is found later. */
static plait_err make_folders(struct plait_host *host, const char *path)
{
    char folder[4096];
    for (const char *at = strchr(path + 1, '/'); at && (size_t)(at - path) < sizeof folder; at = strchr(at + 1, '/')) {
        memcpy(folder, path, (size_t)(at - path));
        folder[at - path] = 0;
        if (sim_do_mkdirat(host, AT_FDCWD, folder, 0755) == -ENOSPC)
            return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    return PLAIT_OK;
}

plait_err sim_host_write(struct plait_host *host, const char *path, plait_slice bytes, struct sim_inode **out)
{
    struct sim_place place;
    if (path[0] != '/')
        return PLAIT_FAIL(PLAIT_EINVAL);
    PLAIT_TRY(make_folders(host, path));
    int err = sim_path_find(host, AT_FDCWD, path, 0, &place);
    if (err || place.slash)
        return PLAIT_FAIL(PLAIT_EINVAL);
    if (place.inode && !S_ISREG(place.inode->mode))
        return PLAIT_FAIL(PLAIT_EEXISTS);
    if (!place.inode)
        place.inode = sim_inode_make(host, place.folder, place.name, S_IFREG | 0644);
    if (!place.inode)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    *out = place.inode;
    bool written = sim_inode_truncate(place.inode, 0) == 0 &&
                   sim_inode_write(place.inode, bytes.ptr, bytes.len, 0) == (ssize_t)bytes.len;
    return written && sim_disk_sync_with_way(place.inode) == 0 ? PLAIT_OK : PLAIT_FAIL(PLAIT_ENOMEM);
}

plait_err plait_host_write_file(struct plait_host *host, const char *path, const void *bytes, size_t len)
{
    struct sim_inode *inode;
    return sim_host_write(host, path, plait_slice_of(bytes, len), &inode);
}
