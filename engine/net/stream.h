/* SPDX-License-Identifier: MIT */
/*
 * What the files of net/ share about a stream.
 *
 * An idle stream is this struct and a descriptor: no buffer, no timer. What
 * only some streams need hangs off `rare` and `clock`, made when first needed;
 * what all streams of a listener have in common is one counted `config`.
 *
 * Three rules carry the rest:
 *  - Nothing here calls the user except from the loop (an event, the ready
 *    phase, the close phase). Functions of the public header only leave `work`
 *    for the stream's one post.
 *  - After a callback the state is looked at again; the memory stays until the
 *    stream is closed, on_close has run and the descriptor is closed (an
 *    operation count covers the time from closing to that).
 *  - Bytes enter by atl__transport_read and leave by atl__transport_write and
 *    nowhere else: a layer between the socket and the stream goes there.
 */
#ifndef ATL_NET_STREAM_H
#define ATL_NET_STREAM_H

#include "atools/stream.h"
#include "loop/loop.h"

/* What a stream's post has to do. */
enum stream_work {
    WORK_FLUSH = 1,  /* write what is queued */
    WORK_FINISH = 2, /* go on with closing */
    WORK_TIDY = 4,   /* free the input buffer if it is empty */
    WORK_DIE = 8,    /* writing found the connection dead */
    WORK_OPEN = 16,  /* on_open */
    WORK_DRAIN = 32, /* on_drain */
    WORK_LEVEL = 64, /* on_level */
    WORK_INPUT = 128 /* deliver what is in memory */
};
/* Of these, what may be done in the flush phase: nothing that calls back. */
#define WORK_QUIET (WORK_FLUSH | WORK_FINISH | WORK_TIDY)

enum stream_queue { QUEUE_NONE, QUEUE_READY, QUEUE_FLUSH };

/* How a stream ends, from gentle to hard. */
enum stream_end {
    END_GRACEFUL, /* flush, shut down, linger, close */
    END_HARD,     /* one try to flush, close */
    END_RESET     /* drop everything, RST */
};

struct stream_config {
    unsigned refs;
    bool framed, nodelay, keepalive, pull;
    struct atl_frame frame;
    size_t high, low, cap;
    int64_t idle_ns, stall_ns, linger_ns, connect_ns;
};

/* Where accepted streams find their listener, which may be gone. */
struct stream_family {
    unsigned refs;
    struct atl_listener *listener; /* peer; NULL once freed */
    size_t connections;            /* open descriptors */
};

struct stream_request {
    enum atl_read_kind kind;
    size_t size, scanned;
    const struct atl_frame *frame; /* peer; NULL: the stream's */
};

struct stream_connect; /* connect.c */

struct stream_rare {
    struct stream_request request;  /* while requested and not wants_some */
    struct atl_frame *asked;        /* owns; what a request has pointed to */
    struct atl_frame *frame;        /* owns; own framing, or NULL */
    int64_t idle_ns;                /* own idle timeout, 0: the config's */
    struct atl_error *error;        /* owns; words for `code` */
    struct atl_addr *local;         /* owns; kept when the fd is closed */
    struct stream_connect *connect; /* owns; while connecting */
    struct atl_relay *relay_from;   /* owns; copies this stream's input */
    struct atl_list relays_to;      /* relays that write to this stream */
    bool unframed;                  /* own framing: none */
};

/* All deadlines of a stream share one timer. Activity only writes stamps; the
   timer looks at them when it fires and starts itself again. */
struct stream_clock {
    struct atl_timer timer;
    int64_t output_ns; /* when queued output last moved, or was queued */
    int64_t due_ns;    /* absolute: connecting, lingering */
};

/* Input of the running event that lies in the loop's buffer. */
struct stream_window {
    const char *data;
    size_t length;
};

struct atl_stream {
    struct atl_object object; /* first */
    struct atl_io io;
    struct atl_post post;
    const struct atl_stream_handlers *handlers; /* borrows */
    void *data;                                 /* borrows */
    struct stream_config *config;               /* a reference */
    struct stream_rare *rare;                   /* owns; may be NULL */
    struct stream_clock *clock;                 /* owns; may be NULL */
    struct stream_family *family;               /* a reference, or NULL */
    union {
        struct atl_buf *buf;          /* owns; left-over input */
        struct stream_window *window; /* peer; while in_window is set */
    } input;
    struct atl_queue output;
    size_t level;   /* atl_stream_notify; SIZE_MAX: none */
    size_t scanned; /* of the first unread frame */
    uint64_t bytes_in, bytes_out;
    int64_t opened_ns, active_ns;
    int16_t code;        /* why it died or ended; 0: closed here */
    uint8_t peer_length; /* of the address behind the struct; 0: unknown */
    uint8_t holds;       /* enum atl_hold */
    unsigned work : 8;   /* enum stream_work */
    unsigned state : 2;  /* enum atl_stream_state */
    unsigned queued : 2; /* enum stream_queue: where the post is */
    unsigned manner : 2; /* enum stream_end, once closed */
    unsigned socket : 1;
    unsigned in_window : 1;
    unsigned pull : 1;
    unsigned opened : 1;      /* on_open has run */
    unsigned requested : 1;   /* a read request is open */
    unsigned wants_some : 1;  /* for whatever comes: `rare` has nothing of it */
    unsigned eof : 1;         /* the kernel told the end of input */
    unsigned ended : 1;       /* and on_end told the user */
    unsigned fin_noticed : 1; /* a hangup was reported while not reading */
    unsigned blocked : 1;     /* the kernel takes no output now */
    unsigned above : 1;       /* output went above the high mark */
    unsigned shut : 1;        /* no more output: atl_stream_shutdown */
    unsigned shut_done : 1;   /* and the kernel was told */
    unsigned end_flushed : 1; /* close, with ATL_EOF, once flushed */
    unsigned dying : 1;       /* WORK_DIE is coming */
    unsigned told : 1;        /* on_close has run */
    unsigned lingering : 1;   /* closing; waits for the peer's end */
    unsigned relayed : 1;     /* part of a relay at some time */
};
_Static_assert(sizeof(struct atl_stream) <= 256,
               "an idle connection must stay small");

