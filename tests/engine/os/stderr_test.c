/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "os/os.h"

static char big[300000], got[300000];

static void *reader(void *arg)
{
    size_t n = 0;
    ssize_t r;
    while ((r = read(*(int *)arg, got + n, sizeof(got) - n)) > 0)
        n += (size_t)r;
    return NULL;
}

TEST(more_than_a_pipe_holds_is_written_whole)
{
    int fds[2], saved = dup(STDERR_FILENO);
    pthread_t thread;
    CHECK_EQ_INT(pipe(fds), 0);
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i % 251);
    CHECK_EQ_INT(pthread_create(&thread, NULL, reader, &fds[0]), 0);
    dup2(fds[1], STDERR_FILENO);
    atl__os_stderr(big, sizeof(big));
    dup2(saved, STDERR_FILENO);
    close(fds[1]);
    pthread_join(thread, NULL);
    CHECK_EQ_MEM(got, big, sizeof(big));
    close(fds[0]);
    close(saved);
}

TEST(what_cannot_be_written_is_lost)
{
    int saved = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    atl__os_stderr("lost", 4);
    dup2(saved, STDERR_FILENO);
    close(saved);
}
