/* SPDX-License-Identifier: MIT */
/*
 * What the C servers of the bench share: a listening socket as every one of
 * them wants it, and the line that tells the driver where it is.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline void announce(int fd)
{
    struct sockaddr_in at;
    socklen_t length = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &length) == -1)
        die("getsockname");
    printf("ready %d\n", ntohs(at.sin_port));
    fflush(stdout);
}

static inline void use_all_files(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

#endif