/* The peer's address, when it came for free, lies behind the struct. */
union stream_peer {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static inline const struct atl_os *stream_os(const struct atl_stream *s)
{
    return atl__loop_os(s->object.loop);
}

/* config.c */
int atl__config_new(struct stream_config **out,
                    const struct atl_stream_options *options,
                    struct atl_error *why);
void atl__config_unref(struct stream_config *config);
void atl__family_unref(struct stream_family *family);

/* stream.c */
/* A stream without a descriptor, in state CONNECTING; takes references of
   config and family (NULL). */
int atl__stream_new(struct atl_stream **out, struct atl_loop *loop,
                    struct stream_config *config, struct stream_family *family);
void atl__stream_set_peer(struct atl_stream *s, const struct atl_addr *peer);
/* Gives it its connected descriptor. On failure the caller keeps `fd`. */
int atl__stream_attach(struct atl_stream *s, int fd, bool is_socket,
                       struct atl_error *why);
/* Undoes atl__stream_new for a stream nobody knows yet. */
void atl__stream_discard(struct atl_stream *s);
/* on_open at once; for event handlers. */
void atl__stream_opened(struct atl_stream *s);
struct stream_rare *atl__stream_rare(struct atl_stream *s); /* NULL: ENOMEM */
void atl__stream_work(struct atl_stream *s, unsigned work);
/* Tells the loop what to watch for. */
void atl__stream_interest(struct atl_stream *s);
/* Keeps words for s->code, as far as memory allows. */
void atl__stream_why(struct atl_stream *s, int code, const char *text);
/* What a call on a stream that is not open returns. */
int atl__stream_gone(const struct atl_stream *s);
ssize_t atl__transport_read(struct atl_stream *s, void *buf, size_t size);
ssize_t atl__transport_write(struct atl_stream *s, const struct iovec *v,
                             int n);

/* input.c: everything from the socket to the user */
void atl__input_event(struct atl_stream *s, unsigned ready);
void atl__input_hangup(struct atl_stream *s, unsigned ready);
/* Delivers what is in memory, then the end or death that follows it. */
void atl__input_deliver(struct atl_stream *s);
bool atl__input_wanted(const struct atl_stream *s);
/* Handlers, holds or framing changed: looks again, now or soon. */
void atl__input_resume(struct atl_stream *s);
struct atl_bytes atl__input_view(const struct atl_stream *s);
/* Drops bytes from the front; they stay readable until the loop goes on. */
void atl__input_skip(struct atl_stream *s, size_t length);
const struct atl_frame *atl__stream_frame(const struct atl_stream *s);
/* Into *copy, which is made when it is NULL. -ENOMEM. */
int atl__frame_keep(struct atl_frame **copy, const struct atl_frame *frame);
/* The end that input has come to: 0 (more may come), ATL_EOF, or why the
   connection died. */
int atl__input_over(const struct atl_stream *s);

/* pull.c: answers the open request; false: it needs more. */
bool atl__pull_answer(struct atl_stream *s);

/* output.c */
void atl__output_flush(struct atl_stream *s);
/* Forgets what is queued; release functions run. */
void atl__output_drop(struct atl_stream *s);

/* close.c */
void atl__stream_end(struct atl_stream *s, enum stream_end manner, int code,
                     const char *text);
/* Goes on with closing: called whenever something may have changed. */
void atl__stream_finish(struct atl_stream *s);
/* The connection is gone; what was received can still be had. */
void atl__stream_die(struct atl_stream *s, int code, const char *text);
/* The same from inside a public call: no callback now. */
void atl__stream_die_later(struct atl_stream *s, int code);
/* Closes the descriptor; the local address is kept. */
void atl__stream_close_fd(struct atl_stream *s);
/* phase 5, and what atl_loop_free does */
extern const struct atl_object_kind atl__stream_kind;

/* clock.c: starts the timer if a deadline comes before it would fire. -ENOMEM
   leaves the stream without deadlines. */
int atl__clock_update(struct atl_stream *s);
/* Queued output moved, or began to wait. */
void atl__clock_output(struct atl_stream *s);
/* Sets the absolute deadline of connecting or lingering. */
int atl__clock_due(struct atl_stream *s, int64_t after_ns);
void atl__clock_free(struct atl_stream *s);

/* sockopt.c: TCP_NODELAY and keepalive as configured; no error matters. */
void atl__sockopt_presets(const struct atl_os *os, int fd,
                          const struct stream_config *config);

/* connect.c: fails, or gives up */
void atl__connect_failed(struct atl_stream *s, int code, const char *text);
void atl__connect_cancel(struct atl_stream *s);
/* relay.c */
bool atl__relay_feed(struct atl_stream *from);
bool atl__relay_wants(const struct atl_stream *from);
void atl__relay_drained(struct atl_stream *to);
/* All input of `from` was copied and this (a code) is its end. */
void atl__relay_input_over(struct atl_stream *from, int code);
/* `to` takes no more output; `s` is closed altogether. */
void atl__relay_target_gone(struct atl_stream *to, int code);
void atl__relay_gone(struct atl_stream *s, int code);
/* admit.c: a descriptor of this family was closed */
void atl__family_closed(struct stream_family *family);

#endif
