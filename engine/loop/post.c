/* SPDX-License-Identifier: MIT */
/*
 * Queued work. Items are in the caller's memory and linked both ways, so
 * queueing never fails and taking back is constant time. Other threads append
 * to a list of their own under a lock, which the loop empties when woken.
 */
#include "loop/private.h"

void atl__posts_init(struct atl_post *head)
{
    head->next = head->prev = head;
}

bool atl__posts_empty(const struct atl_post *head)
{
    return head->next == head;
}

void atl__posts_append(struct atl_post *head, struct atl_post *post)
{
    post->prev = head->prev;
    post->next = head;
    head->prev->next = post;
    head->prev = post;
    post->queued = true;
}

void atl__posts_remove(struct atl_post *post)
{
    post->prev->next = post->next;
    post->next->prev = post->prev;
    post->next = post->prev = NULL;
    post->queued = false;
}

/* Moves all of `from` behind what `to` holds. */
static void move_all(struct atl_post *to, struct atl_post *from)
{
    if (atl__posts_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    atl__posts_init(from);
}

/* Another thread may be queueing it once more at this moment: it must either
   find it queued before `fn` runs, or queue it anew. */
static void take(struct atl_loop *loop, struct atl_post *post)
{
    if (!post->shared) {
        atl__posts_remove(post);
        return;
    }
    atl__mutex_lock(&loop->lock);
    atl__posts_remove(post);
    atl__mutex_unlock(&loop->lock);
}

void atl__posts_run(struct atl_loop *loop, struct atl_post *head)
{
    struct atl_post now;
    atl__posts_init(&now);
    move_all(&now, head);
    while (!atl__posts_empty(&now)) {
        struct atl_post *post = now.next;
        take(loop, post);
        post->fn(post); /* may free the post */
        atl__turn_unit_end(loop);
        loop->stats.posts_run++;
    }
}

void atl__posts_collect(struct atl_loop *loop)
{
    if (!atomic_exchange(&loop->any_posted, false))
        return;
    atl__mutex_lock(&loop->lock);
    move_all(&loop->ready, &loop->posted);
    atl__mutex_unlock(&loop->lock);
}

void atl_loop_post(struct atl_loop *loop, struct atl_post *post)
{
    atl__mutex_lock(&loop->lock);
    bool first = !post->queued && atl__posts_empty(&loop->posted);
    if (!post->queued) {
        atl__posts_append(&loop->posted, post);
        post->shared = true;
    }
    atomic_store(&loop->any_posted, true);
    /* Inside the lock: once it is free the loop may end and close the fd. */
    if (first)
        atl__os_wake(loop->wake[1]);
    atl__mutex_unlock(&loop->lock);
}

void atl_loop_defer(struct atl_loop *loop, struct atl_post *post)
{
    if (!post->queued)
        atl__posts_append(&loop->ready, post);
}

void atl_loop_undefer(struct atl_loop *loop, struct atl_post *post)
{
    (void)loop;
    if (post->queued)
        atl__posts_remove(post);
}

void atl__loop_flush_later(struct atl_loop *loop, struct atl_post *post)
{
    if (!post->queued)
        atl__posts_append(&loop->flush, post);
}

void atl_loop_wake(struct atl_loop *loop)
{
    atl__os_wake(loop->wake[1]);
}
