/* SPDX-License-Identifier: MIT
 *
 * The inside of the response cache: entries and where they are kept (cache_store.c), fetches of what is not there
 * (cache_fetch.c), and requests that are answered (cache.c).
 */
#ifndef PLAIT_WEB_CACHE_CORE_H
#define PLAIT_WEB_CACHE_CORE_H

#include "base/table.h"
#include "web/cache_wire.h"
#include "web/http_inner.h"

#include <plait/cache.h>

/* A piece of a body. It holds the next one; a reader holds the piece that it is in, an entry that keeps its body the
 * first one, and what still grows the last one. So what nobody can reach any more goes. */
struct plait__cache_piece {
    struct plait__cache_piece *next;
    size_t refs, len, cap;
    uint8_t bytes[];
};

/* An answer. It is kept when its body is whole; before, it is what a fetch and its readers share. */
struct plait__cache_entry {
    size_t refs;
    struct plait__cache *cache;
    struct plait__list link;        /* of the store, used longest ago first */
    struct plait__list sibling;     /* of its slot */
    struct plait__cache_slot *slot; /* NULL: not kept */
    int status;
    bool error_page;
    struct plait_buf fields; /* ready lines, as far as they go to others */
    struct plait_buf type;
    struct plait_buf vary; /* names and what its request had: "name: value" lines */
    bool vary_all;         /* Vary: * */
    struct plait__cache_facts facts;
    int64_t came, age; /* the wall's clock when it came, and its age then */
    int64_t told_age;  /* its Age */
    int64_t lifetime;
    uint64_t length; /* of the body, PLAIT_LENGTH_UNKNOWN before its end */
    uint64_t bytes;  /* of the body so far */
    struct plait__cache_piece *first, *last;
    bool keeps;  /* its body, to be kept */
    bool whole;  /* the body is complete */
    bool broken; /* it never will be */
    size_t held; /* bytes of pieces that there are */
};

/* What is kept for one key: an entry for each choice of Vary, newest first. */
struct plait__cache_slot {
    struct plait__list entries;
    size_t count;
    size_t key_len;
    uint8_t key[];
};

struct plait__cache_fetch;

/* What came last for a key could not be kept: until then nobody waits for another's fetch of it. A note may be
 * overwritten by another key's. */
struct plait__cache_note {
    uint64_t hash;
    plait_time until;
};

enum { PLAIT__CACHE_NOTES = 512 };

struct plait__cache {
    size_t refs; /* the layer, fetches, entries and visits */
    struct plait_reactor *reactor;
    struct plait_cache_options options;
    struct plait_budget budget;
    struct plait__table slots, fetches;
    struct plait__list entries;
    struct plait_metric hits, misses, evicted, bytes;
    struct plait__cache_note notes[PLAIT__CACHE_NOTES];
};

/* A client's request while the cache has it; in the request's memory. */
struct plait__cache_visit {
    struct plait__list link; /* of the fetch it waits for */
    struct plait__cache *cache;
    struct plait_request *req; /* NULL: over */
    struct plait__cache_fetch *fetch;
    struct plait__cache_entry *entry; /* it reads */
    struct plait__cache_piece *at;    /* held; NULL: before the first */
    size_t offset;
    bool reading; /* its answer has begun and is not ended */
    bool passing; /* it went on: its answer is looked at, not kept */
    bool alone;   /* does not wait for another's fetch */
    bool authorized;
    bool led; /* began the fetch that it waits for */
    bool stored, collapsed;
    uint8_t rounds; /* how often it began anew */
    struct plait__cache_control cc;
    uint64_t skip, left; /* of the body; `left` may be PLAIT_LENGTH_UNKNOWN */
    const char *fwd;     /* why it was forwarded, for Cache-Status; NULL: a hit */
    int fwd_status;
    plait_slice key;
};

/* --- cache_entry.c ------------------------------------------------------------------------------------------------ */

struct plait__cache_entry *plait__cache_entry_new(struct plait__cache *c);
struct plait__cache_entry *plait__cache_entry_ref(struct plait__cache_entry *e);
void plait__cache_entry_unref(struct plait__cache_entry **e);

/* Takes what an answer says: status, fields, what follows from them. `request` is the one that it was asked with. False
 * without memory. */
bool plait__cache_entry_take(struct plait__cache_entry *e, const struct plait_request *inner,
                             const struct plait_reply_head *head);
/* Takes the fields of a 304 (RFC 9111 section 3.2); false without memory: then the entry is as it was. */
bool plait__cache_entry_freshen(struct plait__cache_entry *e, const struct plait_request *inner);

/* Appends to a body. False without memory. */
bool plait__cache_entry_append(struct plait__cache_entry *e, plait_slice piece);
/* Lets go of the pieces before those that readers hold. */
void plait__cache_entry_let_go(struct plait__cache_entry *e);
void plait__cache_piece_unref(struct plait__cache_entry *e, struct plait__cache_piece *piece);

int64_t plait__cache_entry_age(const struct plait__cache_entry *e, int64_t now);
/* Takes a line off the front of ready ones. */
bool plait__cache_line(plait_slice *lines, plait_slice *name, plait_slice *value);
/* First value of a field. */
plait_slice plait__cache_entry_field(const struct plait__cache_entry *e, const char *name);
bool plait__cache_entry_serves(const struct plait__cache_entry *e, const struct plait_request *req);

/* --- cache_store.c ------------------------------------------------------------------------------------------------ */

void plait__cache_unref(struct plait__cache *c);
/* The entry for a request, newest first; counts as used. NULL: none. Borrowed. */
struct plait__cache_entry *plait__cache_find(struct plait__cache *c, plait_slice key, const struct plait_request *req);
/* Keeps a whole entry, in the place of those that it takes the place of. Without memory it is not kept. */
void plait__cache_put(struct plait__cache *c, plait_slice key, struct plait__cache_entry *e,
                      const struct plait_request *req);
void plait__cache_forget(struct plait__cache *c, plait_slice key);
void plait__cache_remove(struct plait__cache_entry *e);
bool plait__cache_passes(struct plait__cache *c, plait_slice key);
void plait__cache_note_pass(struct plait__cache *c, plait_slice key);
/* Makes room by forgetting what was used longest ago; false when nothing is left to forget. */
bool plait__cache_evict(struct plait__cache *c);

/* --- cache_fetch.c ------------------------------------------------------------------------------------------------ */

/* Joins the fetch that is under way for a visit's key. */
bool plait__cache_join(struct plait__cache_visit *v);
/* Begins a fetch for a visit, or behind it (`background`), which asks about `stale` when there is one. False when none
 * can be begun. */
bool plait__cache_fetch(struct plait__cache_visit *v, struct plait__cache_entry *stale, bool background);
void plait__cache_leave(struct plait__cache_visit *v);
/* A reader went on: there may be room. */
void plait__cache_went_on(struct plait__cache_fetch *f);

/* --- cache.c ------------------------------------------------------------------------------------------------------ */

/* A visit's answer is (going to be) this entry. */
void plait__cache_answer(struct plait__cache_visit *v, struct plait__cache_entry *e);
/* Goes on sending. */
void plait__cache_pump(struct plait__cache_visit *v);
/* What was fetched is not for this visit: it begins anew. */
void plait__cache_again(struct plait__cache_visit *v);
/* The fetch failed before an answer began. */
void plait__cache_fail(struct plait__cache_visit *v, int status);

int64_t plait__cache_wall(const struct plait__cache *c);

#endif
