/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void options(struct atl_loop *loop)
{
    static const struct {
        const char *name, *type;
        double value;
    } all[] = {
        {"nodelay", "b", 0},
        {"keepalive", "b", 1},
        {"keepalive_idle", "s", 30},
        {"keepalive_interval", "s", 5},
        {"keepalive_count", "n", 3},
        {"user_timeout", "s", 2.5},
        {"quick_ack", "b", 1},
        {"unsent_low", "n", 16384},
        {"tos", "n", 16},
        {"ttl", "n", 7},
        {"priority", "n", 3},
        {"reuse_address", "b", 1},
        {"linger", "s", 7},
        {"linger", "s", -1},
    };
    struct net_record r = {0};
    struct atl_error why = {0, ""};
    double value;
    int fd = net_pair(&r, loop, NULL);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        CHECK_EQ_STR(atl_option_type(all[i].name), all[i].type);
        if (atl_stream_set_option(r.stream, all[i].name, all[i].value, &why) <
            0)
            CHECK_FAIL("%s", why.text);
        CHECK_OK(atl_stream_get_option(r.stream, all[i].name, &value, NULL));
        CHECK(value == all[i].value);
    }
    CHECK_OK(atl_stream_set_option(r.stream, "receive_buffer", 40000, NULL));
    CHECK_OK(atl_stream_get_option(r.stream, "receive_buffer", &value, NULL));
    CHECK(value >= 40000);
    CHECK_CODE(atl_stream_set_option(r.stream, "nodeley", 1, &why), -EINVAL);
    CHECK(strstr(why.text, "no option \"nodeley\"; known: nodelay ") != NULL);
    CHECK_CODE(atl_stream_get_option(
                   r.stream, "a name longer than any there is", &value, &why),
               -EINVAL);
    CHECK(strstr(why.text, " linger") != NULL); /* the list is whole */
    CHECK_CODE(atl_stream_get_option(r.stream, "", &value, &why), -EINVAL);
    CHECK_EQ_PTR(atl_option_type("x"), NULL);
    CHECK_CODE(atl_stream_set_option(r.stream, "send_buffer", -1, &why),
               -EINVAL);
    CHECK_CODE(atl_stream_set_option(r.stream, "send_buffer", 1e20, &why),
               -EINVAL);
    CHECK_CODE(atl_stream_set_option(r.stream, "send_buffer", 0.0 / 0.0, &why),
               -EINVAL);
    atl_stream_abort(r.stream);
    CHECK_CODE(atl_stream_set_option(r.stream, "nodelay", 1, &why),
               ATL_ECLOSED);
    CHECK_CODE(atl_stream_get_option(r.stream, "nodelay", &value, &why),
               ATL_ECLOSED);
    close(fd);
    net_finish(loop);
}
TEST(options_are_set_by_name_and_read_back)
{
    net_each_backend(options);
}
