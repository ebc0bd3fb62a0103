/* SPDX-License-Identifier: MIT */
/*
 * Framing: where one message ends and the next begins. Pure functions over
 * bytes; streams apply them to their input.
 */
#ifndef ATOOLS_FRAME_H
#define ATOOLS_FRAME_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum atl_frame_kind {
    ATL_FRAME_NONE,      /* no framing: bytes as they come */
    ATL_FRAME_LINE,      /* up to "\n"; it and one "\r" before it are dropped */
    ATL_FRAME_DELIMITER, /* up to the delimiter, which is dropped */
    ATL_FRAME_U16BE,     /* a length, then that many bytes */
    ATL_FRAME_U32BE,
    ATL_FRAME_U16LE,
    ATL_FRAME_U32LE,
    ATL_FRAME_I16BE,     /* signed; a negative length is EPROTO */
    ATL_FRAME_VARINT,    /* unsigned LEB128 of at most 10 bytes, as protobuf */
    ATL_FRAME_NETSTRING, /* "5:hello," (D. J. Bernstein) */
    ATL_FRAME_FIXED      /* `size` bytes each */
};

#define ATL_DELIMITER_MAX 32

struct atl_frame {
    enum atl_frame_kind kind;
    bool keep;      /* LINE, DELIMITER: the terminator stays in the frame */
    bool inclusive; /* lengths count their own bytes too */
    uint8_t delimiter_length; /* 1 .. ATL_DELIMITER_MAX */
    char delimiter[ATL_DELIMITER_MAX];
    size_t size; /* FIXED */
    size_t max;  /* longest frame accepted, without terminator or length
                    field; 0: 8 KiB for LINE and DELIMITER, else 1 MiB */
};

/* Where a frame lies in the bytes looked at. */
struct atl_cut {
    size_t offset, length; /* the frame itself */
    size_t consumed;       /* bytes to drop, framing included */
};

/* -EINVAL with words when the description makes no sense. */
ATL_API int atl_frame_check(const struct atl_frame *frame,
                            struct atl_error *why);

/*
 * Looks for one frame at the start of `bytes`. 1: *cut is filled; 0: more
 * bytes are needed; -EMSGSIZE: longer than max; -EPROTO: not this framing. A
 * length announced too large is refused before its bytes arrive. *scanned
 * (start with 0 for each frame) remembers how far the search came, so that a
 * frame arriving byte by byte is searched once. *need (NULL allowed) is set on
 * 0 to the bytes known to be needed in all (at least length + 1).
 */
ATL_API int atl_frame_cut(const struct atl_frame *frame, const void *bytes,
                          size_t length, size_t *scanned, struct atl_cut *cut,
                          size_t *need);

/* What goes around `length` payload bytes on the wire. */
struct atl_wrap {
    char head[24];
    size_t head_length;
    const char *tail; /* points into *frame or at static memory */
    size_t tail_length;
};
/*
 * -EMSGSIZE: longer than max or than the length field can say; -EPROTO: a
 * LINE or DELIMITER payload that holds the terminator, alone or together with
 * the one put behind it ("a" before "aa"), a FIXED one of another size.
 */
ATL_API int atl_frame_wrap(const struct atl_frame *frame, const void *payload,
                           size_t length, struct atl_wrap *out);

#ifdef __cplusplus
}
#endif

#endif
