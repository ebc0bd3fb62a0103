/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "base/mem.h"
#include "check.h"

/* All that is queued, taken out in steps of at most `step` bytes. */
static size_t drain(struct atl_queue *q, char *out, size_t step)
{
    size_t total = 0;
    while (q->length > 0) {
        struct iovec piece[2];
        CHECK_RANGE(atl__queue_pieces(q, piece, 2), 1, 2);
        size_t n = piece[0].iov_len < step ? piece[0].iov_len : step;
        CHECK(n > 0);
        memcpy(out + total, piece[0].iov_base, n);
        total += n;
        atl__queue_consume(q, n);
    }
    CHECK_EQ_PTR(q->head, NULL);
    return total;
}

static char byte_at(size_t i)
{
    return (char)(i * 7 + i / 251);
}

static void fill(char *bytes, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = byte_at(from + i);
}

TEST(what_is_appended_comes_out_in_order)
{
    enum { TOTAL = 300000 };
    static const size_t steps[] = {1, 7, 4096, 100000};
    char *all = malloc(TOTAL), *got = malloc(TOTAL);
    fill(all, 0, TOTAL);
    for (size_t i = 0; i < 4; i++) {
        struct atl_queue q = {0};
        size_t n = 0;
        for (size_t want = 1; n < TOTAL; want = (want * 3 + 1) % 20011) {
            if (want > TOTAL - n)
                want = TOTAL - n;
            CHECK_OK(atl__queue_append(&q, all + n, want));
            n += want;
        }
        CHECK_EQ_INT(q.length, TOTAL);
        CHECK_EQ_INT(drain(&q, got, steps[i]), TOTAL);
        CHECK_EQ_MEM(got, all, TOTAL);
    }
    free(all);
    free(got);
}

TEST(small_writes_share_a_block)
{
    struct atl_queue q = {0};
    struct iovec piece[4];
    for (int i = 0; i < 1000; i++)
        CHECK_OK(atl__queue_append(&q, "abcd", 4));
    CHECK_EQ_INT(atl__queue_pieces(&q, piece, 4), 1);
    CHECK_EQ_INT(piece[0].iov_len, 4000);
    atl__queue_clear(&q);
    CHECK_EQ_INT(q.length, 0);
}

TEST(queued_bytes_never_move)
{
    struct atl_queue q = {0};
    struct iovec before, after;
    CHECK_OK(atl__queue_append(&q, "first", 5));
    CHECK_EQ_INT(atl__queue_pieces(&q, &before, 1), 1);
    char *large = calloc(1, 50000);
    for (int i = 0; i < 50; i++)
        CHECK_OK(atl__queue_append(&q, large, i % 2 ? 3 : 50000));
    CHECK_EQ_INT(atl__queue_pieces(&q, &after, 1), 1);
    CHECK_EQ_PTR(after.iov_base, before.iov_base);
    CHECK_EQ_MEM(after.iov_base, "first", 5);
    free(large);
    atl__queue_clear(&q);
}

TEST(two_pieces_are_appended_as_one)
{
    static const size_t sizes[] = {0, 1, 5, 4000, 4095, 4096, 4097, 9000};
    static char a[9000], b[9000], got[30000];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 8; j++) {
            struct atl_queue q = {0};
            struct iovec two[2] = {{a, sizes[i]}, {b, sizes[j]}};
            CHECK_OK(atl__queue_append(&q, "x", 1));
            CHECK_OK(atl__queue_append2(&q, two));
            CHECK_OK(atl__queue_append(&q, "y", 1));
            size_t n = sizes[i] + sizes[j] + 2;
            CHECK_EQ_INT(q.length, n);
            CHECK_EQ_INT(drain(&q, got, 5000), n);
            CHECK_EQ_INT(got[0], 'x');
            CHECK_EQ_MEM(got + 1, a, sizes[i]);
            CHECK_EQ_MEM(got + 1 + sizes[i], b, sizes[j]);
            CHECK_EQ_INT(got[n - 1], 'y');
        }
}

struct watch {
    struct atl_queue *queue;
    int released;
    bool clears, appends;
};

static void release(void *ctx)
{
    struct watch *w = ctx;
    w->released++;
    if (w->clears)
        atl__queue_clear(w->queue);
    if (w->appends)
        CHECK_OK(atl__queue_append(w->queue, "more", 4));
}

