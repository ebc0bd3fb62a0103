/* SPDX-License-Identifier: MIT */
/*
 * The seam between the loop and the kernel's ways of waiting. A backend is one
 * file with one `const struct atl_backend`.
 *
 * Contract: level-triggered. `set` is called at most once per descriptor and
 * turn, never from inside `wait`, with what was told before (`from`, 0: not
 * registered) and what is wanted now (`to`, 0: forget the descriptor; always
 * called before the descriptor is closed). A descriptor is registered under
 * one token at a time. `wait` retries nothing: -EINTR is returned as 0 events.
 * Errors on a descriptor (POLLERR, POLLHUP, POLLNVAL) are reported as
 * ATL_IO_DEAD whatever was wanted.
 */
#ifndef ATL_LOOP_BACKEND_H
#define ATL_LOOP_BACKEND_H

#include "atools/base.h"
#include "os/os.h"

enum atl_io_want {
    ATL_IO_READ = 1,
    ATL_IO_WRITE = 2,
    ATL_IO_HANGUP = 4, /* the peer's FIN or the connection's death */
    ATL_IO_DEAD = 8    /* reported only */
};

struct atl_ready {
    uint64_t token;
    uint32_t ready; /* enum atl_io_want */
    int32_t result; /* completions: bytes or -errno; unused by the others */
    void *data;     /* completions: the bytes */
};

/* Each backend's private state begins with this. */
struct atl_backend_self {
    const struct atl_os *os; /* borrows */
    int fd;                  /* what a host can poll for the whole, or -1 */
};

struct atl_backend {
    const char *name;
    size_t size; /* of the private state, zeroed before init */
    int fd_max;  /* highest descriptor it can watch; INT_MAX: no limit */
    int (*init)(void *self, struct atl_error *why);
    void (*fini)(void *self);
    int (*set)(void *self, int fd, unsigned from, unsigned to, uint64_t token);
    int (*wait)(void *self, struct atl_ready *out, int size, int64_t wait_ns);
};

extern const struct atl_backend atl__backend_epoll, atl__backend_poll,
    atl__backend_select;

/* By name; NULL: the best. -EINVAL names the known ones. */
int atl__backend_find(const struct atl_backend **out, const char *name,
                      struct atl_error *why);

#endif
