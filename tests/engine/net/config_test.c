/* SPDX-License-Identifier: MIT */
#include "net/stream.h"

#include <errno.h>

#include "check.h"

TEST(zero_means_the_default)
{
    struct stream_config *c;
    CHECK_OK(atl__config_new(&c, NULL, NULL));
    CHECK_EQ_INT(c->high, 1 << 20);
    CHECK_EQ_INT(c->low, 256 << 10);
    CHECK_EQ_INT(c->cap, 8 << 20);
    CHECK_EQ_INT(c->idle_ns, ATL_NEVER);
    CHECK_EQ_INT(c->stall_ns, 30 * ATL_SECOND);
    CHECK_EQ_INT(c->linger_ns, 5 * ATL_SECOND);
    CHECK_EQ_INT(c->connect_ns, 10 * ATL_SECOND);
    CHECK(c->nodelay && c->keepalive && !c->pull && !c->framed);
    c->refs++;
    atl__config_unref(c);
    atl__config_unref(c);
}

TEST(options_are_checked_and_copied)
{
    struct atl_frame frame = {.kind = ATL_FRAME_U16BE, .max = 7};
    struct atl_stream_options o = {.frame = &frame,
                                   .high = 1000,
                                   .nodelay = ATL_OFF,
                                   .keepalive = ATL_ON,
                                   .pull = ATL_ON};
    struct stream_config *c = NULL;
    CHECK_OK(atl__config_new(&c, &o, NULL));
    frame.max = 8;
    CHECK_EQ_INT(c->frame.max, 7);
    CHECK_EQ_INT(c->low, 1000); /* never above the high mark */
    CHECK(!c->nodelay && c->keepalive && c->pull && c->framed);
    atl__config_unref(c);
    c = NULL;
    o.linger_ns = -1;
    CHECK_CODE(atl__config_new(&c, &o, NULL), -EINVAL);
    o.linger_ns = 0;
    o.reserved[3] = 1;
    CHECK_CODE(atl__config_new(&c, &o, NULL), -EINVAL);
    o.reserved[3] = 0;
    frame.kind = ATL_FRAME_FIXED; /* of no size */
    CHECK_CODE(atl__config_new(&c, &o, NULL), -EINVAL);
    CHECK_EQ_PTR(c, NULL);
}
