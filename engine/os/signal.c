/* SPDX-License-Identifier: MIT */
/*
 * The process has one handler for all signals the engine was asked to watch.
 * Ports are a fixed array of atomics because the handler may interrupt any
 * change of them; what was installed before is put back by the last watcher.
 */
#include "os/signal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "atools/loop.h"

#define PORTS 64
#define NUMBERS 64

static struct {
    atomic_int fd; /* wake descriptor + 1; 0: free */
    _Atomic uint64_t watched, pending;
} ports[PORTS];

static struct {
    unsigned users;
    struct sigaction old;
} installed[NUMBERS];

/* How many threads are in the handler: a port may not go while one looks at
   it, its descriptor may be another's a moment later. */
static atomic_int inside;

/* Guards `installed` and the choice of ports; never taken by the handler. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void atl__os_wake(int fd)
{
    int saved = errno;
    uint64_t one = 1; /* an eventfd takes 8 bytes; a pipe does not mind */
    while (write(fd, &one, sizeof(one)) == -1 && errno == EINTR)
        continue;
    errno = saved;
}

void atl__os_wake_clear(int fd)
{
    uint64_t many[64];
    ssize_t n;
    do
        n = read(fd, many, sizeof(many));
    while ((n == -1 && errno == EINTR) || n == (ssize_t)sizeof(many));
}

static void on_signal(int number)
{
    uint64_t bit = UINT64_C(1) << number;
    atomic_fetch_add(&inside, 1);
    for (int i = 0; i < PORTS; i++) {
        if (!(atomic_load(&ports[i].watched) & bit))
            continue;
        atomic_fetch_or(&ports[i].pending, bit);
        int fd = atomic_load(&ports[i].fd);
        if (fd > 0)
            atl__os_wake(fd - 1);
    }
    atomic_fetch_sub(&inside, 1);
}

int atl__signal_port_open(int fd)
{
    int port = -EMFILE;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < PORTS && port < 0; i++)
        if (atomic_load(&ports[i].fd) == 0)
            port = i;
    if (port >= 0) {
        atomic_store(&ports[port].watched, 0);
        atomic_store(&ports[port].pending, 0);
        atomic_store(&ports[port].fd, fd + 1);
    }
    pthread_mutex_unlock(&lock);
    return port;
}

void atl__signal_port_close(int port)
{
    atomic_store(&ports[port].watched, 0);
    atomic_store(&ports[port].fd, 0);
    while (atomic_load(&inside) > 0)
        sched_yield();
}

int atl__signal_watch(int port, int number)
{
    int r = 0;
    if (number <= 0 || number >= NUMBERS)
        return -EINVAL;
    pthread_mutex_lock(&lock);
    if (installed[number].users == 0) {
        struct sigaction action = {.sa_handler = on_signal,
                                   .sa_flags = SA_RESTART};
        sigfillset(&action.sa_mask);
        if (sigaction(number, &action, &installed[number].old) == -1)
            r = -errno;
    }
    if (r == 0) {
        installed[number].users++;
        atomic_fetch_or(&ports[port].watched, UINT64_C(1) << number);
    }
    pthread_mutex_unlock(&lock);
    return r;
}

void atl__signal_unwatch(int port, int number)
{
    uint64_t bit = UINT64_C(1) << number;
    struct sigaction now;
    pthread_mutex_lock(&lock);
    /* What the host has put there meanwhile is the host's. */
    if (--installed[number].users == 0 && sigaction(number, NULL, &now) == 0 &&
        now.sa_handler == on_signal)
        sigaction(number, &installed[number].old, NULL);
    atomic_fetch_and(&ports[port].watched, ~bit);
    atomic_fetch_and(&ports[port].pending, ~bit);
    pthread_mutex_unlock(&lock);
}

uint64_t atl__signal_take(int port)
{
    return atomic_exchange(&ports[port].pending, 0);
}

static const struct {
    int number;
    const char *name;
} names[] = {
    {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},     {SIGQUIT, "SIGQUIT"},
    {SIGABRT, "SIGABRT"}, {SIGKILL, "SIGKILL"},   {SIGUSR1, "SIGUSR1"},
    {SIGUSR2, "SIGUSR2"}, {SIGPIPE, "SIGPIPE"},   {SIGALRM, "SIGALRM"},
    {SIGTERM, "SIGTERM"}, {SIGCHLD, "SIGCHLD"},   {SIGCONT, "SIGCONT"},
    {SIGSTOP, "SIGSTOP"}, {SIGTSTP, "SIGTSTP"},   {SIGTTIN, "SIGTTIN"},
    {SIGTTOU, "SIGTTOU"}, {SIGWINCH, "SIGWINCH"}, {SIGURG, "SIGURG"},
    {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"},   {SIGIO, "SIGIO"},
};

int atl_signal_number(const char *name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(name, names[i].name) == 0 ||
            strcasecmp(name, names[i].name + 3) == 0)
            return names[i].number;
    return -EINVAL;
}

const char *atl_signal_name(int number)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].number == number)
            return names[i].name;
    return NULL;
}

void atl_signal_ignore_pipe(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigemptyset(&action.sa_mask);
    sigaction(SIGPIPE, &action, NULL);
}
