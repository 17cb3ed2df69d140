/* SPDX-License-Identifier: MIT
 *
 * The disk beneath a host's tree: what is safe, what is on its way, and what syncing moves from the one to the other.
 * fsync of a file makes its content safe and not its name; fsync of a folder makes its names safe. What a loss of power
 * leaves is sim_crash.c.
 *
 * Invariant: an inode stands in one place of the disk at most. A change of folders is safe only together with all
 * earlier ones in the folders that it touches, so that what has been synced is what programs saw.
 * Tests: tests/sim/test_files_crash.c.
 */
#include "sim/sim_disk_core.h"

#include <string.h>

enum { ON_ITS_WAY_MAX = 1024 }; /* of a file, and of a host's folders; then the oldest is written back */

/* --- content ------------------------------------------------------------------------------------------------------ */

bool sim_ring_resize(struct plait_sim *sim, struct sim_ring *ring, size_t size)
{
    static const uint8_t zeroes[4096];
    size_t before = ring->len;
    while (ring->len < size) {
        size_t gap = size - ring->len;
        if (!sim_ring_put(sim, ring, zeroes, gap < sizeof zeroes ? gap : sizeof zeroes)) {
            ring->len = before;
            return false;
        }
    }
    ring->len = size;
    if (size == 0)
        sim_ring_free(ring);
    return true;
}

bool sim_stored_write(struct sim_inode *inode, const uint8_t *bytes, size_t len, size_t at)
{
    struct sim_ring *data = &inode->stored.data;
    if (data->len < at + len && !sim_ring_resize(inode->host->sim, data, at + len))
        return false;
    memcpy(data->ptr + at, bytes, len);
    return true;
}

static bool arrive(struct sim_inode *inode, const struct sim_write *w)
{
    if (w->resize)
        return sim_ring_resize(inode->host->sim, &inode->stored.data, w->at);
    return sim_stored_write(inode, w->bytes, w->len, w->at);
}

static struct sim_write *oldest_write(struct sim_stored *stored)
{
    return SIM_OF(stored->writes.next, struct sim_write, link);
}

void sim_write_free(struct sim_stored *stored, struct sim_write *w)
{
    sim_list_del(&w->link);
    stored->write_count--;
    plait_mem_free(w);
}

static bool write_back(struct sim_inode *inode)
{
    struct sim_write *w = oldest_write(&inode->stored);
    if (!arrive(inode, w))
        return false;
    sim_write_free(&inode->stored, w);
    return true;
}

static bool note(struct sim_inode *inode, const struct sim_write *head, const uint8_t *bytes)
{
    if (inode->stored.write_count == ON_ITS_WAY_MAX && !write_back(inode))
        return false;
    struct sim_write *w = plait_mem_new(&inode->host->sim->budget, sizeof *w + head->len);
    if (!w)
        return false;
    *w = *head;
    if (head->len)
        memcpy(w->bytes, bytes, head->len);
    sim_list_init(&w->link);
    sim_list_add(&inode->stored.writes, &w->link);
    inode->stored.write_count++;
    return true;
}

bool sim_disk_note_write(struct sim_inode *inode, const uint8_t *bytes, size_t len, size_t at)
{
    return note(inode, &(struct sim_write){.at = at, .len = len}, bytes);
}

bool sim_disk_note_size(struct sim_inode *inode, size_t size)
{
    return note(inode, &(struct sim_write){.at = size, .resize = true}, NULL);
}

static int sync_content(struct sim_inode *inode)
{
    while (!sim_list_empty(&inode->stored.writes)) {
        if (!write_back(inode))
            return -ENOSPC;
    }
    return 0;
}

static void forget_writes(struct sim_stored *stored)
{
    while (!sim_list_empty(&stored->writes))
        sim_write_free(stored, oldest_write(stored));
}

/* As on Linux: the pages count as clean, and no later sync tries them again. */
void sim_disk_sync_failed(struct sim_inode *inode)
{
    forget_writes(&inode->stored);
}

/* --- places ------------------------------------------------------------------------------------------------------- */

