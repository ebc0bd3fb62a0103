/* SPDX-License-Identifier: MIT */
/*
 * Streams: connections of ordered bytes, made by a listener, by connecting or
 * from a descriptor.
 *
 * Input comes in one of two ways, and both may be used in turn on one stream:
 *  - pushed: on_data gets each chunk, or each whole frame when framing is set,
 *    as long as no hold is on the stream;
 *  - pulled: atl_stream_read asks for one thing (a line, n bytes, ...) and
 *    gets it at once from memory or once through on_read. A request goes
 *    before on_data and is served whatever holds there are.
 * While nothing wants input the socket is not read: the peer is slowed down.
 *
 * Output is queued without bound by the kernel's pace, with three marks: above
 * `high` the stream's own pushed input is held until the queue fell to `low`,
 * then on_drain runs; above `cap` nothing more is accepted.
 */
#ifndef ATOOLS_STREAM_H
#define ATOOLS_STREAM_H

#include "addr.h"
#include "dns.h"
#include "frame.h"
#include "loop.h"

#ifdef __cplusplus
extern "C" {
#endif

struct atl_stream;
struct atl_listener;

/*
 * What a stream calls, one const table shared by many streams. Any may be
 * NULL. None runs inside a call of this header: always from the loop. After
 * atl_stream_close or _abort only on_close runs.
 */
struct atl_stream_handlers {
    /* connected (also for accepted streams: before any other) */
    void (*on_open)(struct atl_stream *s);
    /* `bytes` are borrowed for the call */
    void (*on_data)(struct atl_stream *s, const void *bytes, size_t length);
    /* the answer to one atl_stream_read that returned 0. result 1: here it is;
       negative: it cannot be (ATL_EOF, -EMSGSIZE, -EPROTO, -ECONNRESET, ...)
       and `bytes` are what lies there unread (they stay, except at the end of
       the stream). Borrowed for the call. */
    void (*on_read)(struct atl_stream *s, int result, const void *bytes,
                    size_t length);
    /* the queue fell to the low mark after it was above the high one */
    void (*on_drain)(struct atl_stream *s);
    /* answer to atl_stream_notify */
    void (*on_level)(struct atl_stream *s);
    /* the peer half-closed, after all its frames were delivered. NULL: the
       stream is closed after its output is flushed. (With on_end it closes by
       itself, with ATL_EOF, once atl_stream_shutdown was called too and both
       directions have ended.) */
    void (*on_end)(struct atl_stream *s);
    /* the connection died while input is held or unread in memory: writing
       fails from now on, what was received can still be had; on_close follows
       when it has been delivered or the stream is closed */
    void (*on_dead)(struct atl_stream *s, const struct atl_error *why);
    /* last, exactly once; why NULL: closed here; code ATL_EOF: the peer ended
       and all went well. The stream is freed when this returns. */
    void (*on_close)(struct atl_stream *s, const struct atl_error *why);
};

struct atl_stream_options {
    const struct atl_frame *frame; /* copied; NULL: none */
    size_t high, low, cap;         /* output marks: 1 MiB, 256 KiB, 8 MiB */
    int64_t idle_ns;    /* nothing received or sent; default ATL_NEVER */
    int64_t stall_ns;   /* output queued but none taken; 30 s */
    int64_t linger_ns;  /* to wait for the peer's end when closing; 5 s */
    int64_t connect_ns; /* look-up to established; 10 s */
    enum atl_switch nodelay, keepalive; /* on, on */
    enum atl_switch pull; /* ON: on_data is never called, only on_read */
    uint64_t reserved[4];
};

/* How a new stream behaves. */
struct atl_stream_setup {
    const struct atl_stream_handlers *handlers; /* borrows, for good */
    void *data;                                 /* borrows */
    const struct atl_stream_options *options;   /* read at once; NULL */
    const struct atl_addr *bind; /* connecting: from this address; NULL */
};

/*
 * Connects by address or name: look-up, then a race over the addresses that
 * starts the next attempt every 250 ms without giving up the earlier ones
 * (RFC 8305), all under connect_ns. Writes before on_open are queued. What
 * fails later comes as on_close with the reason. Connecting to oneself by
 * chance (TCP simultaneous open) is refused as -ECONNREFUSED.
 */
ATL_API int atl_connect(struct atl_stream **out, struct atl_loop *loop,
                        const struct atl_endpoint *to,
                        const struct atl_stream_setup *setup,
                        struct atl_error *why);

/*
 * Makes a stream of a connected socket, pipe or terminal. On success the
 * stream owns `fd` (made non-blocking and close-on-exec); on failure the
 * caller keeps it. on_open runs in the next ready phase.
 */
ATL_API int atl_stream_adopt(struct atl_stream **out, struct atl_loop *loop,
                             int fd, const struct atl_stream_setup *setup,
                             struct atl_error *why);
/* A connected pair (socketpair(2)); both have the same setup. */
ATL_API int atl_stream_pair(struct atl_stream *out[2], struct atl_loop *loop,
                            const struct atl_stream_setup *setup,
                            struct atl_error *why);

ATL_API void *atl_stream_data(const struct atl_stream *s);
ATL_API void atl_stream_set_data(struct atl_stream *s, void *data);
ATL_API struct atl_loop *atl_stream_loop(const struct atl_stream *s);
/* Takes effect from the next callback on. */
ATL_API void atl_stream_set_handlers(struct atl_stream *s,
                                     const struct atl_stream_handlers *h);

/*
 * Queues bytes: 0, -ENOBUFS (over `cap`; nothing was queued), -ENOMEM (same),
 * -EPIPE after atl_stream_shutdown, ATL_ECLOSED after closing, or the code the
 * connection died of. Never calls back. With ATL_WRITE_ANY in flags, `cap` is
 * not applied (for writers that wait for the queue to fall first).
 */
#define ATL_WRITE_ANY 1u
ATL_API int atl_stream_write(struct atl_stream *s, const void *bytes,
                             size_t length, unsigned flags);
/* The same without copying: `bytes` are borrowed until `release` has run,
   which it does exactly once if 0 was returned (maybe before this returns),
   else never. */
typedef void atl_release_fn(void *ctx);
struct atl_ref {
    const void *bytes;
    size_t length;
    atl_release_fn *release;
    void *ctx;
};
ATL_API int atl_stream_write_ref(struct atl_stream *s,
                                 const struct atl_ref *ref, unsigned flags);
/* Payload with its framing around it, as one write. */
ATL_API int atl_stream_write_frame(struct atl_stream *s, const void *bytes,
                                   size_t length, unsigned flags);
/* Bytes not yet taken by the kernel. */
ATL_API size_t atl_stream_queued(const struct atl_stream *s);
/* on_level runs once when queued <= level (in the next turn if it is so now).
   One at a time; a new call replaces it, SIZE_MAX withdraws it. */
ATL_API void atl_stream_notify(struct atl_stream *s, size_t level);

enum atl_read_kind {
    ATL_READ_FRAME, /* one frame as *frame says; NULL: the stream's framing */
    ATL_READ_EXACT, /* size bytes */
    ATL_READ_SOME,  /* whatever comes next, at most size (0: no limit) */
    ATL_READ_ALL,   /* to the end of the stream, at most size (-EMSGSIZE) */
    ATL_READ_PEEK   /* size bytes, which stay unread */
};
struct atl_read {
    enum atl_read_kind kind;
    size_t size;
    const struct atl_frame *frame; /* copied */
};
struct atl_bytes {
    const char *data;
    size_t length;
};
/*
 * 1: served from memory, *out is valid until the next call on this stream or
 * the return to the loop. 0: on_read will answer. -EBUSY: a request is open.
 * Otherwise the failure on_read would tell; *out then holds the unread rest.
 * At the end of the stream an unterminated last line counts as a line and an
 * empty ALL as success; anything else short of its need is ATL_EOF.
 */
ATL_API int atl_stream_read(struct atl_stream *s, const struct atl_read *want,
                            struct atl_bytes *out);
/* Inside on_data of a stream with framing: the frame that on_data would be
   called with next, taken, so that a caller for whom each call has a price
   may treat many in one. 1: *out is valid as on_data's bytes are; 0: none
   now, go back to the loop. */
ATL_API int atl_stream_next(struct atl_stream *s, struct atl_bytes *out);
/* Withdraws the open request; nothing is consumed. */
ATL_API void atl_stream_read_cancel(struct atl_stream *s);

/*
 * Holds keep input from on_data and the socket from being read. Each reason
 * is set and lifted on its own; USER and WORK are the caller's. Lifting the
 * last one delivers what is in memory in the next ready phase. The idle
 * timeout stands still under WORK.
 */
enum atl_hold {
    ATL_HOLD_USER = 1,   /* paused by the application */
    ATL_HOLD_WORK = 2,   /* a handler is still at work */
    ATL_HOLD_OUTPUT = 4, /* own output above the high mark */
    ATL_HOLD_RELAY = 8,  /* the stream it is relayed to is full */
    ATL_HOLD_PULL = 16   /* pulled: no request open */
};
ATL_API void atl_stream_hold(struct atl_stream *s, enum atl_hold reason);
ATL_API void atl_stream_unhold(struct atl_stream *s, enum atl_hold reason);
ATL_API unsigned atl_stream_holds(const struct atl_stream *s);

/* Whether input comes on request only, as the option `pull` says at first. */
ATL_API void atl_stream_set_pull(struct atl_stream *s, bool pull);
/* Another framing for what has not been delivered yet; NULL: none. */
ATL_API int atl_stream_set_frame(struct atl_stream *s,
                                 const struct atl_frame *frame,
                                 struct atl_error *why);
ATL_API void atl_stream_set_idle(struct atl_stream *s, int64_t idle_ns);

/* Ends the output after what is queued (FIN); input goes on. Idempotent. */
ATL_API int atl_stream_shutdown(struct atl_stream *s);
/*
 * Flushes, then ends: with the peer's end seen it closes; otherwise it shuts
 * down the output, discards input until the peer ends or linger_ns passed,
 * then closes (closing with unread input would destroy sent data). on_close
 * runs in a later phase, at once as far as the caller is concerned: the
 * callback does not wait for the flush.
 */
ATL_API void atl_stream_close(struct atl_stream *s);
/* Drops the queue and resets the connection (RST). */
ATL_API void atl_stream_abort(struct atl_stream *s);

enum atl_stream_state {
    ATL_STREAM_CONNECTING,
    ATL_STREAM_OPEN,
    ATL_STREAM_DEAD,  /* the connection is gone, input may be left */
    ATL_STREAM_CLOSED /* closed here, or on_close is due */
};
ATL_API enum atl_stream_state atl_stream_state(const struct atl_stream *s);
/* The peer ended (FIN seen and all before it delivered). */
ATL_API bool atl_stream_ended(const struct atl_stream *s);

/* Kept after closing. 0, or -ENOTCONN while connecting. */
ATL_API int atl_stream_peer(const struct atl_stream *s, struct atl_addr *out);
ATL_API int atl_stream_local(const struct atl_stream *s, struct atl_addr *out);
ATL_API int atl_stream_fd(const struct atl_stream *s); /* -1 when closed */
struct atl_stream_stats {
    uint64_t bytes_in, bytes_out;
    int64_t opened_ns; /* when, on the loop's clock */
    int64_t idle_ns;   /* since when neither side moved a byte */
    size_t queued, buffered;
};
ATL_API void atl_stream_stats(const struct atl_stream *s,
                              struct atl_stream_stats *out);

/*
 * Socket options by name: "nodelay", "keepalive", "keepalive_idle" (s),
 * "keepalive_interval" (s), "keepalive_count", "user_timeout" (s),
 * "quick_ack", "unsent_low" (bytes, TCP_NOTSENT_LOWAT), "max_segment" (bytes),
 * "receive_buffer" (bytes), "send_buffer" (bytes), "tos", "ttl" (hops),
 * "priority", "reuse_address", "linger" (s, -1: off). Booleans are 0 and 1.
 * See socket(7), tcp(7), ip(7), ipv6(7). -EINVAL names the known ones.
 */
ATL_API int atl_stream_set_option(struct atl_stream *s, const char *name,
                                  double value, struct atl_error *why);
ATL_API int atl_stream_get_option(struct atl_stream *s, const char *name,
                                  double *value, struct atl_error *why);
/* "b" boolean, "s" seconds, "n" number, or NULL when unknown. */
ATL_API const char *atl_option_type(const char *name);

/*
 * Copies what `from` receives to `to` in C, with backpressure, until `length`
 * bytes (ATL_NEVER: no limit) or the end of `from`, which is then carried over
 * as atl_stream_shutdown(to). `fn` is called once, from the loop: result 0 or
 * the code of the stream that failed; -ECANCELED after _close. The handlers of
 * both streams other than on_data stay in use, but a stream that was relayed
 * is not closed for want of on_end. Of the holds, USER alone pauses a relay.
 * -EBUSY: `from` is being read or relayed already.
 */
struct atl_relay;
typedef void atl_relay_fn(void *data, int result, uint64_t copied,
                          const struct atl_error *why);
ATL_API int atl_relay_open(struct atl_relay **out, struct atl_stream *from,
                           struct atl_stream *to, uint64_t length,
                           atl_relay_fn *fn, void *data);
/* Stops copying; both streams stay open; `fn` does not run. Only before it
   ran. Returns the bytes copied. */
ATL_API uint64_t atl_relay_close(struct atl_relay **relay);

/*
 * Listeners.
 */
struct atl_listener_handlers {
    /* The stream is the caller's from here on. */
    void (*on_accept)(struct atl_listener *l, struct atl_stream *s);
    /* last, exactly once */
    void (*on_close)(struct atl_listener *l);
};
struct atl_listener_options {
    int backlog;                /* 4096; the OS may cut it */
    size_t max_connections;     /* open at once; 0: no limit */
    enum atl_switch reuse_port; /* off */
    enum atl_switch v6only;     /* off */
    enum atl_switch refuse;     /* at the limits: ON accepts and closes,
                                   off leaves clients in the queue */
    enum atl_switch on_demand;  /* ON: accepts only as atl_listener_want */
    struct atl_stream_options stream;                  /* of each stream */
    const struct atl_stream_handlers *stream_handlers; /* borrows */
    uint64_t reserved[4];
};
/*
 * Binds and listens. An empty host listens on all addresses, IPv6 and IPv4
 * where the machine has both. Names come from the hosts file. *why names the
 * address and, for -EADDRINUSE and -EACCES, what to do.
 */
ATL_API int atl_listener_open(struct atl_listener **out, struct atl_loop *loop,
                              const struct atl_endpoint *at,
                              const struct atl_listener_options *options,
                              const struct atl_listener_handlers *handlers,
                              void *data, struct atl_error *why);
/* Open connections outlive it. */
ATL_API void atl_listener_close(struct atl_listener *l);
ATL_API void *atl_listener_data(const struct atl_listener *l);
ATL_API void atl_listener_set_data(struct atl_listener *l, void *data);
ATL_API struct atl_loop *atl_listener_loop(const struct atl_listener *l);
ATL_API void atl_listener_pause(struct atl_listener *l);
ATL_API void atl_listener_resume(struct atl_listener *l);
/* on_demand: accept `count` connections from now on (replaces the number). */
ATL_API void atl_listener_want(struct atl_listener *l, size_t count);
/* What new streams get from now on. */
ATL_API int atl_listener_configure(struct atl_listener *l,
                                   const struct atl_stream_options *options,
                                   const struct atl_stream_handlers *handlers,
                                   struct atl_error *why);
ATL_API int atl_listener_local(const struct atl_listener *l,
                               struct atl_addr *out);
ATL_API int atl_listener_fd(const struct atl_listener *l);
struct atl_listener_stats {
    uint64_t accepted, refused, errors, pauses;
    size_t connections;   /* open now */
    bool paused, starved; /* by the application; by a limit of descriptors */
};
ATL_API void atl_listener_stats(const struct atl_listener *l,
                                struct atl_listener_stats *out);
/* The listener a stream came from, or NULL (also once that was freed). */
ATL_API struct atl_listener *atl_stream_listener(const struct atl_stream *s);

#ifdef __cplusplus
}
#endif

#endif
