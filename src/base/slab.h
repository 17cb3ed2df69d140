/* SPDX-License-Identifier: MIT
 *
 * Objects of one size, in pages. Taking and giving back cost the same however many there are; a page that is wholly
 * free goes back to the heap, but for one.
 */
#ifndef PLAIT_BASE_SLAB_H
#define PLAIT_BASE_SLAB_H

#include "base/list.h"

#include <plait/memory.h>

struct plait__slab {
    struct plait_budget *budget;
    size_t object_bytes; /* with the slot's own header */
    size_t per_page;
    struct plait__list open; /* pages with a free slot */
    struct plait__list full;
    size_t used; /* objects in use */
    size_t empty_pages;
};

/* Makes a slab without memory; `per_page` 0 chooses about 16 KiB a page. */
void plait__slab_init(struct plait__slab *slab, struct plait_budget *budget, size_t object_bytes, size_t per_page);

/* Frees all pages. Objects that are still in use are gone. */
void plait__slab_deinit(struct plait__slab *slab);

/* Takes an object; zeroed, or as it comes. NULL when there is no memory. */
void *plait__slab_new(struct plait__slab *slab) __attribute__((warn_unused_result));
void *plait__slab_take(struct plait__slab *slab) __attribute__((warn_unused_result));

/* Gives an object back; NULL is allowed. */
void plait__slab_free(struct plait__slab *slab, void *object);

#endif
