/* SPDX-License-Identifier: MIT */
/*
 * Framing. Each kind is a function that looks at the start of the bytes and
 * finds one frame, asks for more, or refuses; lengths are judged before the
 * bytes they announce have come.
 */
#include "atools/frame.h"

#include <errno.h>
#include <string.h>

#define LINE_MAX_DEFAULT 8192u
#define FRAME_MAX_DEFAULT 1048576u
/* Sums and one more decimal digit still fit; ATL_NEVER means as much. */
#define FRAME_MAX_MOST (SIZE_MAX / 16)

static size_t limit_of(const struct atl_frame *f)
{
    if (f->max > 0)
        return f->max < FRAME_MAX_MOST ? f->max : FRAME_MAX_MOST;
    return f->kind == ATL_FRAME_LINE || f->kind == ATL_FRAME_DELIMITER
               ? LINE_MAX_DEFAULT
               : FRAME_MAX_DEFAULT;
}

/* Bytes of a fixed-width length field, 0 for the other kinds. */
static size_t field_of(enum atl_frame_kind kind)
{
    switch (kind) {
    case ATL_FRAME_U16BE:
    case ATL_FRAME_U16LE:
    case ATL_FRAME_I16BE:
        return 2;
    case ATL_FRAME_U32BE:
    case ATL_FRAME_U32LE:
        return 4;
    default:
        return 0;
    }
}

int atl_frame_check(const struct atl_frame *f, struct atl_error *why)
{
    if ((unsigned)f->kind > ATL_FRAME_FIXED)
        return atl_fail(why, -EINVAL, "no such kind of frame: %d",
                        (int)f->kind);
    if (f->kind == ATL_FRAME_DELIMITER &&
        (f->delimiter_length == 0 || f->delimiter_length > ATL_DELIMITER_MAX))
        return atl_fail(why, -EINVAL, "a delimiter has 1 to %d bytes",
                        ATL_DELIMITER_MAX);
    if (f->kind == ATL_FRAME_FIXED && f->size == 0)
        return atl_fail(why, -EINVAL, "fixed frames need a size");
    if (f->kind == ATL_FRAME_FIXED && f->max > 0 && f->size > f->max)
        return atl_fail(why, -EINVAL, "fixed size %zu is over the maximum %zu",
                        f->size, f->max);
    if (f->inclusive && field_of(f->kind) == 0)
        return atl_fail(why, -EINVAL,
                        "inclusive lengths need a fixed-width length field");
    return 0;
}

static int more(size_t *need, size_t total)
{
    *need = total;
    return 0;
}

/* Only bytes never seen are searched, less what a delimiter may span. */
static const char *search(const char *p, size_t n, size_t *scanned,
                          const char *what, size_t length)
{
    size_t from = *scanned >= length ? *scanned - (length - 1) : 0;
    const char *at = p + from;
    while (at + length <= p + n) {
        at = memchr(at, what[0], (size_t)(p + n - at) - (length - 1));
        if (at == NULL)
            break;
        if (memcmp(at, what, length) == 0)
            return at;
        at++;
    }
    *scanned = n;
    return NULL;
}

static int cut_line(const struct atl_frame *f, const char *p, size_t n,
                    size_t *scanned, struct atl_cut *cut, size_t *need)
{
    size_t max = limit_of(f);
    const char *end = search(p, n, scanned, "\n", 1);
    size_t length = end ? (size_t)(end - p) : n;
    /* A "\r" at the end may belong to the terminator. */
    size_t text = length > 0 && p[length - 1] == '\r' ? length - 1 : length;
    if (text > max)
        return -EMSGSIZE;
    if (end == NULL)
        return more(need, n + 1);
    *cut = (struct atl_cut){0, f->keep ? length + 1 : text, length + 1};
    return 1;
}

