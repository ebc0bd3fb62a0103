/* SPDX-License-Identifier: MIT */
/* The everyday life of streams: open, exchange, end. */
#include "net.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void write_back(struct net_record *r, const void *bytes, size_t n)
{
    CHECK_OK(atl_stream_write(r->stream, bytes, n, 0));
}

static void echo(struct atl_loop *loop)
{
    struct net_server server = {.record = {.then_data = write_back}};
    net_server_open(&server, loop, NULL);
    int fd = net_dial(server.port);
    char reply[5];
    net_send(fd, "hello", 5);
    net_receive(loop, fd, reply, 5);
    CHECK_EQ_MEM(reply, "hello", 5);
    CHECK_EQ_INT(server.record.opened, 1);
    close(fd);
    NET_UNTIL(loop, server.record.ended == 1);
    CHECK_EQ_INT(server.record.closed, 0);
    CHECK(atl_stream_ended(server.record.stream));
    atl_stream_close(server.record.stream);
    atl_listener_close(server.listener);
    net_finish(loop);
    CHECK_EQ_INT(server.record.closed, 1);
    CHECK_EQ_INT(server.record.code, 0);
    CHECK_EQ_INT(server.closed, 1);
    net_record_free(&server.record);
}
TEST(a_server_echoes)
{
    net_each_backend(echo);
}

static void client(struct atl_loop *loop)
{
    struct net_server server = {.record = {.then_data = write_back}};
    struct net_record r = {0};
    struct atl_stream_setup setup = {&net_recorder, &r, NULL, NULL};
    net_server_open(&server, loop, NULL);
    struct atl_endpoint at = net_at(server.port);
    CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
    CHECK_EQ_INT(atl_stream_state(r.stream), ATL_STREAM_CONNECTING);
    CHECK_OK(atl_stream_write(r.stream, "early", 5, 0));
    CHECK_EQ_INT(r.opened, 0);
    NET_UNTIL(loop, r.length == 5);
    CHECK_EQ_MEM(r.bytes, "early", 5);
    CHECK_EQ_INT(r.opened, 1);
    struct atl_addr peer;
    CHECK_OK(atl_stream_peer(r.stream, &peer));
    CHECK_EQ_INT(atl_addr_port(&peer), server.port);
    atl_stream_close(r.stream);
    NET_UNTIL(loop, r.closed == 1);
    NET_UNTIL(loop, server.record.ended == 1);
    atl_stream_close(server.record.stream);
    atl_listener_close(server.listener);
    net_finish(loop);
    net_record_free(&r);
    net_record_free(&server.record);
}
TEST(a_client_connects_and_its_early_writes_arrive)
{
    net_each_backend(client);
}

static void refused(struct atl_loop *loop)
{
    struct net_server server = {0};
    struct net_record r = {0};
    struct atl_stream_setup setup = {&net_recorder, &r, NULL, NULL};
    net_server_open(&server, loop, NULL);
    atl_listener_close(server.listener);
    net_finish(loop);
    struct atl_endpoint at = net_at(server.port);
    CHECK_OK(atl_connect(&r.stream, loop, &at, &setup, NULL));
    net_finish(loop);
    CHECK_EQ_INT(r.opened, 0);
    CHECK_EQ_INT(r.closed, 1);
    CHECK_CODE(r.code, -ECONNREFUSED);
    CHECK(strstr(r.text, "connect to 127.0.0.1:") == r.text);
    CHECK(strstr(r.text, ": connection refused") != NULL);
}
TEST(a_refused_connect_says_where_and_why)
{
    net_each_backend(refused);
}

static void default_end(struct atl_loop *loop)
{
    struct atl_stream_handlers quiet = net_recorder;
    struct net_record r = {0};
    int fd = net_pair(&r, loop, NULL);
    quiet.on_end = NULL;
    atl_stream_set_handlers(r.stream, &quiet);
    net_send(fd, "bye", 3);
    shutdown(fd, SHUT_WR);
    NET_UNTIL(loop, r.closed == 1);
    CHECK_CODE(r.code, ATL_EOF);
    CHECK_EQ_STR(r.text, "closed by peer");
    CHECK_EQ_STR(r.bytes, "bye");
    CHECK_EQ_INT(net_receive_end(loop, fd), 0);
    close(fd);
    net_finish(loop);
    net_record_free(&r);
}
TEST(without_on_end_the_stream_closes_when_the_peer_ends)
{
    net_each_backend(default_end);
}
