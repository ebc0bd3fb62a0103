/* SPDX-License-Identifier: MIT */
/* The loop as a whole: making, running, ending, and looking into it. */
#include "loop/private.h"

#include <errno.h>
#include <limits.h>

#include "base/mem.h"

static void on_wake(struct atl_io *io, unsigned ready)
{
    struct atl_loop *loop = ATL_CONTAINER(io, struct atl_loop, wake_io);
    (void)ready;
    atl__os_wake_clear(loop->wake[0]);
    if (loop->signal_port >= 0)
        atl__signals_run(loop);
}

static void close_wake(struct atl_loop *loop)
{
    atl__os_close(loop->os, loop->wake[0]);
    if (loop->wake[1] != loop->wake[0])
        atl__os_close(loop->os, loop->wake[1]);
}

static int start_backend(struct atl_loop *loop,
                         const struct atl_backend *backend,
                         struct atl_error *why)
{
    struct atl_backend_self *self = atl__zalloc(backend->size);
    if (self == NULL)
        return atl_fail(why, -ENOMEM, NULL);
    self->os = loop->os;
    int r = backend->init(self, why);
    if (r < 0) {
        atl__free(self, backend->size);
        return r;
    }
    loop->backend = backend;
    loop->self = self;
    return 0;
}

/* The one asked for, else the best that this system has and allows. */
static int choose_backend(struct atl_loop *loop, const char *name,
                          struct atl_error *why)
{
    const struct atl_backend *backend;
    int r = atl__backend_find(&backend, name, why);
    if (r < 0)
        return r;
    r = start_backend(loop, backend, why);
    if (name != NULL || (r != -ENOSYS && r != -EPERM))
        return r;
    atl_log(ATL_LOG_INFO, "no %s here (%s): using poll", backend->name,
            atl_error_text(r));
    return start_backend(loop, &atl__backend_poll, why);
}

/* What fails half way is undone by free_parts. */
static int open_parts(struct atl_loop *loop, const char *backend,
                      struct atl_error *why)
{
    loop->read_buffer = atl__alloc(ATL_READ_SIZE);
    loop->gather.bytes = atl__alloc(ATL_GATHER_SIZE);
    if (loop->read_buffer == NULL || loop->gather.bytes == NULL ||
        atl__slots_new(&loop->slots) < 0)
        return atl_fail(why, -ENOMEM, NULL);
    int r = choose_backend(loop, backend, why);
    if (r < 0)
        return r;
    r = loop->os->calls->event_open(loop->os->self, loop->wake);
    if (r < 0)
        return atl_fail(why, r, "wake-up descriptor: %s", atl_error_text(r));
    r = atl__io_open(&loop->wake_io, loop, loop->wake[0], on_wake, why);
    if (r < 0) {
        close_wake(loop);
        loop->wake[0] = -1;
        return r;
    }
    atl__io_want(&loop->wake_io, loop, ATL_IO_READ);
    return 0;
}

static void free_parts(struct atl_loop *loop)
{
    if (loop->wake[0] >= 0) {
        atl__io_release(&loop->wake_io, loop);
        close_wake(loop);
    }
    if (loop->self != NULL) {
        loop->backend->fini(loop->self);
        atl__free(loop->self, loop->backend->size);
    }
    atl__slots_free(&loop->slots);
    atl__free(loop->dirty, loop->dirty_capacity * sizeof(*loop->dirty));
    atl__free(loop->gather.bytes, ATL_GATHER_SIZE);
    atl__free(loop->read_buffer, ATL_READ_SIZE);
    atl__mutex_fini(&loop->lock);
    atl__free(loop, sizeof(*loop));
}

int atl_loop_new(struct atl_loop **out, const struct atl_loop_options *options,
                 struct atl_error *why)
{
    static const struct atl_loop_options defaults;
    const struct atl_loop_options *o = options ? options : &defaults;
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i] != 0)
            return atl_fail(why, -EINVAL, "reserved options must be zero");
    struct atl_loop *loop = atl__zalloc(sizeof(*loop));
    if (loop == NULL)
        return atl_fail(why, -ENOMEM, NULL);
    loop->os = o->os ? o->os : &atl__os_real;
    loop->wake[0] = loop->wake[1] = loop->signal_port = -1;
    loop->closing_end = &loop->closing;
    atl__posts_init(&loop->ready);
    atl__posts_init(&loop->flush);
    atl__posts_init(&loop->posted);
    atl__list_init(&loop->always);
    for (int i = 0; i < ATL_KINDS; i++)
        atl__list_init(&loop->objects[i]);
    atl__mutex_init(&loop->lock);
    int r = open_parts(loop, o->backend, why);
    if (r < 0) {
        free_parts(loop);
        return r;
    }
    loop->now_ns = atl_loop_clock(loop);
    atl__governor_init(loop);
    *out = loop;
    return 0;
}

/* Ending one object may end others and take them off the list, so each is put
   back before it is ended and none is remembered. */
static void close_kind(struct atl_list *head)
{
    struct atl_list todo;
    atl__list_take(&todo, head);
    while (!atl__list_empty(&todo)) {
        struct atl_list *link = todo.next;
        struct atl_object *o = ATL_CONTAINER(link, struct atl_object, link);
        atl__list_remove(link);
        atl__list_append(head, link);
        if (o->state == ATL_OBJECT_OPEN || o->ops > 0)
            o->kind->close(o);
    }
}

