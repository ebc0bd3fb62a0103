/* SPDX-License-Identifier: MIT */
/*
 * The loop: waits for the system, runs timers, posted work and callbacks, and
 * owns the lifetime of every object made on it.
 *
 * One turn, the same for run and step:
 *   1 wait      zero if the ready or close queue is not empty or a timer is
 *               due, else until the nearest timer or the caller's limit; then
 *               the clock is read once
 *   2 events    what the backend reported
 *   3 timers    those due at that reading
 *   4 ready     deferred and posted work as it stood, streams with input in
 *               memory
 *   5 close     on_close of what was closed
 *   6 flush     gathered output, then changed interest, then freed memory
 * What a phase adds to its own queue runs in the next turn.
 */
#ifndef ATOOLS_LOOP_H
#define ATOOLS_LOOP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct atl_loop;
struct atl_os;
struct pollfd;

struct atl_loop_options {
    /* "epoll", "poll", "select"; NULL: the best that works here. */
    const char *backend;
    /* borrows: another implementation of the system calls (os/os.h), for
       tests and simulation; must outlive the loop. NULL: the real ones. */
    const struct atl_os *os;
    uint64_t reserved[4];
};

/* -EINVAL names the known backends; -EMFILE and the like pass through. */
ATL_API int atl_loop_new(struct atl_loop **out,
                         const struct atl_loop_options *options,
                         struct atl_error *why);

/*
 * Closes every object still open (their on_close runs), frees the loop and
 * sets *loop to NULL. Inside a callback of this loop the same happens when the
 * running turn ends; run or step then return ATL_ECLOSED and the loop is gone.
 */
ATL_API void atl_loop_free(struct atl_loop **loop);

/* Turns until nothing keeps the loop alive (0) or atl_loop_stop (1). -EBUSY
   inside a callback of this loop; other negative codes: the backend failed. */
ATL_API int atl_loop_run(struct atl_loop *loop);

/* One turn that waits at most `timeout_ns` (0: does not wait, ATL_NEVER).
   1: something keeps the loop alive, 0: nothing does; else as run. */
ATL_API int atl_loop_step(struct atl_loop *loop, int64_t timeout_ns);

/* Makes run return after the running turn, or at once when it is called next.
   Safe in signal handlers of the loop's thread. */
ATL_API void atl_loop_stop(struct atl_loop *loop);

/* Whether an open object, a queued post or a reference keeps run going. */
ATL_API bool atl_loop_alive(const struct atl_loop *loop);

/* Counted references that keep the loop alive beside its objects. */
ATL_API void atl_loop_ref(struct atl_loop *loop);
ATL_API void atl_loop_unref(struct atl_loop *loop);

/* The clock reading of the running turn, and a fresh one: ns, monotonic. */
ATL_API int64_t atl_loop_now(const struct atl_loop *loop);
ATL_API int64_t atl_loop_clock(const struct atl_loop *loop);
/* Wall clock, ns since 1970. */
ATL_API int64_t atl_loop_time(const struct atl_loop *loop);

ATL_API const char *atl_loop_backend(const struct atl_loop *loop);
/* NULL-terminated list of the backends compiled in, best first. */
ATL_API const char *const *atl_backend_names(void);

/*
 * Driving the loop from a host's own poll. Before sleeping call prepare: it
 * flushes what is pending and tells how long the host may sleep at most
 * (ATL_NEVER: no timer). Then poll the loop's descriptor (epoll) or its whole
 * set (select, poll), and call atl_loop_step(loop, 0) when one is ready or the
 * time is up.
 */
ATL_API int atl_loop_prepare(struct atl_loop *loop, int64_t *timeout_ns);
/* The one descriptor to poll for reading, or -1 where the backend has none. */
ATL_API int atl_loop_fd(const struct atl_loop *loop);
/* Fills up to `size` entries, returns how many there are in all. */
ATL_API size_t atl_loop_pollfds(const struct atl_loop *loop, struct pollfd *out,
                                size_t size);

/*
 * Work for the loop's thread, in caller's memory, zeroed but for `fn` and
 * `data`, which must stay until `fn` has been called. Never fails. Queued work
 * keeps the loop alive. One post is used by atl_loop_post or by atl_loop_defer,
 * not by both. It may be queued again from the moment `fn` is called.
 */
struct atl_post;
typedef void atl_post_fn(struct atl_post *post);
struct atl_post {
    struct atl_post *next, *prev; /* the loop's */
    atl_post_fn *fn;
    void *data;
    bool queued; /* the loop's; a queued post is not queued twice */
    bool shared; /* the loop's: queued by atl_loop_post */
};

/* From any thread; wakes the loop. What the caller wrote before is seen by
   `fn`, also when the post was queued already. */
