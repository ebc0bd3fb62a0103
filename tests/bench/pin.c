/* SPDX-License-Identifier: MIT */
/*
 * pin CORE COMMAND ARGS...: prints "pid N" and becomes COMMAND, bound to one
 * CPU and ended with the process that started it, however that one ends.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: pin CORE COMMAND ARGS...\n");
        return 2;
    }
    cpu_set_t allowed, one;
    int wanted = atoi(argv[1]);
    CPU_ZERO(&one);
    /* The wanted one of those we may use; with fewer, they are shared. */
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        int skip = wanted % CPU_COUNT(&allowed);
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &allowed) && skip-- == 0)
                CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    printf("pid %ld\n", (long)getpid());
    fflush(stdout);
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