static int cut_delimiter(const struct atl_frame *f, const char *p, size_t n,
                         size_t *scanned, struct atl_cut *cut, size_t *need)
{
    size_t max = limit_of(f), extra = f->delimiter_length;
    const char *end = search(p, n, scanned, f->delimiter, extra);
    if (end == NULL) {
        /* The last bytes may begin the delimiter. */
        if (n >= max + extra)
            return -EMSGSIZE;
        return more(need, n + 1);
    }
    size_t length = (size_t)(end - p);
    if (length > max)
        return -EMSGSIZE;
    *cut =
        (struct atl_cut){0, f->keep ? length + extra : length, length + extra};
    return 1;
}

static uint64_t read_field(enum atl_frame_kind kind, const unsigned char *p)
{
    switch (kind) {
    case ATL_FRAME_U16LE:
        return p[0] | (uint64_t)p[1] << 8;
    case ATL_FRAME_U32BE:
        return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 |
               (uint64_t)p[2] << 8 | p[3];
    case ATL_FRAME_U32LE:
        return p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
               (uint64_t)p[3] << 24;
    default: /* the 16-bit big-endian ones */
        return (uint64_t)p[0] << 8 | p[1];
    }
}

/* `length` payload bytes after a head of `head` bytes and before `tail`. */
static int cut_body(const struct atl_frame *f, size_t n, uint64_t length,
                    const size_t around[2], struct atl_cut *cut, size_t *need)
{
    if (length > limit_of(f))
        return -EMSGSIZE;
    size_t total = around[0] + (size_t)length + around[1];
    if (n < total)
        return more(need, total);
    *cut = (struct atl_cut){around[0], (size_t)length, total};
    return 1;
}

static int cut_length(const struct atl_frame *f, const char *p, size_t n,
                      struct atl_cut *cut, size_t *need)
{
    size_t field = field_of(f->kind);
    if (n < field)
        return more(need, field);
    uint64_t length = read_field(f->kind, (const unsigned char *)p);
    if (f->kind == ATL_FRAME_I16BE && length > INT16_MAX)
        return -EPROTO;
    if (f->inclusive) {
        if (length < field)
            return -EPROTO;
        length -= field;
    }
    return cut_body(f, n, length, (size_t[2]){field, 0}, cut, need);
}

static int cut_varint(const struct atl_frame *f, const char *p, size_t n,
                      struct atl_cut *cut, size_t *need)
{
    uint64_t length = 0;
    for (size_t i = 0; i < 10; i++) {
        if (i == n)
            return more(need, n + 1);
        unsigned char byte = (unsigned char)p[i];
        if (i == 9 && byte > 1)
            return -EPROTO; /* over 64 bits */
        length |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80))
            return cut_body(f, n, length, (size_t[2]){i + 1, 0}, cut, need);
        /* More significant bytes only make it longer. */
        if (length > limit_of(f))
            return -EMSGSIZE;
    }
    return -EPROTO;
}

static int cut_netstring(const struct atl_frame *f, const char *p, size_t n,
                         struct atl_cut *cut, size_t *need)
{
    uint64_t length = 0;
    size_t i = 0;
    for (; i < n && p[i] >= '0' && p[i] <= '9'; i++) {
        if (i == 1 && p[0] == '0')
            return -EPROTO; /* leading zero */
        length = length * 10 + (uint64_t)(p[i] - '0');
        if (length > limit_of(f))
            return -EMSGSIZE;
    }
    if (i == n)
        return more(need, n + 1);
    if (i == 0 || p[i] != ':')
        return -EPROTO;
    int r = cut_body(f, n, length, (size_t[2]){i + 1, 1}, cut, need);
    return r == 1 && p[cut->consumed - 1] != ',' ? -EPROTO : r;
}

