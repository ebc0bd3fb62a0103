/* SPDX-License-Identifier: MIT */
/*
 * The parts of the load generator: what messages look like, how it measures,
 * and groups of connections that are given work.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Messages. A connection sends bursts of messages of one size; each message
 * ends in a newline, so that servers with and without framing can echo them.
 * All other bytes follow from `phase`, which differs between connections and
 * between bursts, and from the position in the burst: a byte that is lost,
 * doubled, swapped or sent to another connection is seen.
 */
void pattern_init(void);
uint32_t pattern_phase(uint64_t connection, uint64_t burst);
/* Bytes [position, position + length) of a burst of `size`-byte messages. */
void pattern_fill(uint32_t phase, size_t size, size_t position, char *out,
                  size_t length);
/* How many of these bytes are not as they should be. */
size_t pattern_wrong(uint32_t phase, size_t size, size_t position,
                     const char *in, size_t length);

/* Durations with an error of at most 1/32. */
#define HISTOGRAM_SLOTS (60 * 32)
struct histogram {
    uint64_t total, slots[HISTOGRAM_SLOTS];
};
void histogram_add(struct histogram *h, int64_t ns);
/* The duration that `share` (0 to 1) of all do not exceed. */
int64_t histogram_at(const struct histogram *h, double share);

int64_t clock_ns(void);
/* CPU time of all threads of a process, 0: this one; -1: no such process. */
int64_t cpu_ns(pid_t pid);
/* Time that all CPUs of the machine were busy, in ns; coarse. */
int64_t machine_ns(void);
/* Descriptors a process has open, or -1. */
int open_files(pid_t pid);
/* Asks for as many descriptors as the hard limit allows; returns the limit. */
size_t raise_file_limit(void);

struct connection {
    int fd; /* -1: failed */
    uint32_t phase;
    size_t sent, received; /* of the running burst */
    uint64_t number, bursts, left;
    int64_t started_ns;
};

/* Connections to one server, kept over many pieces of work. */
struct group {
    char name[32];
    struct sockaddr_in server;
    pid_t pid; /* of the server, 0: unknown */
    int epoll;
    struct connection *connections; /* owns */
    size_t count, room;
};

struct work {
    size_t first, busy, stride; /* which connections: first + k * stride */
    size_t size;                /* of a message */
    unsigned depth;             /* messages of a burst */
    uint64_t bursts; /* of each connection; 0: until the time is up */
    int64_t duration_ns;
};

struct outcome {
    uint64_t messages, wrong, errors;
    int64_t took_ns, server_ns, load_ns, machine_ns;
    struct histogram latency; /* from the first byte sent to the last got */
};

/* False: `address` is no IPv4 address and port, or no memory. */
bool group_init(struct group *g, const char *name, const char *address,
                pid_t pid);
/* Opens connections until there are `count`; each echoes one message. */
void group_open(struct group *g, size_t count, struct outcome *out);
void group_work(struct group *g, const struct work *work, struct outcome *out);
void group_fini(struct group *g);
/* `parallel` times at once: connect, echo a message, close. */
void connects_work(const struct group *g, size_t parallel, int64_t duration_ns,
                   struct outcome *out);

/* What group and connects share: a running measurement. */
struct measure {
    int64_t start_ns, server_ns, load_ns, machine_ns;
};
void measure_start(struct measure *m, pid_t server);
void measure_stop(const struct measure *m, pid_t server, struct outcome *out);

#endif
