/* SPDX-License-Identifier: MIT
 *
 * What a loss of power leaves of a host's files. Of what was not synced, each write is kept, lost, or torn between
 * sectors, in any order, and each change of folders is kept or lost; the seed says which. Then programs see what the
 * disk holds.
 *
 * Invariant: what was synced is there; a moved name leads to the old or to the new.
 * Tests: tests/sim/test_files_crash.c.
 */
#include "sim/sim_disk_core.h"

#include <string.h>

enum { SECTOR = 512 };
enum fate { KEPT, LOST, TORN };
enum style { ALL_LOST, ALL_KEPT }; /* further ones: by chance */

/* Losses draw from a stream of the disk's own: they follow from the seed and the losses before. */
static uint64_t below(struct plait_host *host, uint64_t below)
{
    return sim_mix(&host->disk.random) % below;
}

struct crash {
    struct plait_host *host;
    uint64_t style;
    size_t changes_kept, changes_lost, writes[3]; /* by fate */
};

static enum fate draw_fate(struct crash *crash, uint64_t of)
{
    if (crash->style == ALL_LOST)
        return LOST;
    if (crash->style == ALL_KEPT)
        return KEPT;
    return (enum fate)below(crash->host, of);
}

/* --- content ------------------------------------------------------------------------------------------------------ */

/* A sector that is lost at a file's end may have made it longer all the same. */
static bool tear(struct crash *crash, struct sim_inode *inode, const struct sim_write *w)
{
    struct plait_sim *sim = crash->host->sim;
    size_t n = 0;
    for (size_t done = 0; done < w->len; done += n) {
        size_t at = w->at + done, end = (at / SECTOR + 1) * SECTOR;
        n = end - at < w->len - done ? end - at : w->len - done;
        uint64_t draw = below(crash->host, 4);
        if (draw < 2 && !sim_stored_write(inode, w->bytes + done, n, at))
            return false;
        if (draw == 2 && inode->stored.data.len < at + n && !sim_ring_resize(sim, &inode->stored.data, at + n))
            return false;
    }
    return true;
}

static bool land(struct crash *crash, struct sim_inode *inode, const struct sim_write *w)
{
    enum fate fate = draw_fate(crash, w->resize ? 2 : 3);
    crash->writes[fate]++;
    if (fate == LOST)
        return true;
    if (w->resize)
        return sim_ring_resize(crash->host->sim, &inode->stored.data, w->at);
    return fate == TORN ? tear(crash, inode, w) : sim_stored_write(inode, w->bytes, w->len, w->at);
}

/* Writes land in their order, or in any. */
static struct sim_write *next_write(struct crash *crash, struct sim_stored *stored, bool shuffled)
{
    struct sim_link *at = stored->writes.next;
    for (uint64_t skip = shuffled ? below(crash->host, stored->write_count) : 0; skip > 0; skip--)
        at = at->next;
    return SIM_OF(at, struct sim_write, link);
}

static void lose_content(struct crash *crash, struct sim_inode *inode)
{
    struct plait_sim *sim = crash->host->sim;
    struct sim_stored *stored = &inode->stored;
    bool shuffled = stored->write_count > 1 && crash->style > ALL_KEPT && below(crash->host, 2) == 0;
    while (stored->write_count) {
        struct sim_write *w = next_write(crash, stored, shuffled);
        if (!land(crash, inode, w))
            sim_out_of_memory(sim);
        sim_write_free(stored, w);
    }
    if (draw_fate(crash, 2) == LOST)
        inode->mode = (inode->mode & S_IFMT) | (stored->mode & 07777);
    stored->mode = inode->mode;
    if (!S_ISREG(inode->mode))
        return;
    sim_inode_resize(inode, 0);
    if (sim_ring_put(sim, &inode->data, stored->data.ptr, stored->data.len))
        crash->host->disk.used += stored->data.len;
    else
        sim_out_of_memory(sim);
}

/* --- folders ------------------------------------------------------------------------------------------------------ */

static void lose_changes(struct crash *crash)
{
    struct sim_disk *disk = &crash->host->disk;
    while (!sim_list_empty(&disk->changes)) {
        struct sim_change *c = SIM_OF(disk->changes.next, struct sim_change, link);
        bool kept = draw_fate(crash, 2) == KEPT && sim_change_apply(c);
        if (kept)
            crash->changes_kept++;
        else
            crash->changes_lost++;
        sim_change_free(disk, c);
    }
}

/* What programs see of a folder becomes what the disk holds of it. */
static void show(struct crash *crash, struct sim_inode *folder)
{
    struct plait_sim *sim = crash->host->sim;
    lose_content(crash, folder);
    struct sim_link *at = folder->stored.entries.next;
    for (; at != &folder->stored.entries; at = at->next) {
        struct sim_inode *inode = SIM_OF(at, struct sim_inode, stored.in_parent);
        char *name = plait_mem_text(&sim->budget, inode->stored.name, strlen(inode->stored.name));
        if (!name) {
            sim_out_of_memory(sim);
            continue;
        }
        inode->refs++;
        sim_inode_link(inode, folder, name);
        show(crash, inode);
    }
}

void sim_files_crash(struct plait_host *host)
{
    struct crash crash = {.host = host};
    host->disk.cut_in = 0;
    if (host->disk.off) {
        host->disk.off = false;
        return;
    }
    crash.style = below(host, 6);
    lose_changes(&crash);
    while (!sim_list_empty(&host->root->entries))
        sim_tree_free(SIM_OF(host->root->entries.next, struct sim_inode, in_parent));
    show(&crash, host->root);
    sim_hash(host->sim, crash.changes_kept);
    sim_hash(host->sim, crash.writes[KEPT]);
    sim_hash(host->sim, crash.writes[TORN]);
    sim_say(
        host->sim, "%s: power is lost; changes of folders: %zu kept, %zu lost; writes: %zu kept, %zu lost, %zu torn",
        host->name, crash.changes_kept, crash.changes_lost, crash.writes[KEPT], crash.writes[LOST], crash.writes[TORN]);
}
