/* SPDX-License-Identifier: MIT */
/*
 * For tests of streams: the same case on every backend, peers that are plain
 * blocking sockets, and handlers that write down what they were told.
 */
#ifndef NET_H
#define NET_H

#include "atools.h"
#include "check.h"

/* Runs `body` with a new loop for each backend. */
void net_each_backend(void (*body)(struct atl_loop *loop));

/* Steps until `condition` holds; fails the case after some seconds. */
#define NET_UNTIL(loop, condition)                                             \
    do {                                                                       \
        int64_t net_end = net_deadline();                                      \
        while (!(condition)) {                                                 \
            net_step(loop);                                                    \
            net_check_time(__FILE__, __LINE__, #condition, net_end);           \
        }                                                                      \
    } while (0)
int64_t net_deadline(void);
void net_check_time(const char *file, int line, const char *what, int64_t end);
void net_step(struct atl_loop *loop); /* one turn of at most 10 ms */
/* Turns until nothing is left in memory. */
void net_settle(struct atl_loop *loop);
/* Runs the loop until nothing keeps it alive. */
void net_finish(struct atl_loop *loop);

/* What happened to a stream. As its data, with net_recorder as handlers. */
struct net_record {
    struct atl_stream *stream;
    int opened, drained, levels, ended, dead, closed, calls, reads;
    int result; /* of the last on_read */
    int code, dead_code;
    char text[220];
    char *bytes; /* all that on_data and on_read brought, "|" after each if
                    marked is set */
    size_t length, capacity;
    bool marked;
    /* what else to do, after writing it down */
    void (*then_data)(struct net_record *r, const void *bytes, size_t n);
    void (*then_end)(struct net_record *r);
    void (*then_drain)(struct net_record *r);
    void (*then_read)(struct net_record *r);
    void *extra;
};
extern const struct atl_stream_handlers net_recorder;
void net_record_add(struct net_record *r, const void *bytes, size_t n);
void net_record_free(struct net_record *r);

/* A listener on 127.0.0.1 whose streams have net_recorder and one record. */
struct net_server {
    struct atl_listener *listener;
    struct net_record record; /* of the last stream accepted */
    int accepted, closed;
    uint16_t port;
    struct atl_stream_setup setup; /* handlers: instead of net_recorder */
};
void net_server_open(struct net_server *server, struct atl_loop *loop,
                     const struct atl_listener_options *options);

/* A blocking socket connected to 127.0.0.1:port; dies on failure. */
int net_dial(uint16_t port);
/* Both ends of a TCP connection: a recorded stream and a plain socket. */
int net_pair(struct net_record *r, struct atl_loop *loop,
             const struct atl_stream_options *options);
/* The same with a local pair, whose kernel buffers are small and exact. */
int net_local_pair(struct net_record *r, struct atl_loop *loop,
                   const struct atl_stream_options *options);
void net_send(int fd, const void *bytes, size_t n);
/* Exactly n bytes, running the loop meanwhile. */
void net_receive(struct atl_loop *loop, int fd, void *bytes, size_t n);
/* 0 at EOF, or the errno of a reset, running the loop meanwhile. */
int net_receive_end(struct atl_loop *loop, int fd);
void net_reset(int fd); /* closes with RST */
struct atl_endpoint net_at(uint16_t port);

#endif
