/* SPDX-License-Identifier: MIT */
/*
 * Signals, process-wide: which loops want which numbers. The handler only sets
 * a bit of the loop's port and wakes it by its descriptor.
 */
#ifndef ATL_OS_SIGNAL_H
#define ATL_OS_SIGNAL_H

#include <stdint.h>

/* A port for a loop whose wake descriptor is `fd`. -EMFILE: too many loops. */
int atl__signal_port_open(int fd);
void atl__signal_port_close(int port);
/* Once per port and number. -EINVAL, or what sigaction(2) says. */
int atl__signal_watch(int port, int number);
void atl__signal_unwatch(int port, int number);
/* Takes the numbers delivered since the last call: bit n is signal n. */
uint64_t atl__signal_take(int port);
/* Wakes whoever waits on an event descriptor; safe in signal handlers. */
void atl__os_wake(int fd);
void atl__os_wake_clear(int fd);

#endif