/* Each round ends all objects there are; their on_close may make others. What
   still waits for a helper thread ends when its answer is posted. */
static void close_all(struct atl_loop *loop)
{
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < ATL_KINDS; i++)
            close_kind(&loop->objects[i]);
        if (loop->closing == NULL)
            break;
        atl__close_run(loop);
    }
    atl__close_free(loop);
}

static void destroy(struct atl_loop *loop)
{
    loop->dying = true;
    loop->running = true; /* a callback must not start a turn now */
    close_all(loop);
    atl__pool_fini(loop);
    for (int round = 0; round < 100; round++) {
        atl__posts_collect(loop);
        if (atl__posts_empty(&loop->ready) && atl__posts_empty(&loop->flush))
            break;
        atl__posts_run(loop, &loop->ready);
        atl__posts_run(loop, &loop->flush);
    }
    close_all(loop);
    atl__timers_drop(loop);
    atl__signals_fini(loop);
    atl__governor_fini(loop);
    loop->dirty_count = 0;
    atl__io_serve_always(loop); /* frees the records of closed descriptors */
    free_parts(loop);
}

void atl_loop_free(struct atl_loop **loop)
{
    struct atl_loop *l = *loop;
    *loop = NULL;
    if (l == NULL)
        return;
    if (l->running) {
        l->free_asked = true;
        return;
    }
    destroy(l);
}

bool atl_loop_alive(const struct atl_loop *loop)
{
    return loop->kept > 0 || loop->refs > 0 || loop->timers_kept > 0 ||
           loop->closing != NULL || !atl__posts_empty(&loop->ready) ||
           !atl__posts_empty(&loop->flush) || atomic_load(&loop->any_posted) ||
           loop->jobs > 0;
}

int atl_loop_step(struct atl_loop *loop, int64_t timeout_ns)
{
    if (loop->running)
        return -EBUSY;
    loop->running = true;
    int r = atl__turn(loop, timeout_ns < 0 ? 0 : timeout_ns);
    loop->running = false;
    if (loop->free_asked) {
        destroy(loop);
        return ATL_ECLOSED;
    }
    return r < 0 ? r : atl_loop_alive(loop);
}

int atl_loop_run(struct atl_loop *loop)
{
    if (loop->running)
        return -EBUSY;
    while (!loop->stopping && atl_loop_alive(loop)) {
        int r = atl_loop_step(loop, ATL_NEVER);
        if (r < 0)
            return r;
    }
    bool stopped = loop->stopping;
    loop->stopping = false;
    return stopped;
}

void atl_loop_stop(struct atl_loop *loop)
{
    loop->stopping = true;
    atl_loop_wake(loop);
}

void atl_loop_ref(struct atl_loop *loop)
{
    loop->refs++;
}

void atl_loop_unref(struct atl_loop *loop)
{
    loop->refs--;
}

int64_t atl_loop_now(const struct atl_loop *loop)
{
    return loop->now_ns;
}

int64_t atl_loop_clock(const struct atl_loop *loop)
{
    return loop->os->calls->now(loop->os->self);
}

int64_t atl_loop_time(const struct atl_loop *loop)
{
    return loop->os->calls->time(loop->os->self);
}

const char *atl_loop_backend(const struct atl_loop *loop)
{
    return loop->backend->name;
}

int atl_loop_prepare(struct atl_loop *loop, int64_t *timeout_ns)
{
    if (loop->running)
        return -EBUSY;
    loop->running = true;
    atl__turn_flush(loop);
    loop->running = false;
    if (loop->free_asked) {
        destroy(loop);
        return ATL_ECLOSED;
    }
    *timeout_ns = atl__turn_limit(loop, ATL_NEVER);
    return 0;
}

int atl_loop_fd(const struct atl_loop *loop)
{
    return loop->self->fd;
}

size_t atl_loop_pollfds(const struct atl_loop *loop, struct pollfd *out,
                        size_t size)
{
    uint32_t cursor = 0;
    size_t n = 0;
    const struct atl_io *io;
    while ((io = atl__slots_next(loop->slots, &cursor)) != NULL) {
        if (io->told == 0)
            continue;
        int events = ((io->told & ATL_IO_READ) ? POLLIN : 0) |
                     ((io->told & ATL_IO_WRITE) ? POLLOUT : 0) |
                     ((io->told & ATL_IO_HANGUP) ? POLLRDHUP : 0);
        if (n < size)
            out[n] = (struct pollfd){.fd = io->fd, .events = (short)events};
        n++;
    }
    return n;
}

const struct atl_os *atl__loop_os(const struct atl_loop *loop)
{
    return loop->os;
}

char *atl__loop_read_buffer(struct atl_loop *loop)
{
    return loop->read_buffer;
}

struct atl_share *atl__loop_share(struct atl_loop *loop)
{
    return &loop->share;
}

struct atl_gather *atl__loop_gather(struct atl_loop *loop)
{
    return &loop->gather;
}

struct atl_list *atl__loop_objects(struct atl_loop *loop, enum atl_kind kind)
{
    return &loop->objects[kind];
}
