/* SPDX-License-Identifier: MIT
 *
 * Hosts by name and by address, of which there may be tens of thousands.
 *
 * Invariant: both tables have a row a host at least; where several hosts have an address, the one that was made first
 * has it. Tests: tests/sim/test_world.c.
 */
#include "sim/sim_core.h"

#include <string.h>

#define ROWS_FIRST 16

static uint64_t hash_bytes(const uint8_t *bytes, size_t len, bool any_case)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = bytes[i];
        h = (h ^ (any_case && c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x100000001b3u;
    }
    return h ^ (h >> 32);
}

static struct sim_link *name_row(const struct plait_sim *sim, plait_slice name)
{
    return &sim->names.name[hash_bytes(name.ptr, name.len, true) & (sim->names.rows - 1)];
}

static size_t ip_bytes(const struct plait_address *address)
{
    return address->kind == PLAIT_ADDR_IP4 ? 4 : 16;
}

static struct sim_link *address_row(const struct plait_sim *sim, const struct plait_address *address)
{
    return &sim->names.address[hash_bytes(address->ip, ip_bytes(address), false) & (sim->names.rows - 1)];
}

void sim_names_move(struct plait_host *host)
{
    for (size_t i = 0; i < SIM_HOST_ADDRESSES; i++) {
        sim_list_del(&host->in_addresses[i].link);
        host->in_addresses[i].host = host;
        if (i < host->address_count)
            sim_list_add(address_row(host->sim, &host->address[i]), &host->in_addresses[i].link);
    }
}

void sim_names_add(struct plait_host *host)
{
    sim_list_del(&host->in_names);
    sim_list_add(name_row(host->sim, plait_slice_text(host->name)), &host->in_names);
    sim_names_move(host);
}

bool sim_names_grow(struct plait_sim *sim)
{
    struct sim_names *names = &sim->names;
    if (sim->host_count < names->rows)
        return true;
    size_t rows = names->rows ? names->rows * 2 : ROWS_FIRST;
    struct sim_link *fresh = plait_mem_new(&sim->budget, 2 * rows * sizeof *fresh), *old = names->name;
    if (!fresh)
        return false;
    for (size_t i = 0; i < 2 * rows; i++)
        sim_list_init(&fresh[i]);
    *names = (struct sim_names){.name = fresh, .address = fresh + rows, .rows = rows};
    for (size_t i = 0; i < sim->host_count; i++)
        sim_names_add(sim->hosts[i]);
    plait_mem_free(old);
    return true;
}

void sim_names_free(struct plait_sim *sim)
{
    plait_mem_free(sim->names.name);
}

struct plait_host *sim_names_find(const struct plait_sim *sim, plait_slice name, bool any_case)
{
    struct sim_link *row = sim->names.rows ? name_row(sim, name) : NULL;
    for (struct sim_link *at = row ? row->next : NULL; at != row; at = at->next) {
        struct plait_host *host = SIM_OF(at, struct plait_host, in_names);
        plait_slice own = plait_slice_text(host->name);
        if (any_case ? plait_slice_equal_nocase(name, own) : plait_slice_equal(name, own))
            return host;
    }
    return NULL;
}

static bool is_at(const struct sim_host_address *entry, const struct plait_address *address)
{
    const struct plait_address *own = &entry->host->address[entry - entry->host->in_addresses];
    return own->kind == address->kind && memcmp(own->ip, address->ip, ip_bytes(address)) == 0;
}

struct plait_host *sim_host_by_address(struct plait_host *from, const struct plait_address *address)
{
    struct plait_host *found = NULL;
    if (plait_address_is_loopback(address))
        return from;
    struct sim_link *row = address_row(from->sim, address);
    for (struct sim_link *at = row->next; at != row; at = at->next) {
        struct sim_host_address *entry = SIM_OF(at, struct sim_host_address, link);
        if (is_at(entry, address) && (!found || entry->host->index < found->index))
            found = entry->host;
    }
    return found;
}
