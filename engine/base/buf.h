/* SPDX-License-Identifier: MIT */
/*
 * Two containers of bytes.
 *
 * A queue is output: a chain of blocks that never move, so that the kernel may
 * read from them while more is added; a block owns its bytes or borrows them
 * until its release function runs.
 *
 * A buffer is input: contiguous, because framing wants to see one piece; it
 * exists only while something is left unread.
 */
#ifndef ATL_BASE_BUF_H
#define ATL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct atl_block; /* private to buf.c */
struct atl_queue {
    struct atl_block *head, *tail; /* owns */
    size_t length;                 /* bytes in all */
};

/* Copies; all or nothing. Small writes fill the tail block's spare room, new
   blocks hold at least 4 KiB. -ENOMEM. */
int atl__queue_append(struct atl_queue *q, const void *bytes, size_t length);
/* Two pieces as one, all or nothing. */
int atl__queue_append2(struct atl_queue *q, const struct iovec piece[2]);
/* Borrows `bytes` until release(ctx), called once when they were consumed or
   the queue is cleared. -ENOMEM: release is not called. */
int atl__queue_append_ref(struct atl_queue *q, const void *bytes, size_t length,
                          void (*release)(void *), void *ctx);
/* The first pieces, at most `size`; returns how many. */
int atl__queue_pieces(const struct atl_queue *q, struct iovec *out, int size);
/* Drops `length` bytes from the front. */
void atl__queue_consume(struct atl_queue *q, size_t length);
void atl__queue_clear(struct atl_queue *q);

struct atl_buf { /* the object itself is the allocation; NULL is empty */
    size_t capacity, head, length;
    char bytes[];
};
static inline char *atl__buf_data(struct atl_buf *b)
{
    return b ? b->bytes + b->head : NULL;
}
static inline size_t atl__buf_length(const struct atl_buf *b)
{
    return b ? b->length : 0;
}
/* Grows by doubling; -ENOMEM leaves *b as it was. */
int atl__buf_append(struct atl_buf **b, const void *bytes, size_t length);
/* Drops from the front; frees *b and sets NULL when nothing is left. */
void atl__buf_consume(struct atl_buf **b, size_t length);
/* Drops from the front but keeps the memory, empty or not, so that the bytes
   just dropped stay readable until the next call. */
void atl__buf_skip(struct atl_buf *b, size_t length);
void atl__buf_free(struct atl_buf **b);

#endif
