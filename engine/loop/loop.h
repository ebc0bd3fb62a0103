/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the engine see of the loop beyond the public header:
 * objects and their lifetime, watched descriptors, the ready queue, shared
 * buffers, the governor.
 */
#ifndef ATL_LOOP_LOOP_H
#define ATL_LOOP_LOOP_H

#include "atools/loop.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/slot.h"
#include "loop/backend.h"

/*
 * Objects. Every object of the loop begins with one of these. It is freed, by
 * its kind's `free`, when it is closed, no callback of it is on the stack and
 * no operation (kernel or helper thread) is in flight; at the end of a turn.
 */
struct atl_object;
struct atl_object_kind {
    enum atl_kind kind;
    /* for atl_loop_free: ends it without waiting for anything; must lead to
       atl__object_close before it returns. Called again for a closed object
       with operations in flight: these should end now */
    void (*close)(struct atl_object *o);
    /* phase 5: on_close */
    void (*closed)(struct atl_object *o);
    /* memory; nothing refers to the object any more */
    void (*free)(struct atl_object *o);
};
struct atl_object {
    struct atl_list link;               /* on the loop's list of its kind */
    const struct atl_object_kind *kind; /* borrows */
    struct atl_loop *loop;              /* borrows */
    struct atl_object *next_closing;    /* peer, close queue */
    uint16_t ops;                       /* operations in flight */
    uint8_t busy;                       /* callbacks of it on the stack */
    uint8_t state;                      /* enum atl_object_state */
    bool keeps_alive;
};
enum atl_object_state {
    ATL_OBJECT_OPEN,
    ATL_OBJECT_CLOSING,
    ATL_OBJECT_CLOSED
};

void atl__object_init(struct atl_object *o, struct atl_loop *loop,
                      const struct atl_object_kind *kind, bool keeps_alive);
/* Never opened after all: takes it off its list. */
void atl__object_fini(struct atl_object *o);
void atl__object_keep_alive(struct atl_object *o, bool keep);
/* Around every callback of the object. */
static inline void atl__object_enter(struct atl_object *o)
{
    o->busy++;
}
static inline void atl__object_leave(struct atl_object *o)
{
    o->busy--;
}
/* Queues kind->closed for phase 5, then freeing. Once per object. */
void atl__object_close(struct atl_object *o);
/* One operation (counted in `ops`) ended. A closed object that had some stays
   on its list, keeping the loop alive, until the last one ends. */
void atl__object_done(struct atl_object *o);

/*
 * Watched descriptors, embedded in their owner. `want` may be changed at any
 * time and any number of times; the backend is told once, in phase 6.
 */
struct atl_io;
typedef void atl_io_fn(struct atl_io *io, unsigned ready);
struct atl_io {
    atl_io_fn *fn;
    uint64_t token; /* 0: closed */
    int fd;
    uint8_t want, told; /* enum atl_io_want */
    bool dirty;
    bool always_ready; /* a regular file: no backend watches those */
};
/*
 * HANGUP is told once: the loop takes it out of `want` before calling `fn`. A
 * descriptor reported DEAD goes on being reported while anything is wanted:
 * the owner must close it or want nothing.
 */
/* Registers nothing yet. -ENOMEM; -EMFILE with words when the backend cannot
   watch so high a descriptor ("use poll or epoll"). */
int atl__io_open(struct atl_io *io, struct atl_loop *loop, int fd,
                 atl_io_fn *fn, struct atl_error *why);
void atl__io_want(struct atl_io *io, struct atl_loop *loop, unsigned want);
/* Forgets and closes the descriptor at once; tells the governor. */
void atl__io_close(struct atl_io *io, struct atl_loop *loop);
/* Forgets it without closing; the caller owns io->fd again. */
int atl__io_release(struct atl_io *io, struct atl_loop *loop);

/*
 * The ready queue (phase 4) and the flush queue (phase 6) for the engine's own
 * objects: atl_loop_defer serves the former; a flush item is called in phase 6
 * of this turn (or of the next one, when queued during phase 6).
 */
void atl__loop_flush_later(struct atl_loop *loop, struct atl_post *post);

/* The one read buffer of the loop: valid until the next read. */
#define ATL_READ_SIZE 65536
char *atl__loop_read_buffer(struct atl_loop *loop);
/* What the stream whose input is being delivered has had of its turn. */
struct atl_share {
    unsigned frames;
    size_t bytes;
};
struct atl_share *atl__loop_share(struct atl_loop *loop);

/*
 * The gather buffer: bytes written by the stream that wrote first in the unit
 * of work at hand (one event, one ready item). `flush` is called when that
 * unit ends or when somebody else wants the buffer.
 */
#define ATL_GATHER_SIZE 65536
struct atl_gather {
    char *bytes; /* owns, ATL_GATHER_SIZE */
    size_t length;
    void *owner;                /* peer: a stream, or NULL */
    void (*flush)(void *owner); /* must leave length 0 and owner NULL */
};
struct atl_gather *atl__loop_gather(struct atl_loop *loop);

const struct atl_os *atl__loop_os(const struct atl_loop *loop);
struct atl_stats *atl__loop_counters(struct atl_loop *loop);
struct atl_list *atl__loop_objects(struct atl_loop *loop, enum atl_kind kind);

/*
 * The governor keeps accepting from using up the descriptors. Listeners join
 * it; it pauses and resumes them all.
 */
struct atl_governed {
    struct atl_list link;
    void (*pause)(struct atl_governed *g);
    void (*resume)(struct atl_governed *g);
};
void atl__governor_join(struct atl_loop *loop, struct atl_governed *g);
void atl__governor_leave(struct atl_governed *g);
/* After accepting `fd`: pauses all listeners if it reached the reserve. */
void atl__governor_accepted(struct atl_loop *loop, int fd);
/* An accept failed for want of something (EMFILE, ENFILE, ENOBUFS, ENOMEM):
   pauses all listeners for 100 ms or until the engine closes a descriptor. */
void atl__governor_failed(struct atl_loop *loop, int code);
bool atl__governor_paused(const struct atl_loop *loop);
/* Gives up the spare descriptor so that one more can be accepted and closed,
   and takes it back. */
bool atl__governor_lend_spare(struct atl_loop *loop);
void atl__governor_restore_spare(struct atl_loop *loop);

#endif
