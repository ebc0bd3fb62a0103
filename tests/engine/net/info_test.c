/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void asking(struct atl_loop *loop)
{
    struct net_record r = {0};
    struct atl_stream_stats stats;
    struct atl_addr here, there;
    int fd = net_pair(&r, loop, NULL);
    struct atl_stream *s = r.stream;
    CHECK_EQ_PTR(atl_stream_loop(s), loop);
    CHECK_EQ_PTR(atl_stream_data(s), &r);
    CHECK_EQ_INT(atl_stream_state(s), ATL_STREAM_OPEN);
    CHECK(!atl_stream_ended(s));
    CHECK(atl_stream_fd(s) >= 0);
    CHECK_EQ_PTR(atl_stream_listener(s), NULL);
    CHECK_OK(atl_stream_local(s, &here));
    CHECK_OK(atl_stream_peer(s, &there));
    CHECK_EQ_STR(atl_addr_family(&there), "ipv4");
    net_send(fd, "12345", 5);
    NET_UNTIL(loop, r.length == 5);
    CHECK_OK(atl_stream_write(s, "123", 3, 0));
    net_settle(loop);
    atl_stream_stats(s, &stats);
    CHECK_EQ_INT(stats.bytes_in, 5);
    CHECK_EQ_INT(stats.bytes_out, 3);
    CHECK_EQ_INT(stats.queued + stats.buffered, 0);
    CHECK_RANGE(stats.opened_ns, 1, stats.idle_ns);
    atl_stream_close(s);
    CHECK_EQ_INT(atl_stream_state(s), ATL_STREAM_CLOSED);
    CHECK_EQ_INT(atl_stream_fd(s), -1);
    CHECK_OK(atl_stream_local(s, &here)); /* until on_close has returned */
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(a_stream_tells_about_itself)
{
    net_each_backend(asking);
}

/* Addresses in on_close, however the stream ended. */
static struct atl_addr last_local;
static int last_result;

static void ask_on_close(struct atl_stream *s, const struct atl_error *why)
{
    (void)why;
    last_result = atl_stream_local(s, &last_local);
}

static void late(struct atl_loop *loop)
{
    static const struct atl_stream_handlers asks = {.on_close = ask_on_close};
    for (int way = 0; way < 2; way++) {
        struct net_record r = {0};
        int fd = net_pair(&r, loop, NULL);
        atl_stream_set_handlers(r.stream, &asks);
        net_settle(loop);
        last_result = 1;
        if (way == 0)
            atl_stream_close(r.stream);
        else
            net_reset(fd);
        NET_UNTIL(loop, last_result != 1);
        CHECK_EQ_INT(last_result, 0);
        CHECK(atl_addr_port(&last_local) > 0);
        if (way == 0)
            close(fd);
        net_finish(loop);
    }
}
TEST(addresses_can_be_asked_for_in_on_close)
{
    net_each_backend(late);
}

static void changed_handlers(struct atl_loop *loop)
{
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    atl_stream_set_handlers(r.stream, NULL); /* nobody reads */
    net_send(fd, "kept", 4);
    net_settle(loop);
    CHECK_EQ_INT(r.calls, 0);
    atl_stream_set_handlers(r.stream, &net_recorder);
    NET_UNTIL(loop, r.calls == 1);
    CHECK_EQ_STR(r.bytes, "kept");
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(handlers_can_be_exchanged)
{
    net_each_backend(changed_handlers);
}

static void to_netstrings(struct net_record *r, const void *bytes, size_t n)
{
    static const struct atl_frame netstring = {.kind = ATL_FRAME_NETSTRING};
    if (n == 5 && memcmp(bytes, "UPPER", 5) == 0)
        CHECK_OK(atl_stream_set_frame(r->stream, &netstring, NULL));
    if (n == 3)
        CHECK_OK(atl_stream_set_frame(r->stream, NULL, NULL));
}

static void changed_frame(struct atl_loop *loop)
{
    struct atl_frame line = {.kind = ATL_FRAME_LINE},
                     bad = {.kind = ATL_FRAME_FIXED};
    struct atl_stream_options o = {.frame = &line};
    struct net_record r = {.marked = true, .then_data = to_netstrings};
    int fd = net_pair(&r, loop, &o);
    CHECK_CODE(atl_stream_set_frame(r.stream, &bad, NULL), -EINVAL);
    net_send(fd, "UPPER\n2:ab,3:abc,raw\n", 21);
    NET_UNTIL(loop, r.calls == 4);
    CHECK_EQ_STR(r.bytes, "UPPER|ab|abc|raw\n|");
    atl_stream_close(r.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(framing_can_change_from_one_frame_to_the_next)
{
    net_each_backend(changed_frame);
}
