/* SPDX-License-Identifier: MIT */
/*
 * Framing: whole input and input byte by byte must give the same frames and
 * the same refusal, and what wrap makes cut must give back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "atools.h"

#define EXACT 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static int cut_whole(const struct atl_frame *f, const uint8_t *p, size_t n,
                     struct atl_cut *cut)
{
    size_t scanned = 0, need = 0;
    int r = atl_frame_cut(f, p, n, &scanned, cut, &need);
    if (r == 1) {
        require(cut->consumed > 0 && cut->consumed <= n);
        require(cut->offset <= cut->consumed);
        require(cut->length <= cut->consumed - cut->offset);
    }
    require(r != 0 || need > n);
    return r;
}

static int cut_slowly(const struct atl_frame *f, const uint8_t *p, size_t n,
                      struct atl_cut *cut)
{
    size_t scanned = 0;
    int r = 0;
    for (size_t have = 1; have <= n && r == 0; have++) {
        /* Of its own size while that is cheap: a sanitizer then sees a look
           beyond what has arrived. */
        uint8_t *exact = have <= EXACT ? malloc(have) : NULL;
        if (exact != NULL)
            memcpy(exact, p, have);
        r = atl_frame_cut(f, exact ? exact : p, have, &scanned, cut, NULL);
        require(scanned <= have);
        free(exact);
    }
    return r;
}

static void cut_all(const struct atl_frame *f, const uint8_t *p, size_t n)
{
    while (n > 0) {
        struct atl_cut whole = {0}, slow = {0};
        int r = cut_whole(f, p, n, &whole);
        if (f->kind != ATL_FRAME_NONE) {
            require(cut_slowly(f, p, n, &slow) == r);
            require(r != 1 || memcmp(&whole, &slow, sizeof(whole)) == 0);
        }
        if (r != 1)
            return;
        p += whole.consumed;
        n -= whole.consumed;
    }
}

static void round_trip(const struct atl_frame *f, const uint8_t *p, size_t n)
{
    struct atl_wrap wrap;
    struct atl_cut cut;

    if (f->kind == ATL_FRAME_NONE || (n == 0 && f->kind == ATL_FRAME_FIXED) ||
        atl_frame_wrap(f, p, n, &wrap) != 0)
        return;
    size_t total = wrap.head_length + n + wrap.tail_length;
    uint8_t *wire = malloc(total);
    if (wire == NULL)
        return;
    memcpy(wire, wrap.head, wrap.head_length);
    memcpy(wire + wrap.head_length, p, n);
    memcpy(wire + wrap.head_length + n, wrap.tail, wrap.tail_length);
    int r = cut_whole(f, wire, total, &cut);
    require(r == 1 && cut.consumed == total);
    /* A line loses a "\r" that ends it. */
    bool shorter = f->kind == ATL_FRAME_LINE && n > 0 && p[n - 1] == '\r';
    if (!f->keep && !shorter)
        require(cut.length == n);
    if (!shorter)
        require(memcmp(wire + cut.offset, p, n) == 0);
    free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > 4096)
        return 0;
    struct atl_frame f = {
        .kind = (enum atl_frame_kind)(data[0] % (ATL_FRAME_FIXED + 1)),
        .keep = data[1] & 1,
        .inclusive = data[1] & 2,
        .max = data[2] == 255 ? SIZE_MAX : (size_t)data[2] * 4,
        .size = data[3] % 16,
        .delimiter_length = 1 + (data[1] >> 2) % 4,
        .delimiter = "\r\n\r\n",
    };
    if (data[1] & 16) /* one that can begin inside itself */
        memcpy(f.delimiter, "aaba", 4);
    if (atl_frame_check(&f, NULL) < 0)
        return 0;
    cut_all(&f, data + 4, size - 4);
    round_trip(&f, data + 4, size - 4);
    return 0;
}
