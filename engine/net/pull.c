/* SPDX-License-Identifier: MIT */
/*
 * Input on request. Whether a request can be answered is a question to the
 * bytes in memory and to how the input ended; it is asked when the request is
 * made and each time more has arrived.
 */
#include "net/stream.h"

#include <errno.h>

static int cut_frame(const struct atl_frame *frame, struct stream_request *q,
                     struct atl_bytes in, int over, struct atl_cut *cut)
{
    if (frame == NULL)
        return -EINVAL;
    int r = atl_frame_cut(frame, in.data, in.length, &q->scanned, cut, NULL);
    if (r != 0 || over == 0)
        return r;
    if (over != ATL_EOF || frame->kind != ATL_FRAME_LINE || in.length == 0)
        return over;
    *cut = (struct atl_cut){0, in.length, in.length};
    return 1;
}

static int cut_all(const struct stream_request *q, struct atl_bytes in,
                   int over, struct atl_cut *cut)
{
    if (q->size != 0 && in.length > q->size)
        return -EMSGSIZE;
    *cut = (struct atl_cut){0, in.length, in.length};
    return over == ATL_EOF ? 1 : over;
}

/* 1: *cut says what the answer is; 0: more is needed; negative: it cannot be
   had any more. */
static int decide(const struct atl_stream *s, struct stream_request *q,
                  struct atl_cut *cut)
{
    struct atl_bytes in = atl__input_view(s);
    int over = atl__input_over(s);
    switch (q->kind) {
    case ATL_READ_FRAME:
        return cut_frame(q->frame ? q->frame : atl__stream_frame(s), q, in,
                         over, cut);
    case ATL_READ_ALL:
        return cut_all(q, in, over, cut);
    case ATL_READ_SOME:
        cut->length = q->size != 0 && q->size < in.length ? q->size : in.length;
        break;
    case ATL_READ_EXACT:
    case ATL_READ_PEEK:
        cut->length = q->size;
        if (in.length < q->size)
            return over;
        break;
    }
    if (q->kind == ATL_READ_SOME && in.length == 0)
        return over;
    cut->offset = 0;
    cut->consumed = q->kind == ATL_READ_PEEK ? 0 : cut->length;
    return 1;
}

/* Takes the answer out of the input. At the end of the stream the rest that
   answers nothing goes with the failure. */
static struct atl_bytes take(struct atl_stream *s, int result,
                             const struct atl_cut *cut)
{
    struct atl_bytes in = atl__input_view(s);
    if (result > 0) {
        atl__input_skip(s, cut->consumed);
        return (struct atl_bytes){in.data + cut->offset, cut->length};
    }
    if (atl__input_over(s) != 0 && result == atl__input_over(s))
        atl__input_skip(s, in.length);
    return in;
}

static void request_done(struct atl_stream *s)
{
    s->requested = 0;
    if (s->pull)
        s->holds |= ATL_HOLD_PULL;
}

bool atl__pull_answer(struct atl_stream *s)
{
    struct stream_request some = {.kind = ATL_READ_SOME};
    struct atl_cut cut;
    int r = decide(s, s->wants_some ? &some : &s->rare->request, &cut);
    if (r == 0)
        return false;
    struct atl_bytes answer = take(s, r, &cut);
    request_done(s);
    if (s->handlers->on_read == NULL)
        return true;
    atl__object_enter(&s->object);
    s->handlers->on_read(s, r, answer.data, answer.length);
    atl__object_leave(&s->object);
    return true;
}

static int read_check(const struct atl_stream *s, const struct atl_read *want)
{
    if (s->state == ATL_STREAM_CLOSED)
        return atl__stream_gone(s);
    if (s->requested || (s->rare != NULL && s->rare->relay_from != NULL))
        return -EBUSY;
    if ((unsigned)want->kind > ATL_READ_PEEK)
        return -EINVAL;
    if (want->kind != ATL_READ_FRAME)
        return 0;
    if (want->frame != NULL)
        return want->frame->kind == ATL_FRAME_NONE
                   ? -EINVAL
                   : atl_frame_check(want->frame, NULL);
    return atl__stream_frame(s) != NULL ? 0 : -EINVAL;
}

/* Most streams that wait idly wait for whatever comes. */
static int keep_request(struct atl_stream *s, const struct stream_request *q)
{
    s->wants_some = q->kind == ATL_READ_SOME && q->size == 0;
    if (s->wants_some)
        return 0;
    struct stream_rare *rare = atl__stream_rare(s);
    if (rare == NULL)
        return -ENOMEM;
    if (q->frame != NULL && atl__frame_keep(&rare->asked, q->frame) < 0)
        return -ENOMEM;
    rare->request = *q;
    if (q->frame != NULL)
        rare->request.frame = rare->asked;
    return 0;
}

int atl_stream_read(struct atl_stream *s, const struct atl_read *want,
                    struct atl_bytes *out)
{
    struct stream_request q = {
        .kind = want->kind, .size = want->size, .frame = want->frame};
    struct atl_cut cut = {0, 0, 0};
    *out = (struct atl_bytes){NULL, 0};
    int r = read_check(s, want);
    if (r < 0)
        return r;
    r = decide(s, &q, &cut);
    if (r != 0) {
        *out = take(s, r, &cut);
        /* The end that was behind these bytes may be due now. */
        if (atl__input_over(s) != 0)
            atl__input_resume(s);
        return r;
    }
    r = keep_request(s, &q);
    if (r < 0)
        return r;
    s->requested = 1;
    s->holds &= (uint8_t)~ATL_HOLD_PULL;
    atl__stream_interest(s);
    return 0;
}

void atl_stream_read_cancel(struct atl_stream *s)
{
    if (!s->requested)
        return;
    request_done(s);
    atl__input_resume(s);
}

void atl_stream_set_pull(struct atl_stream *s, bool pull)
{
    if (s->pull == pull)
        return;
    s->pull = pull;
    if (pull && !s->requested)
        s->holds |= ATL_HOLD_PULL;
    else
        s->holds &= (uint8_t)~ATL_HOLD_PULL;
    atl__input_resume(s);
}
