/* SPDX-License-Identifier: MIT */
/*
 * What a timer costs from C, as timers.lua tells it from Lua:
 *
 *   engine_timers [COUNT]
 */
#include <atools.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_FOR 100000 /* small counts are repeated */

static size_t fired;

static void tick(struct atl_timer *timer)
{
    (void)timer;
    fired++;
}

static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int64_t below(int64_t limit)
{
    return (int64_t)((double)rand() / RAND_MAX * (double)limit);
}

static void insert(struct atl_timer *timers, size_t count, int64_t from)
{
    for (size_t i = 0; i < count; i++)
        if (atl_timer_start(&timers[i], from + below(50 * ATL_MILLISECOND), 0) <
            0)
            exit(1);
}

static void measure(struct atl_loop *loop, size_t count)
{
    struct atl_timer *timers = calloc(count, sizeof *timers);
    size_t *order = calloc(count, sizeof *order);
    size_t rounds = count < ROUNDS_FOR ? ROUNDS_FOR / count : 1;
    double inserting = 0, firing = 0, cancelling = 0;
    if (timers == NULL || order == NULL)
        exit(1);
    for (size_t i = 0; i < count; i++) {
        atl_timer_init(&timers[i], loop, tick, NULL);
        size_t j = (size_t)below((int64_t)i);
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t round = 0; round < rounds; round++) {
        double start = cpu();
        insert(timers, count, 0);
        inserting += cpu() - start;
        nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
        fired = 0;
        start = cpu();
        while (fired < count)
            atl_loop_step(loop, ATL_MILLISECOND);
        firing += cpu() - start;
        insert(timers, count, 1000 * ATL_SECOND);
        start = cpu();
        for (size_t i = 0; i < count; i++)
            atl_timer_stop(&timers[order[i]]);
        cancelling += cpu() - start;
    }
    double all = (double)(rounds * count);
    printf("timers %zu insert %.0f fire %.0f cancel %.0f bytes %zu\n", count,
           inserting / all, firing / all, cancelling / all, sizeof *timers);
    free(timers);
    free(order);
}

int main(int argc, char **argv)
{
    struct atl_loop *loop;
    struct atl_error why;
    if (atl_loop_new(&loop, NULL, &why) < 0) {
        fprintf(stderr, "engine_timers: %s\n", why.text);
        return 1;
    }
    if (argc > 1)
        measure(loop, (size_t)atol(argv[1]));
    else
        for (size_t count = 1000; count <= 1000000; count *= 10)
            measure(loop, count);
    atl_loop_free(&loop);
    return 0;
}
