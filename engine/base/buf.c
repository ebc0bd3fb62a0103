/* SPDX-License-Identifier: MIT */
/*
 * Queues of blocks that never move, and contiguous buffers. A block carries
 * its bytes behind itself or borrows them; small writes fill the last block's
 * spare room, so that many of them leave in one system call.
 */
#include "base/buf.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define BLOCK_MIN 4096u
#define BUF_MIN 1024u

struct atl_block {
    struct atl_block *next; /* owns */
    const char *bytes;      /* own room, or borrowed */
    size_t head, length;    /* what is left, from bytes + head */
    size_t room;            /* of the own bytes; 0: borrowed */
    void (*release)(void *);
    void *ctx; /* borrows */
    char own[];
};

static struct atl_block *block_new(size_t room)
{
    struct atl_block *b = atl__alloc(sizeof(*b) + room);
    if (b == NULL)
        return NULL;
    *b = (struct atl_block){.bytes = b->own, .room = room};
    return b;
}

static void block_free(struct atl_block *b)
{
    void (*release)(void *) = b->release;
    void *ctx = b->ctx;
    atl__free(b, sizeof(*b) + b->room);
    if (release != NULL)
        release(ctx);
}

static void chain(struct atl_queue *q, struct atl_block *b)
{
    if (q->tail != NULL)
        q->tail->next = b;
    else
        q->head = b;
    q->tail = b;
}

static size_t spare(const struct atl_block *b)
{
    return b && b->room ? b->room - b->head - b->length : 0;
}

static void fill(struct atl_block *b, struct iovec *piece, size_t most)
{
    size_t n = piece->iov_len < most ? piece->iov_len : most;
    if (n == 0)
        return;
    memcpy(b->own + b->head + b->length, piece->iov_base, n);
    b->length += n;
    piece->iov_base = (char *)piece->iov_base + n;
    piece->iov_len -= n;
}

int atl__queue_append2(struct atl_queue *q, const struct iovec piece[2])
{
    struct iovec left[2] = {piece[0], piece[1]};
    size_t length = left[0].iov_len + left[1].iov_len;
    size_t room = spare(q->tail);
    struct atl_block *more = NULL;
    if (length > room) {
        size_t want = length - room;
        more = block_new(want < BLOCK_MIN ? BLOCK_MIN : want);
        if (more == NULL)
            return -ENOMEM;
    }
    for (int i = 0; i < 2 && room > 0; i++) {
        fill(q->tail, &left[i], room);
        room = spare(q->tail);
    }
    if (more != NULL) {
        fill(more, &left[0], more->room);
        fill(more, &left[1], more->room - more->length);
        chain(q, more);
    }
    q->length += length;
    return 0;
}

int atl__queue_append(struct atl_queue *q, const void *bytes, size_t length)
{
    struct iovec piece[2] = {{(void *)(uintptr_t)bytes, length}, {NULL, 0}};
    return atl__queue_append2(q, piece);
}

int atl__queue_append_ref(struct atl_queue *q, const void *bytes, size_t length,
                          void (*release)(void *), void *ctx)
{
    struct atl_block *b = block_new(0);
    if (b == NULL)
        return -ENOMEM;
    b->bytes = bytes;
    b->length = length;
    b->release = release;
    b->ctx = ctx;
    chain(q, b);
    q->length += length;
    return 0;
}

int atl__queue_pieces(const struct atl_queue *q, struct iovec *out, int size)
{
    int n = 0;
    for (const struct atl_block *b = q->head; b && n < size; b = b->next) {
        if (b->length == 0)
            continue;
        out[n].iov_base = (void *)(uintptr_t)(b->bytes + b->head);
        out[n++].iov_len = b->length;
    }
    return n;
}

/* A release function may write to the queue or clear it: it is called when the
   queue no longer knows the block, nor any other that goes with it. */
static void free_chain(struct atl_block *b)
{
    while (b != NULL) {
        struct atl_block *next = b->next;
        block_free(b);
        b = next;
    }
}

void atl__queue_consume(struct atl_queue *q, size_t length)
{
    struct atl_block *first = q->head, *last = NULL, *b = first;
    q->length -= length;
    for (; b != NULL && length >= b->length; b = b->next) {
        length -= b->length;
        last = b;
    }
    if (b != NULL) {
        b->head += length;
        b->length -= length;
    }
    if (last == NULL)
        return;
    last->next = NULL;
    q->head = b;
    if (b == NULL)
        q->tail = NULL;
    free_chain(first);
}

void atl__queue_clear(struct atl_queue *q)
{
    struct atl_block *first = q->head;
    *q = (struct atl_queue){0};
    free_chain(first);
}

static size_t buf_size(size_t capacity)
{
    return sizeof(struct atl_buf) + capacity;
}

int atl__buf_append(struct atl_buf **b, const void *bytes, size_t length)
{
    struct atl_buf *old = *b;
    size_t kept = atl__buf_length(old);
    if (length == 0)
        return 0;
    if (length > SIZE_MAX / 8)
        return -ENOMEM;
    /* Moving costs no more than what was consumed since the last move. */
    if (old != NULL && old->head >= kept) {
        memmove(old->bytes, old->bytes + old->head, kept);
        old->head = 0;
    }
    size_t head = old ? old->head : 0;
    if (old == NULL || old->capacity - head - kept < length) {
        size_t wanted = old ? old->capacity : BUF_MIN;
        while (wanted < head + kept + length)
            wanted *= 2;
        struct atl_buf *grown = atl__resize(
            old, old ? buf_size(old->capacity) : 0, buf_size(wanted));
        if (grown == NULL)
            return -ENOMEM;
        if (old == NULL)
            grown->head = grown->length = 0;
        grown->capacity = wanted;
        *b = grown;
    }
    memcpy((*b)->bytes + (*b)->head + kept, bytes, length);
    (*b)->length = kept + length;
    return 0;
}

void atl__buf_skip(struct atl_buf *b, size_t length)
{
    b->head += length;
    b->length -= length;
}

void atl__buf_consume(struct atl_buf **b, size_t length)
{
    if (*b == NULL)
        return;
    atl__buf_skip(*b, length);
    if ((*b)->length == 0)
        atl__buf_free(b);
}

void atl__buf_free(struct atl_buf **b)
{
    if (*b != NULL)
        atl__free(*b, buf_size((*b)->capacity));
    *b = NULL;
}
