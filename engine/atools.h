/* SPDX-License-Identifier: MIT */
/*
 * atools: a networking engine driven by callbacks.
 *
 * Hosts and bindings include this file only. The parts:
 *
 *   atools/base.h    errors, allocator, log
 *   atools/loop.h    the loop, timers, posts, signals, fd limit, statistics
 *   atools/addr.h    socket addresses as text and back
 *   atools/frame.h   framing: lines, lengths, delimiters
 *   atools/dns.h     names to addresses
 *   atools/stream.h  streams, listeners, connecting, relaying
 *
 * Rules that hold everywhere:
 *  - A loop and its objects belong to one thread. Only atl_loop_post and
 *    atl_loop_wake may be called from other threads.
 *  - Functions return 0 or a positive value, or a negative code: -errno, or
 *    one of enum atl_code. Where a `struct atl_error *why` is taken, it may be
 *    NULL; it is written on failure only. `out` arguments come first and are
 *    untouched on failure.
 *  - A callback may close any object, itself and the loop included. An object
 *    stays readable until its last callback has returned.
 *  - Times are int64_t nanoseconds of the monotonic clock. In options 0 means
 *    the default and ATL_NEVER means no limit.
 *  - Option structs are read at once and may live on the caller's stack; all
 *    zero means defaults, NULL is allowed, `reserved` must be zero.
 */
#ifndef ATOOLS_H
#define ATOOLS_H

#define ATL_VERSION "0.1.0"

#include "atools/base.h"
#include "atools/loop.h"
#include "atools/addr.h"
#include "atools/frame.h"
#include "atools/dns.h"
#include "atools/stream.h"

#endif
