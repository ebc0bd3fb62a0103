/* SPDX-License-Identifier: MIT */
/*
 * The deadlines of a stream: connecting, idle, stalled output, linger. They
 * share one timer, which is never moved by activity: when it fires it looks at
 * the stamps, and if nothing is due it starts itself for the nearest deadline.
 */
#include "net/stream.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"

enum deadline { DUE_CONNECT, DUE_STALL, DUE_LINGER, DUE_IDLE };

static int64_t later(int64_t start_ns, int64_t span_ns)
{
    return span_ns > ATL_NEVER - start_ns ? ATL_NEVER : start_ns + span_ns;
}

static int64_t idle_span(const struct atl_stream *s)
{
    return s->rare != NULL && s->rare->idle_ns != 0 ? s->rare->idle_ns
                                                    : s->config->idle_ns;
}

/* The nearest deadline, ATL_NEVER when there is none. */
static int64_t nearest(const struct atl_stream *s, enum deadline *what)
{
    int64_t due = ATL_NEVER;
    *what = DUE_IDLE;
    if (s->state == ATL_STREAM_CONNECTING || s->lingering) {
        *what = s->lingering ? DUE_LINGER : DUE_CONNECT;
        return s->clock != NULL ? s->clock->due_ns : ATL_NEVER;
    }
    if (s->state == ATL_STREAM_OPEN && !(s->holds & ATL_HOLD_WORK))
        due = later(s->active_ns, idle_span(s));
    if (s->blocked && s->clock != NULL) {
        int64_t stall = later(s->clock->output_ns, s->config->stall_ns);
        if (stall <= due) {
            due = stall;
            *what = DUE_STALL;
        }
    }
    return due;
}

static void expire(struct atl_stream *s, enum deadline what)
{
    char text[64];
    atl__loop_counters(s->object.loop)->deadlines++;
    switch (what) {
    case DUE_CONNECT:
        snprintf(text, sizeof(text), "timed out after %.6g s",
                 (double)s->config->connect_ns / 1e9);
        atl__connect_failed(s, -ETIMEDOUT, text);
        break;
    case DUE_STALL:
        snprintf(text, sizeof(text), "output stalled for %.6g s",
                 (double)s->config->stall_ns / 1e9);
        atl__stream_end(s, END_RESET, -ETIMEDOUT, text);
        break;
    case DUE_LINGER:
        atl__stream_end(s, END_HARD, 0, NULL);
        break;
    case DUE_IDLE:
        snprintf(text, sizeof(text), "no data for %.6g s (idle timeout)",
                 (double)idle_span(s) / 1e9);
        atl__stream_end(s, END_HARD, -ETIMEDOUT, text);
        break;
    }
}

static void on_timer(struct atl_timer *timer)
{
    struct atl_stream *s = timer->data;
    enum deadline what;
    if (nearest(s, &what) <= atl_loop_now(s->object.loop))
        expire(s, what);
    else if (atl__clock_update(s) < 0)
        atl__stream_end(s, END_HARD, -ENOMEM, NULL);
}

static int clock_make(struct atl_stream *s)
{
    if (s->clock != NULL)
        return 0;
    s->clock = atl__zalloc(sizeof(*s->clock));
    if (s->clock == NULL)
        return -ENOMEM;
    atl_timer_init(&s->clock->timer, s->object.loop, on_timer, s);
    atl_timer_keep_alive(&s->clock->timer, false);
    s->clock->output_ns = atl_loop_now(s->object.loop);
    s->clock->due_ns = ATL_NEVER;
    return 0;
}

int atl__clock_update(struct atl_stream *s)
{
    enum deadline what;
    if (s->blocked && s->config->stall_ns != ATL_NEVER && clock_make(s) < 0)
        return -ENOMEM;
    int64_t due = nearest(s, &what);
    if (due == ATL_NEVER)
        return 0;
    if (clock_make(s) < 0)
        return -ENOMEM;
    struct atl_timer *timer = &s->clock->timer;
    if (atl_timer_active(timer) && timer->due_ns <= due)
        return 0;
    return atl_timer_start(timer, due - atl_loop_clock(s->object.loop), 0);
}

void atl__clock_output(struct atl_stream *s)
{
    if (s->clock != NULL)
        s->clock->output_ns = atl_loop_now(s->object.loop);
}

int atl__clock_due(struct atl_stream *s, int64_t after_ns)
{
    if (clock_make(s) < 0)
        return -ENOMEM;
    s->clock->due_ns = later(atl_loop_clock(s->object.loop), after_ns);
    return atl__clock_update(s);
}

void atl__clock_free(struct atl_stream *s)
{
    if (s->clock == NULL)
        return;
    atl_timer_stop(&s->clock->timer);
    atl__free(s->clock, sizeof(*s->clock));
    s->clock = NULL;
}
