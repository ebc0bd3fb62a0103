/* SPDX-License-Identifier: MIT */
/* Binding, accepting, and what can be asked of a listener. */
#include "net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/os.h"

static void everywhere(struct atl_loop *loop)
{
    struct atl_endpoint at = {.host = ""};
    struct atl_listener *l;
    struct atl_addr here;
    struct atl_error why = {0, ""};
    CHECK_OK(atl_listener_open(&l, loop, &at, NULL, NULL, NULL, &why));
    CHECK_OK(atl_listener_local(l, &here));
    /* IPv4 clients come in, whatever families the machine has. */
    close(net_dial((uint16_t)atl_addr_port(&here)));
    net_settle(loop);
    struct atl_listener_stats stats;
    atl_listener_stats(l, &stats);
    CHECK_EQ_INT(stats.accepted, 1);
    atl_listener_close(l);
    atl_listener_close(l);
    CHECK_CODE(atl_listener_local(l, &here), ATL_ECLOSED);
    CHECK_EQ_INT(atl_listener_fd(l), -1);
}
TEST(an_empty_host_listens_on_all_addresses)
{
    net_each_backend(everywhere);
}

static int socket_without_ipv6(void *self, int family, int type, int protocol)
{
    if (family == AF_INET6)
        return -EAFNOSUPPORT;
    return atl__os_real.calls->socket(self, family, type, protocol);
}

TEST(without_ipv6_all_addresses_are_those_of_ipv4)
{
    struct atl_os_calls calls = *atl__os_real.calls;
    struct atl_os os = {&calls, atl__os_real.self};
    struct atl_loop_options o = {.os = &os};
    struct atl_endpoint at = {.host = ""};
    struct atl_listener *l;
    struct atl_loop *loop;
    struct atl_addr here;
    calls.socket = socket_without_ipv6;
    CHECK_OK(atl_loop_new(&loop, &o, NULL));
    CHECK_OK(atl_listener_open(&l, loop, &at, NULL, NULL, NULL, NULL));
    CHECK_OK(atl_listener_local(l, &here));
    CHECK_EQ_STR(atl_addr_family(&here), "ipv4");
    struct atl_listener_options only = {.v6only = ATL_ON};
    CHECK_CODE(atl_listener_open(&l, loop, &at, &only, NULL, NULL, NULL),
               -EAFNOSUPPORT);
    atl_loop_free(&loop);
}

static void words(struct atl_loop *loop)
{
    struct net_server server = {0};
    struct atl_listener *l = NULL;
    struct atl_error why = {0, ""};
    char text[200];
    net_server_open(&server, loop, NULL);
    struct atl_endpoint at = net_at(server.port);
    CHECK_CODE(atl_listener_open(&l, loop, &at, NULL, NULL, NULL, &why),
               -EADDRINUSE);
    snprintf(text, sizeof(text),
             "listen on 127.0.0.1:%d: address already in use (something "
             "listens there already: stop it or take another port)",
             server.port);
    CHECK_EQ_STR(why.text, text);
    strcpy(at.host, "192.0.2.1");
    CHECK_CODE(atl_listener_open(&l, loop, &at, NULL, NULL, NULL, &why),
               -EADDRNOTAVAIL);
    CHECK(strstr(why.text, "no interface of this machine") != NULL);
    strcpy(at.host, "no.such.name.invalid");
    CHECK_CODE(atl_listener_open(&l, loop, &at, NULL, NULL, NULL, &why),
               ATL_ENOTFOUND);
    CHECK(strstr(why.text, "no.such.name.invalid") != NULL);
    CHECK_EQ_PTR(l, NULL);
    strcpy(at.host, "localhost");
    at.port = 0;
    CHECK_OK(atl_listener_open(&l, loop, &at, NULL, NULL, NULL, &why));
    struct atl_listener_options bad = {.reserved = {1}};
    CHECK_CODE(atl_listener_open(&l, loop, &at, &bad, NULL, NULL, &why),
               -EINVAL);
    atl_listener_close(l);
    atl_listener_close(server.listener);
    net_finish(loop);
}
TEST(errors_of_listening_name_the_address_and_the_remedy)
{
    net_each_backend(words);
}

