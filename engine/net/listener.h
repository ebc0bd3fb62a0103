/* SPDX-License-Identifier: MIT */
/*
 * A listener, as listener.c (binding, accepting) and admit.c (whom it lets in,
 * and when it listens at all) share it.
 */
#ifndef ATL_NET_LISTENER_H
#define ATL_NET_LISTENER_H

#include "net/stream.h"

struct atl_listener {
    struct atl_object object; /* first */
    struct atl_io io;
    struct atl_governed governed;
    const struct atl_listener_handlers *handlers;      /* borrows */
    const struct atl_stream_handlers *stream_handlers; /* borrows; or NULL */
    void *data;                                        /* borrows */
    struct stream_config *config;                      /* a reference */
    struct stream_family *family;                      /* a reference */
    size_t max_connections;                            /* SIZE_MAX: no limit */
    size_t wanted; /* still to accept; SIZE_MAX: no limit */
    uint64_t accepted, refused, errors, pauses;
    bool refuse, paused, closed;
};

static inline const struct atl_os *listener_os(const struct atl_listener *l)
{
    return atl__loop_os(l->object.loop);
}

/* Takes part in the loop's sharing out of descriptors, until closed. */
void atl__admit_join(struct atl_listener *l);
void atl__admit_leave(struct atl_listener *l);
/* Tells the loop whether to watch the listener. */
void atl__admit_interest(struct atl_listener *l);
/* Whether to go on accepting, and whether the next one is to be refused. */
bool atl__admit_open(const struct atl_listener *l);
bool atl__admit_full(const struct atl_listener *l);
/* An accept, or making a stream of it, failed. True: try the next one. */
bool atl__admit_failed(struct atl_listener *l, int code);

#endif
