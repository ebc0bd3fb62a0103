/* SPDX-License-Identifier: MIT */
/*
 * Whom a listener lets in. Three things may close the door: its own limit of
 * connections, the loop running short of descriptors, and the application.
 * While it is closed, clients wait in the kernel's queue; a listener that
 * refuses takes them out of there to close them.
 */
#include "net/listener.h"

#include <errno.h>

static struct atl_listener *governed_of(struct atl_governed *g)
{
    return ATL_CONTAINER(g, struct atl_listener, governed);
}

static void starve(struct atl_governed *g)
{
    struct atl_listener *l = governed_of(g);
    l->pauses++;
    atl__admit_interest(l);
}

static void feed(struct atl_governed *g)
{
    atl__admit_interest(governed_of(g));
}

void atl__admit_join(struct atl_listener *l)
{
    l->governed.pause = starve;
    l->governed.resume = feed;
    atl__governor_join(l->object.loop, &l->governed);
}

void atl__admit_leave(struct atl_listener *l)
{
    atl__governor_leave(&l->governed);
}

bool atl__admit_full(const struct atl_listener *l)
{
    return l->family->connections >= l->max_connections ||
           atl__governor_paused(l->object.loop);
}

bool atl__admit_open(const struct atl_listener *l)
{
    return !l->closed && !l->paused && l->wanted > 0 &&
           (l->refuse || !atl__admit_full(l));
}

void atl__admit_interest(struct atl_listener *l)
{
    if (!l->closed)
        atl__io_want(&l->io, l->object.loop,
                     atl__admit_open(l) ? ATL_IO_READ : 0);
}

void atl__family_closed(struct stream_family *family)
{
    family->connections--;
    if (family->listener != NULL)
        atl__admit_interest(family->listener);
}

/* With every descriptor in use, the spare one makes room to turn a client
   away instead of leaving it to wait. */
static bool refuse_by_spare(struct atl_listener *l)
{
    struct atl_loop *loop = l->object.loop;
    const struct atl_os *os = listener_os(l);
    if (!atl__governor_lend_spare(loop))
        return false;
    int fd = atl__os_accept(os, l->io.fd, NULL, NULL);
    if (fd >= 0) {
        atl__os_close(os, fd);
        l->refused++;
        atl__loop_counters(loop)->accept_refused++;
    }
    atl__governor_restore_spare(loop);
    return fd >= 0;
}

bool atl__admit_failed(struct atl_listener *l, int code)
{
    switch (code) {
    case -EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case -EWOULDBLOCK:
#endif
        return false;
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM:
        l->errors++;
        atl__loop_counters(l->object.loop)->accept_errors++;
        /* Told in both cases: it is the operator who can raise the limit. */
        atl__governor_failed(l->object.loop, code);
        return l->refuse && refuse_by_spare(l);
    case -EBADF:
    case -EINVAL:
    case -ENOTSOCK:
        l->errors++;
        atl_log(ATL_LOG_ERROR, "a listener's socket is broken (%s): closed",
                atl_error_text(code));
        atl_listener_close(l);
        return false;
    default:
        /* ECONNABORTED, EPROTO, EPERM, ...: this client's bad luck, not the
           listener's. */
        l->errors++;
        atl__loop_counters(l->object.loop)->accept_errors++;
        return true;
    }
}

void atl_listener_pause(struct atl_listener *l)
{
    l->paused = true;
    atl__admit_interest(l);
}

void atl_listener_resume(struct atl_listener *l)
{
    l->paused = false;
    atl__admit_interest(l);
}

void atl_listener_want(struct atl_listener *l, size_t count)
{
    l->wanted = count;
    atl__admit_interest(l);
}