void sim_stored_init(struct sim_stored *stored, unsigned mode)
{
    sim_list_init(&stored->in_parent);
    sim_list_init(&stored->entries);
    sim_list_init(&stored->writes);
    stored->mode = mode;
}

static void unplace(struct sim_inode *inode)
{
    struct sim_stored *stored = &inode->stored;
    if (!stored->parent)
        return;
    sim_list_del(&stored->in_parent);
    plait_mem_free(stored->name);
    stored->name = NULL;
    stored->parent = NULL;
    sim_inode_unref(inode);
}

static void place(struct sim_inode *inode, struct sim_inode *folder, char *name)
{
    inode->refs++;
    unplace(inode);
    inode->stored.parent = folder;
    inode->stored.name = name;
    sim_list_add(&folder->stored.entries, &inode->stored.in_parent);
}

static struct sim_inode *first_entry(struct sim_stored *stored)
{
    return SIM_OF(stored->entries.next, struct sim_inode, stored.in_parent);
}

/* An inode goes: a folder that was never placed may hold some. */
void sim_stored_free(struct sim_stored *stored)
{
    forget_writes(stored);
    sim_ring_free(&stored->data);
    while (!sim_list_empty(&stored->entries))
        unplace(first_entry(stored));
}

static struct sim_inode *stored_entry(struct sim_inode *folder, const char *name)
{
    struct sim_link *at = folder->stored.entries.next;
    for (; at != &folder->stored.entries; at = at->next) {
        struct sim_inode *inode = SIM_OF(at, struct sim_inode, stored.in_parent);
        if (strcmp(inode->stored.name, name) == 0)
            return inode;
    }
    return NULL;
}

static bool is_within(const struct sim_inode *inode, const struct sim_inode *folder)
{
    while (inode && inode != folder)
        inode = inode->stored.parent;
    return inode != NULL;
}

static bool attached(const struct sim_inode *folder)
{
    return is_within(folder, folder->host->root);
}

static bool apply_removal(struct sim_change *c)
{
    struct sim_stored *stored = &c->inode->stored;
    if (stored->parent != c->folder || strcmp(stored->name, c->name) != 0 || !sim_list_empty(&stored->entries))
        return false;
    unplace(c->inode);
    return true;
}

/* Whatever is lost besides, a name that was moved leads to the old or to the new; so nothing is put where it can't be
 * found, and nothing is put over what an earlier, lost change should have moved away. */
bool sim_change_apply(struct sim_change *c)
{
    if (c->removal)
        return apply_removal(c);
    struct sim_inode *old = stored_entry(c->folder, c->name);
    if (is_within(c->folder, c->inode) || (c->inode->stored.parent && !attached(c->folder)))
        return false;
    if (old && old != c->inode && (old != c->replaced || !sim_list_empty(&old->stored.entries)))
        return false;
    if (old && old != c->inode)
        unplace(old);
    place(c->inode, c->folder, c->name);
    c->name = NULL;
    return true;
}

/* --- changes of folders ------------------------------------------------------------------------------------------- */

void sim_change_free(struct sim_disk *disk, struct sim_change *c)
{
    sim_list_del(&c->link);
    disk->change_count--;
    sim_inode_unref(c->inode);
    sim_inode_unref(c->folder);
    if (c->from)
        sim_inode_unref(c->from);
    if (c->replaced)
        sim_inode_unref(c->replaced);
    plait_mem_free(c->name);
    plait_mem_free(c);
}

static struct sim_change *oldest_change(struct sim_disk *disk)
{
    return SIM_OF(disk->changes.next, struct sim_change, link);
}

static bool note_change(const struct sim_change *head, const char *name)
{
    struct plait_host *host = head->inode->host;
    struct sim_change *c = plait_mem_new(&host->sim->budget, sizeof *c);
    char *text = c ? plait_mem_text(&host->sim->budget, name, strlen(name)) : NULL;
    if (!text) {
        plait_mem_free(c);
        return false;
    }
    if (host->disk.change_count == ON_ITS_WAY_MAX) {
        (void)sim_change_apply(oldest_change(&host->disk));
        sim_change_free(&host->disk, oldest_change(&host->disk));
    }
    *c = *head;
    c->name = text;
    c->inode->refs++;
    c->folder->refs++;
    if (c->from)
        c->from->refs++;
    if (c->replaced)
        c->replaced->refs++;
    sim_list_init(&c->link);
    sim_list_add(&host->disk.changes, &c->link);
    host->disk.change_count++;
    return true;
}