ATL_API void atl_loop_post(struct atl_loop *loop, struct atl_post *post);
/* From the loop's thread only, without a lock; runs in phase 4. */
ATL_API void atl_loop_defer(struct atl_loop *loop, struct atl_post *post);
/* Takes back what atl_loop_defer queued; nothing happens if it ran. */
ATL_API void atl_loop_undefer(struct atl_loop *loop, struct atl_post *post);
/* Ends the wait of the running turn; any thread, safe in signal handlers. */
ATL_API void atl_loop_wake(struct atl_loop *loop);

/*
 * Timers, in caller's memory: the loop borrows a started timer until it was
 * stopped or, not repeating, has fired. Order is by due time, then by start.
 */
struct atl_timer;
typedef void atl_timer_fn(struct atl_timer *timer);
struct atl_timer {
    atl_timer_fn *fn;
    void *data;
    struct atl_loop *loop; /* borrows */
    int64_t due_ns;        /* when it fires next */
    int64_t repeat_ns;     /* 0: once */
    uint64_t missed;       /* ticks skipped because the loop was late */
    uint32_t index;        /* the loop's: place in its heap, 0: not started */
    bool unref;            /* does not keep the loop alive */
};

ATL_API void atl_timer_init(struct atl_timer *timer, struct atl_loop *loop,
                            atl_timer_fn *fn, void *data);
/*
 * Fires after `delay_ns` from a fresh reading of the clock (negative counts as
 * 0; ATL_NEVER: stays stopped), then each `repeat_ns` on the grid start +
 * delay + k * repeat: late ticks are skipped and counted in `missed`. Starting
 * a started timer moves it. -ENOMEM leaves it stopped.
 */
ATL_API int atl_timer_start(struct atl_timer *timer, int64_t delay_ns,
                            int64_t repeat_ns);
/* Idempotent; safe inside its own callback. */
ATL_API void atl_timer_stop(struct atl_timer *timer);
ATL_API bool atl_timer_active(const struct atl_timer *timer);
/* Whether a started timer keeps the loop alive (default true). */
ATL_API void atl_timer_keep_alive(struct atl_timer *timer, bool keep);

/*
 * Signals. The first handle of a signal number in the process installs a
 * handler, closing the last one restores what was there. `fn` runs on the
 * loop, once for any number of deliveries since the last turn. Signal handles
 * do not keep the loop alive.
 */
struct atl_signal;
typedef void atl_signal_fn(struct atl_signal *signal, int number);
ATL_API int atl_signal_open(struct atl_signal **out, struct atl_loop *loop,
                            int number, atl_signal_fn *fn, void *data,
                            struct atl_error *why);
ATL_API void atl_signal_close(struct atl_signal **signal);
ATL_API void *atl_signal_data(const struct atl_signal *signal);
/* "SIGHUP" or "HUP" -> number, -EINVAL; and back ("SIGHUP", NULL). */
ATL_API int atl_signal_number(const char *name);
ATL_API const char *atl_signal_name(int number);
/* Sets SIGPIPE to ignored, process-wide: for runners, never done unasked. */
ATL_API void atl_signal_ignore_pipe(void);

/*
 * The process's limit of open descriptors (RLIMIT_NOFILE, getrlimit(2)).
 * SIZE_MAX stands for unlimited.
 */
ATL_API int atl_fdlimit_get(size_t *soft, size_t *hard);
/*
 * Asks for a soft limit of `want`. The hard limit is tried only when `want`
 * exceeds it and is never lowered. *got is what holds afterwards. 0: got
 * `want`; -EPERM: less, and *why says how much and how to get more; -EINVAL:
 * `want` is 0; -EBUSY: a descriptor numbered `want` or higher is open.
 */
ATL_API int atl_fdlimit_set(size_t want, size_t *got, struct atl_error *why);
/* What this loop can use: min(soft limit, the backend's highest fd + 1). */
ATL_API size_t atl_loop_max_files(const struct atl_loop *loop);

/* Counters since the loop was made, and what is open now. */
struct atl_stats {
    uint64_t turns, events, stale_events;
    uint64_t timers_fired, posts_run;
    uint64_t accepted, connected, closed;
    uint64_t reads, writes, bytes_in, bytes_out;
    uint64_t accept_errors, accept_pauses, accept_refused;
    uint64_t deadlines; /* connections ended by one of their time limits */
    uint64_t streams, listeners, timers, signals, files; /* open now */
    uint64_t memory; /* bytes, whole process, engine only */
};
ATL_API void atl_loop_stats(const struct atl_loop *loop, struct atl_stats *out);

/* Walks every object: leak checks and inspection. Stops when fn returns
   non-zero, and returns that. fn must not close anything. */
enum atl_kind {
    ATL_KIND_STREAM,
    ATL_KIND_LISTENER,
    ATL_KIND_SIGNAL,
    ATL_KIND_RESOLVE,
    ATL_KIND_TIMER,
    ATL_KINDS
};
typedef int atl_visit_fn(void *ctx, enum atl_kind kind, void *object,
                         bool keeps_alive);
ATL_API int atl_loop_visit(struct atl_loop *loop, atl_visit_fn *fn, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
