/* SPDX-License-Identifier: MIT */
/*
 * Intrusive doubly linked lists. A head is a link that points to itself; a
 * link that is on no list points to itself too, so that removing is always
 * safe and idempotent.
 */
#ifndef ATL_BASE_LIST_H
#define ATL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct atl_list {
    struct atl_list *next, *prev; /* peer */
};

/* The struct of `type` whose member `member` is at `link`. */
#define ATL_CONTAINER(link, type, member)                                      \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void atl__list_init(struct atl_list *link)
{
    link->next = link->prev = link;
}

static inline bool atl__list_empty(const struct atl_list *head)
{
    return head->next == head;
}

static inline void atl__list_append(struct atl_list *head,
                                    struct atl_list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Leaves the link on no list. */
static inline void atl__list_remove(struct atl_list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    atl__list_init(link);
}

/* Moves all of `from` to the end of the empty list `to`. */
static inline void atl__list_take(struct atl_list *to, struct atl_list *from)
{
    if (atl__list_empty(from)) {
        atl__list_init(to);
        return;
    }
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    atl__list_init(from);
}

#endif