static void accepted(struct atl_loop *loop)
{
    struct net_server server = {0};
    struct atl_addr peer, mine = {.length = sizeof(mine.sa)};
    int value = 0;
    socklen_t n = sizeof(value);
    net_server_open(&server, loop, NULL);
    int fd = net_dial(server.port);
    NET_UNTIL(loop, server.record.opened == 1);
    struct atl_stream *s = server.record.stream;
    CHECK_EQ_PTR(atl_stream_listener(s), server.listener);
    CHECK_OK(atl_stream_peer(s, &peer));
    CHECK_OK(getsockname(fd, &mine.sa.any, &mine.length));
    CHECK_EQ_INT(atl_addr_port(&peer), atl_addr_port(&mine));
    CHECK_OK(
        getsockopt(atl_stream_fd(s), IPPROTO_TCP, TCP_NODELAY, &value, &n));
    CHECK_EQ_INT(value, 1);
    CHECK_OK(
        getsockopt(atl_stream_fd(s), SOL_SOCKET, SO_KEEPALIVE, &value, &n));
    CHECK_EQ_INT(value, 1);
    /* The connection outlives its listener. */
    atl_listener_close(server.listener);
    NET_UNTIL(loop, server.closed == 1);
    net_settle(loop);
    CHECK_EQ_PTR(atl_stream_listener(s), NULL);
    net_send(fd, "x", 1);
    NET_UNTIL(loop, server.record.calls == 1);
    atl_stream_close(s);
    close(fd);
    net_finish(loop);
    net_record_free(&server.record);
}
TEST(an_accepted_stream_knows_its_peer_and_outlives_its_listener)
{
    net_each_backend(accepted);
}

static void configured(struct atl_loop *loop)
{
    struct net_server server = {0};
    struct atl_frame line = {.kind = ATL_FRAME_LINE};
    struct atl_stream_options o = {.frame = &line, .nodelay = ATL_OFF};
    struct atl_frame bad = {.kind = ATL_FRAME_DELIMITER};
    struct atl_stream_options wrong = {.frame = &bad};
    double value = 1;
    net_server_open(&server, loop, NULL);
    CHECK_OK(atl_listener_configure(server.listener, &o, NULL, NULL));
    CHECK_CODE(atl_listener_configure(server.listener, &wrong, NULL, NULL),
               -EINVAL);
    int fd = net_dial(server.port);
    server.record.marked = true;
    net_send(fd, "a\nb", 3);
    NET_UNTIL(loop, server.record.calls == 1);
    CHECK_EQ_STR(server.record.bytes, "a|");
    CHECK_OK(
        atl_stream_get_option(server.record.stream, "nodelay", &value, NULL));
    CHECK_EQ_INT((int)value, 0);
    atl_listener_close(server.listener);
    atl_stream_abort(server.record.stream);
    close(fd);
    net_finish(loop);
    net_record_free(&server.record);
}
TEST(new_streams_get_what_was_configured_last)
{
    net_each_backend(configured);
}

static void data_pointer(struct atl_loop *loop)
{
    struct net_server server = {0};
    net_server_open(&server, loop, NULL);
    CHECK_EQ_PTR(atl_listener_data(server.listener), &server);
    CHECK_EQ_PTR(atl_listener_loop(server.listener), loop);
    atl_listener_set_data(server.listener, NULL);
    CHECK_EQ_PTR(atl_listener_data(server.listener), NULL);
    atl_listener_set_data(server.listener, &server);
    CHECK(atl_listener_fd(server.listener) >= 0);
    CHECK(atl_loop_alive(loop));
    atl_listener_close(server.listener);
    net_finish(loop);
}
TEST(a_listener_carries_data_and_keeps_the_loop_alive)
{
    net_each_backend(data_pointer);
}
