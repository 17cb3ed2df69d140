/* SPDX-License-Identifier: MIT
 *
 * Objects of one size, in pages. Each slot has one word before it that names its page; free slots of a page are a list.
 * In builds with AddressSanitizer a free object may not be touched.
 *
 * Invariant: a page is on `full` when it has no free slot, else on `open`; empty_pages counts pages without an object
 * and is at most one. Test: tests/base/test_slab.c.
 */
#include "base/slab.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_POISON 1
#endif
#endif
#ifdef SLAB_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

enum { PAGE_BYTES = 16 * 1024 };

struct slot {
    struct page *page;
    struct slot *next_free; /* stands where the object begins */
};

struct page {
    struct plait__list link;
    struct slot *free;
    size_t used;
    size_t fresh; /* slots at the end that were never used */
};

static const size_t header_bytes = offsetof(struct slot, next_free);

static size_t page_head_bytes(void)
{
    return (sizeof(struct page) + 15) / 16 * 16;
}

void plait__slab_init(struct plait__slab *slab, struct plait_budget *budget, size_t object_bytes, size_t per_page)
{
    if (object_bytes < sizeof(struct slot *))
        object_bytes = sizeof(struct slot *);
    slab->budget = budget;
    slab->object_bytes = (object_bytes + header_bytes + 7) / 8 * 8;
    slab->per_page = per_page ? per_page : PAGE_BYTES / slab->object_bytes;
    if (slab->per_page < 4)
        slab->per_page = 4;
    plait__list_init(&slab->open);
    plait__list_init(&slab->full);
    slab->used = 0;
    slab->empty_pages = 0;
}

static void free_page(struct plait__slab *slab, struct page *page)
{
    plait__list_remove(&page->link);
    ASAN_UNPOISON_MEMORY_REGION((char *)page + page_head_bytes(), slab->per_page * slab->object_bytes);
    plait_mem_free(page);
}

static void free_pages(struct plait__slab *slab, struct plait__list *list)
{
    while (list->next && !plait__list_empty(list))
        free_page(slab, plait__container(list->next, struct page, link));
}

void plait__slab_deinit(struct plait__slab *slab)
{
    free_pages(slab, &slab->open);
    free_pages(slab, &slab->full);
    slab->used = 0;
    slab->empty_pages = 0;
}

static struct page *new_page(struct plait__slab *slab)
{
    const size_t bytes = page_head_bytes() + slab->per_page * slab->object_bytes;
    struct page *page = plait_mem_resize(slab->budget, NULL, bytes);
    if (!page)
        return NULL;
    page->free = NULL;
    page->used = 0;
    page->fresh = slab->per_page;
    plait__list_add_head(&slab->open, &page->link);
    slab->empty_pages++;
    ASAN_POISON_MEMORY_REGION((char *)page + page_head_bytes(), slab->per_page * slab->object_bytes);
    return page;
}

static struct slot *fresh_slot(struct plait__slab *slab, struct page *page)
{
    char *first = (char *)page + page_head_bytes();
    struct slot *slot = (void *)(first + (slab->per_page - page->fresh) * slab->object_bytes);
    page->fresh--;
    ASAN_UNPOISON_MEMORY_REGION(slot, slab->object_bytes);
    slot->page = page;
    return slot;
}

static struct slot *free_slot(struct plait__slab *slab, struct page *page)
{
    struct slot *slot = page->free;
    ASAN_UNPOISON_MEMORY_REGION(slot, slab->object_bytes);
    page->free = slot->next_free;
    return slot;
}

void *plait__slab_take(struct plait__slab *slab)
{
    struct page *page =
        plait__list_empty(&slab->open) ? new_page(slab) : plait__container(slab->open.next, struct page, link);
    if (!page)
        return NULL;
    struct slot *slot = page->free ? free_slot(slab, page) : fresh_slot(slab, page);
    if (page->used++ == 0)
        slab->empty_pages--;
    slab->used++;
    if (page->used == slab->per_page) {
        plait__list_remove(&page->link);
        plait__list_add_head(&slab->full, &page->link);
    }
    return (char *)slot + header_bytes;
}

void *plait__slab_new(struct plait__slab *slab)
{
    void *object = plait__slab_take(slab);
    if (object)
        memset(object, 0, slab->object_bytes - header_bytes);
    return object;
}

void plait__slab_free(struct plait__slab *slab, void *object)
{
    if (!object)
        return;
    struct slot *slot = (void *)((char *)object - header_bytes);
    struct page *page = slot->page;
    if (page->used == slab->per_page) {
        plait__list_remove(&page->link);
        plait__list_add_head(&slab->open, &page->link);
    }
    slot->next_free = page->free;
    page->free = slot;
    page->used--;
    slab->used--;
    ASAN_POISON_MEMORY_REGION(slot, slab->object_bytes);
    if (page->used > 0)
        return;
    if (slab->empty_pages > 0)
        free_page(slab, page);
    else
        slab->empty_pages++;
}
