/* SPDX-License-Identifier: MIT
 *
 * A doubly linked list whose links are embedded in what it holds. A head and a link are the same type; an unlinked link
 * points to itself, so that removing it again does no harm.
 */
#ifndef PLAIT_BASE_LIST_H
#define PLAIT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct plait__list {
    struct plait__list *next, *prev;
};

/* The struct of `type` in which `ptr` is `member`. */
#define plait__container(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void plait__list_init(struct plait__list *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool plait__list_empty(const struct plait__list *list)
{
    return list->next == list;
}

static inline void plait__list_add_between(struct plait__list *link, struct plait__list *prev, struct plait__list *next)
{
    link->prev = prev;
    link->next = next;
    prev->next = link;
    next->prev = link;
}

static inline void plait__list_add_head(struct plait__list *list, struct plait__list *link)
{
    plait__list_add_between(link, list, list->next);
}

static inline void plait__list_add_tail(struct plait__list *list, struct plait__list *link)
{
    plait__list_add_between(link, list->prev, list);
}

static inline void plait__list_remove(struct plait__list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    plait__list_init(link);
}

#endif
