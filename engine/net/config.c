/* SPDX-License-Identifier: MIT */
/*
 * What streams of one origin have in common, checked once and counted: the
 * options, and the way back to their listener.
 */
#include "net/stream.h"

#include <errno.h>

#include "base/mem.h"

static size_t size_or(size_t value, size_t preset)
{
    return value != 0 ? value : preset;
}

static int64_t time_or(int64_t value, int64_t preset)
{
    return value != 0 ? value : preset;
}

static int config_check(const struct atl_stream_options *o,
                        struct atl_error *why)
{
    for (size_t i = 0; i < sizeof(o->reserved) / sizeof(o->reserved[0]); i++)
        if (o->reserved[i] != 0)
            return atl_fail(why, -EINVAL, "reserved stream options are set");
    if (o->idle_ns < 0 || o->stall_ns < 0 || o->linger_ns < 0 ||
        o->connect_ns < 0)
        return atl_fail(why, -EINVAL, "a timeout is negative");
    return o->frame != NULL ? atl_frame_check(o->frame, why) : 0;
}

int atl__config_new(struct stream_config **out,
                    const struct atl_stream_options *options,
                    struct atl_error *why)
{
    static const struct atl_stream_options none;
    const struct atl_stream_options *o = options != NULL ? options : &none;
    int r = config_check(o, why);
    if (r < 0)
        return r;
    struct stream_config *c = atl__alloc(sizeof(*c));
    if (c == NULL)
        return atl_fail(why, -ENOMEM, NULL);
    *c = (struct stream_config){
        .refs = 1,
        .framed = o->frame != NULL && o->frame->kind != ATL_FRAME_NONE,
        .nodelay = o->nodelay != ATL_OFF,
        .keepalive = o->keepalive != ATL_OFF,
        .pull = o->pull == ATL_ON,
        .high = size_or(o->high, (size_t)1 << 20),
        .cap = size_or(o->cap, (size_t)8 << 20),
        .idle_ns = time_or(o->idle_ns, ATL_NEVER),
        .stall_ns = time_or(o->stall_ns, 30 * ATL_SECOND),
        .linger_ns = time_or(o->linger_ns, 5 * ATL_SECOND),
        .connect_ns = time_or(o->connect_ns, 10 * ATL_SECOND),
    };
    if (c->framed)
        c->frame = *o->frame;
    /* A low mark above the high one would never be crossed downwards. */
    c->low = size_or(o->low, (size_t)256 << 10);
    if (c->low > c->high)
        c->low = c->high;
    *out = c;
    return 0;
}

void atl__config_unref(struct stream_config *config)
{
    if (--config->refs == 0)
        atl__free(config, sizeof(*config));
}

void atl__family_unref(struct stream_family *family)
{
    if (--family->refs == 0)
        atl__free(family, sizeof(*family));
}