int atl_frame_cut(const struct atl_frame *f, const void *bytes, size_t n,
                  size_t *scanned, struct atl_cut *cut, size_t *need)
{
    size_t unused;
    const char *p = bytes;
    if (need == NULL)
        need = &unused;
    if (n == 0)
        return more(need, 1);
    switch (f->kind) {
    case ATL_FRAME_LINE:
        return cut_line(f, p, n, scanned, cut, need);
    case ATL_FRAME_DELIMITER:
        return cut_delimiter(f, p, n, scanned, cut, need);
    case ATL_FRAME_VARINT:
        return cut_varint(f, p, n, cut, need);
    case ATL_FRAME_NETSTRING:
        return cut_netstring(f, p, n, cut, need);
    case ATL_FRAME_FIXED:
        if (n < f->size)
            return more(need, f->size);
        *cut = (struct atl_cut){0, f->size, f->size};
        return 1;
    case ATL_FRAME_NONE:
        *cut = (struct atl_cut){0, n, n};
        return 1;
    default:
        return cut_length(f, p, n, cut, need);
    }
}

/* Whether the terminator would be found before the payload's end: inside it, or
   begun by its last bytes and ended by the terminator's own. */
static bool holds(const char *p, size_t n, const char *what, size_t length)
{
    size_t scanned = 0;
    if (n == 0)
        return false;
    if (search(p, n, &scanned, what, length) != NULL)
        return true;
    for (size_t k = n < length ? n : length - 1; k > 0; k--)
        if (memcmp(p + n - k, what, k) == 0 &&
            memcmp(what, what + k, length - k) == 0)
            return true;
    return false;
}

static int wrap_length(const struct atl_frame *f, size_t length,
                       struct atl_wrap *out)
{
    size_t field = field_of(f->kind);
    uint64_t value = length + (f->inclusive ? field : 0);
    uint64_t most = f->kind == ATL_FRAME_I16BE ? INT16_MAX
                    : field == 2               ? UINT16_MAX
                                               : UINT32_MAX;
    bool little = f->kind == ATL_FRAME_U16LE || f->kind == ATL_FRAME_U32LE;
    if (value > most)
        return -EMSGSIZE;
    for (size_t i = 0; i < field; i++) {
        size_t shift = 8 * (little ? i : field - 1 - i);
        out->head[i] = (char)(unsigned char)(value >> shift);
    }
    out->head_length = field;
    return 0;
}

static void wrap_varint(size_t length, struct atl_wrap *out)
{
    uint64_t value = length;
    do {
        unsigned char byte = value & 0x7f;
        value >>= 7;
        out->head[out->head_length++] = (char)(byte | (value ? 0x80 : 0));
    } while (value != 0);
}

static void wrap_netstring(size_t length, struct atl_wrap *out)
{
    char digits[20];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + length % 10);
    while ((length /= 10) > 0);
    while (n > 0)
        out->head[out->head_length++] = digits[--n];
    out->head[out->head_length++] = ':';
    out->tail = ",";
    out->tail_length = 1;
}

int atl_frame_wrap(const struct atl_frame *f, const void *payload,
                   size_t length, struct atl_wrap *out)
{
    out->head_length = out->tail_length = 0;
    out->tail = "";
    if (f->kind == ATL_FRAME_NONE)
        return 0;
    if (f->kind == ATL_FRAME_FIXED)
        return length == f->size ? 0 : -EPROTO;
    if (length > limit_of(f))
        return -EMSGSIZE;
    switch (f->kind) {
    case ATL_FRAME_LINE:
        out->tail = "\n";
        out->tail_length = 1;
        return holds(payload, length, "\n", 1) ? -EPROTO : 0;
    case ATL_FRAME_DELIMITER:
        out->tail = f->delimiter;
        out->tail_length = f->delimiter_length;
        return holds(payload, length, f->delimiter, f->delimiter_length)
                   ? -EPROTO
                   : 0;
    case ATL_FRAME_VARINT:
        wrap_varint(length, out);
        return 0;
    case ATL_FRAME_NETSTRING:
        wrap_netstring(length, out);
        return 0;
    default:
        return wrap_length(f, length, out);
    }
}