TEST(borrowed_bytes_are_released_when_the_last_one_is_consumed)
{
    struct atl_queue q = {0};
    struct watch w = {&q, 0, false, false};
    struct iovec piece[3];
    static const char bytes[] = "borrowed";
    CHECK_OK(atl__queue_append(&q, "a", 1));
    CHECK_OK(atl__queue_append_ref(&q, bytes, 8, release, &w));
    CHECK_OK(atl__queue_append(&q, "b", 1));
    CHECK_EQ_INT(q.length, 10);
    CHECK_EQ_INT(atl__queue_pieces(&q, piece, 3), 3);
    CHECK_EQ_PTR(piece[1].iov_base, bytes); /* not a copy */
    atl__queue_consume(&q, 8);
    CHECK_EQ_INT(w.released, 0);
    atl__queue_consume(&q, 1);
    CHECK_EQ_INT(w.released, 1);
    CHECK_EQ_INT(q.length, 1);
    atl__queue_clear(&q);
    CHECK_EQ_INT(w.released, 1);
}

TEST(clearing_releases_each_borrowed_block_once)
{
    struct atl_queue q = {0};
    struct watch w = {&q, 0, false, false};
    for (int i = 0; i < 5; i++)
        CHECK_OK(atl__queue_append_ref(&q, "bytes", 5, release, &w));
    atl__queue_clear(&q);
    CHECK_EQ_INT(w.released, 5);
    CHECK_EQ_INT(q.length, 0);
    CHECK_OK(atl__queue_append(&q, "again", 5));
    CHECK_EQ_INT(q.length, 5);
    atl__queue_clear(&q);
}

TEST(borrowing_no_bytes_is_released_with_what_is_before_it)
{
    struct atl_queue q = {0};
    struct watch w = {&q, 0, false, false};
    struct iovec piece[2];
    CHECK_OK(atl__queue_append(&q, "abc", 3));
    CHECK_OK(atl__queue_append_ref(&q, "", 0, release, &w));
    CHECK_EQ_INT(atl__queue_pieces(&q, piece, 2), 1);
    atl__queue_consume(&q, 3);
    CHECK_EQ_INT(w.released, 1);
    CHECK_EQ_PTR(q.head, NULL);
}

TEST(a_release_function_may_clear_the_queue)
{
    struct atl_queue q = {0};
    struct watch w = {&q, 0, true, false};
    for (int i = 0; i < 4; i++)
        CHECK_OK(atl__queue_append_ref(&q, "bytes", 5, release, &w));
    atl__queue_consume(&q, 12); /* two and a part of the third */
    CHECK_EQ_INT(w.released, 4);
    CHECK_EQ_INT(q.length, 0);
    CHECK_EQ_PTR(q.head, NULL);
}

TEST(a_release_function_may_append)
{
    struct atl_queue q = {0};
    struct watch w = {&q, 0, false, true};
    char got[16];
    CHECK_OK(atl__queue_append_ref(&q, "bytes", 5, release, &w));
    atl__queue_consume(&q, 5);
    CHECK_EQ_INT(q.length, 4);
    CHECK_EQ_INT(drain(&q, got, 16), 4);
    CHECK_EQ_MEM(got, "more", 4);
    CHECK_OK(atl__queue_append_ref(&q, "bytes", 5, release, &w));
    atl__queue_clear(&q);
    CHECK_EQ_INT(q.length, 4);
    atl__queue_clear(&q);
}

TEST(nothing_is_appended_to_borrowed_bytes)
{
    struct atl_queue q = {0};
    char bytes[16] = "borrowed";
    struct iovec piece[2];
    CHECK_OK(atl__queue_append_ref(&q, bytes, 8, NULL, NULL));
    CHECK_OK(atl__queue_append(&q, "own", 3));
    CHECK_EQ_INT(atl__queue_pieces(&q, piece, 2), 2);
    CHECK_EQ_STR(bytes, "borrowed");
    atl__queue_clear(&q);
}

TEST(without_memory_a_queue_stays_as_it_was)
{
    struct atl_queue q = {0};
    struct watch w = {&q, 0, false, false};
    static char large[5000];
    struct iovec two[2] = {{large, 100}, {large, 5000}};
    char got[4];
    alloc_watch();
    alloc_fail_after(0);
    CHECK_CODE(atl__queue_append(&q, "abc", 3), -ENOMEM);
    CHECK_CODE(atl__queue_append_ref(&q, "abc", 3, release, &w), -ENOMEM);
    CHECK_EQ_INT(q.length, 0);
    CHECK_EQ_PTR(q.head, NULL);
    alloc_fail_after(1);
    CHECK_OK(atl__queue_append(&q, "abc", 3));
    /* Some would fit into the block's room: none of it is taken. */
    CHECK_CODE(atl__queue_append(&q, large, 5000), -ENOMEM);
    CHECK_CODE(atl__queue_append2(&q, two), -ENOMEM);
    CHECK_EQ_INT(q.length, 3);
    CHECK_EQ_INT(w.released, 0);
    CHECK_EQ_INT(drain(&q, got, 4), 3);
    CHECK_EQ_MEM(got, "abc", 3);
}