bool sim_disk_note_place(struct sim_inode *inode, struct sim_inode *folder, const char *name,
                         struct sim_inode *replaced)
{
    const struct sim_change change = {.inode = inode, .folder = folder, .from = inode->parent, .replaced = replaced};
    return note_change(&change, name);
}

bool sim_disk_note_removal(struct sim_inode *inode)
{
    return note_change(&(struct sim_change){.inode = inode, .folder = inode->parent, .removal = true}, inode->name);
}

static bool touches(const struct sim_change *c)
{
    const struct sim_stored *inode = &c->inode->stored;
    return c->folder->stored.marked || (c->from && c->from->stored.marked) ||
           (c->replaced && c->replaced->stored.marked) || ((c->removal || c->from) && inode->marked) ||
           inode->wants_place;
}

/* The change will be safe, and with it all earlier ones that touch what it touches. What moves must not end in a folder
 * that can't be found. */
static void mark(struct sim_change *c)
{
    c->marked = true;
    c->folder->stored.marked = true;
    if (c->from)
        c->from->stored.marked = true;
    if (c->replaced)
        c->replaced->stored.marked = true;
    if (c->removal || c->from)
        c->inode->stored.marked = true;
    if ((c->from || c->inode->stored.wants_place) && !attached(c->folder))
        c->folder->stored.wants_place = true;
}

static void unmark(struct sim_inode *inode)
{
    if (inode)
        inode->stored.marked = inode->stored.wants_place = false;
}

static void sync_entries(struct sim_inode *folder)
{
    struct sim_disk *disk = &folder->host->disk;
    folder->stored.marked = true;
    for (struct sim_link *at = disk->changes.prev; at != &disk->changes; at = at->prev) {
        struct sim_change *c = SIM_OF(at, struct sim_change, link);
        if (touches(c))
            mark(c);
    }
    unmark(folder);
    struct sim_link *next = disk->changes.next;
    while (next != &disk->changes) {
        struct sim_change *c = SIM_OF(next, struct sim_change, link);
        next = next->next;
        unmark(c->inode);
        unmark(c->folder);
        unmark(c->from);
        unmark(c->replaced);
        if (c->marked) {
            (void)sim_change_apply(c);
            sim_change_free(disk, c);
        }
    }
}

int sim_disk_sync(struct sim_inode *inode)
{
    int err = sync_content(inode);
    if (!err && S_ISDIR(inode->mode))
        sync_entries(inode);
    if (!err)
        inode->stored.mode = inode->mode;
    return err;
}

int sim_disk_sync_with_way(struct sim_inode *inode)
{
    int err = sim_disk_sync(inode);
    for (struct sim_inode *up = inode->parent; up && !err; up = up->parent)
        err = sim_disk_sync(up);
    return err;
}

/* --- a host's disk ------------------------------------------------------------------------------------------------ */

void plait_host_set_disk(struct plait_host *host, const struct plait_sim_disk *disk)
{
    host->disk.options = *disk;
}

void plait_host_cut_disk(struct plait_host *host, uint64_t nth)
{
    host->disk.cut_in = nth;
    if (nth == 0)
        host->disk.off = false;
}

bool sim_disk_lives(struct plait_host *host)
{
    struct sim_disk *disk = &host->disk;
    if (disk->cut_in && --disk->cut_in == 0) {
        sim_files_crash(host);
        disk->off = true;
    }
    return !disk->off;
}

static void strip(struct sim_inode *folder)
{
    while (!sim_list_empty(&folder->stored.entries)) {
        struct sim_inode *inode = first_entry(&folder->stored);
        strip(inode);
        unplace(inode);
    }
}

void sim_disk_free(struct plait_host *host)
{
    while (!sim_list_empty(&host->disk.changes))
        sim_change_free(&host->disk, oldest_change(&host->disk));
    strip(host->root);
}