/* --- buffers ------------------------------------------------------------- */

TEST(a_buffer_is_one_piece_whatever_came_and_went)
{
    struct atl_buf *b = NULL;
    char chunk[3000];
    size_t in = 0, out = 0;
    alloc_watch(); /* every growth moves the block */
    CHECK_EQ_INT(atl__buf_length(b), 0);
    CHECK_EQ_PTR(atl__buf_data(b), NULL);
    for (size_t i = 0; i < 2000; i++) {
        size_t n = i * 997 % sizeof(chunk);
        fill(chunk, in, n);
        CHECK_OK(atl__buf_append(&b, chunk, n));
        in += n;
        CHECK_EQ_INT(atl__buf_length(b), in - out);
        size_t drop = i * 1013 % (sizeof(chunk) + 50);
        if (drop > in - out)
            drop = in - out;
        for (size_t k = 0; k < drop; k++)
            CHECK_EQ_INT(atl__buf_data(b)[k], byte_at(out + k));
        atl__buf_consume(&b, drop);
        out += drop;
    }
    atl__buf_free(&b);
    CHECK_EQ_PTR(b, NULL);
}

TEST(an_emptied_buffer_owns_nothing)
{
    struct atl_buf *b = NULL;
    CHECK_OK(atl__buf_append(&b, "abc", 3));
    atl__buf_consume(&b, 2);
    CHECK_EQ_INT(atl__buf_length(b), 1);
    CHECK_EQ_INT(*atl__buf_data(b), 'c');
    atl__buf_consume(&b, 1);
    CHECK_EQ_PTR(b, NULL);
    CHECK_EQ_INT(atl_memory_used(), 0);
    atl__buf_consume(&b, 0);
    atl__buf_free(&b);
}

TEST(appending_nothing_makes_no_buffer)
{
    struct atl_buf *b = NULL;
    CHECK_OK(atl__buf_append(&b, "", 0));
    CHECK_EQ_PTR(b, NULL);
}

TEST(skipped_bytes_stay_readable)
{
    struct atl_buf *b = NULL;
    CHECK_OK(atl__buf_append(&b, "abcdef", 6));
    const char *skipped = atl__buf_data(b);
    atl__buf_skip(b, 6);
    CHECK(b != NULL);
    CHECK_EQ_INT(atl__buf_length(b), 0);
    CHECK_EQ_MEM(skipped, "abcdef", 6);
    CHECK_OK(atl__buf_append(&b, "gh", 2));
    CHECK_EQ_MEM(atl__buf_data(b), "gh", 2);
    atl__buf_free(&b);
}

TEST(a_buffer_that_is_fed_and_emptied_stays_small)
{
    struct atl_buf *b = NULL;
    static char chunk[1000];
    CHECK_OK(atl__buf_append(&b, chunk, 10));
    for (int i = 0; i < 10000; i++) {
        CHECK_OK(atl__buf_append(&b, chunk, sizeof(chunk)));
        atl__buf_consume(&b, sizeof(chunk));
    }
    CHECK_EQ_INT(atl__buf_length(b), 10);
    CHECK_RANGE(b->capacity, 10, 8192);
    atl__buf_free(&b);
}

TEST(without_memory_a_buffer_stays_as_it_was)
{
    struct atl_buf *b = NULL;
    static char large[100000];
    alloc_watch();
    alloc_fail_after(0);
    CHECK_CODE(atl__buf_append(&b, "abc", 3), -ENOMEM);
    CHECK_EQ_PTR(b, NULL);
    alloc_fail_after(1);
    CHECK_OK(atl__buf_append(&b, "abcdef", 6));
    atl__buf_consume(&b, 4);
    CHECK_CODE(atl__buf_append(&b, large, sizeof(large)), -ENOMEM);
    CHECK_CODE(atl__buf_append(&b, large, SIZE_MAX / 2), -ENOMEM);
    CHECK_EQ_INT(atl__buf_length(b), 2);
    CHECK_EQ_MEM(atl__buf_data(b), "ef", 2);
    atl__buf_free(&b);
}
