/* SPDX-License-Identifier: MIT */
/*
 * Clocks, counters and the message pattern. The server's CPU time is read
 * from its process clock rather than from /proc: that one is brought up to
 * date when asked, /proc's lags up to a scheduler tick behind.
 */
#include "load.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A prime, so that bursts of any size meet every phase. */
#define PERIOD 65521
#define LONGEST 32768
static char pattern[PERIOD + LONGEST];

void pattern_init(void)
{
    uint32_t x = 2463534242u;
    for (size_t i = 0; i < PERIOD; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        char c = (char)(x >> 11);
        /* "\r\n" would be taken for one end of line */
        pattern[i] = c == '\n' || c == '\r' ? '.' : c;
    }
    memcpy(pattern + PERIOD, pattern, LONGEST);
}

uint32_t pattern_phase(uint64_t connection, uint64_t burst)
{
    return (uint32_t)((connection * 7919 + burst * 4099) % PERIOD);
}

/* The length of the piece at `position` that lies in one message and in the
   table; 0: the newline. */
static size_t piece(size_t size, size_t position, size_t length)
{
    size_t left = size - 1 - position % size;
    if (left > LONGEST)
        left = LONGEST;
    return left < length ? left : length;
}

void pattern_fill(uint32_t phase, size_t size, size_t position, char *out,
                  size_t length)
{
    while (length > 0) {
        size_t n = piece(size, position, length);
        if (n == 0)
            *out = '\n', n = 1;
        else
            memcpy(out, pattern + (phase + position) % PERIOD, n);
        out += n;
        position += n;
        length -= n;
    }
}

size_t pattern_wrong(uint32_t phase, size_t size, size_t position,
                     const char *in, size_t length)
{
    size_t wrong = 0;
    while (length > 0) {
        size_t n = piece(size, position, length);
        const char *expected = pattern + (phase + position) % PERIOD;
        if (n == 0)
            expected = "\n", n = 1;
        if (memcmp(in, expected, n) != 0)
            for (size_t i = 0; i < n; i++)
                wrong += in[i] != expected[i];
        in += n;
        position += n;
        length -= n;
    }
    return wrong;
}

/* 32 slots to each power of two. */
static size_t slot_of(uint64_t value)
{
    if (value < 32)
        return value;
    int exponent = 63 - __builtin_clzll(value);
    size_t slot =
        (size_t)(exponent - 4) * 32 + (size_t)((value >> (exponent - 5)) & 31);
    return slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1;
}

static int64_t highest_of(size_t slot)
{
    if (slot < 32)
        return (int64_t)slot;
    int shift = (int)(slot / 32) - 1;
    return ((int64_t)(slot % 32 + 33) << shift) - 1;
}

void histogram_add(struct histogram *h, int64_t ns)
{
    h->slots[slot_of(ns < 0 ? 0 : (uint64_t)ns)]++;
    h->total++;
}

int64_t histogram_at(const struct histogram *h, double share)
{
    double seen = 0, wanted = share * (double)h->total;
    for (size_t i = 0; i < HISTOGRAM_SLOTS; i++) {
        seen += (double)h->slots[i];
        if (seen >= wanted && seen > 0)
            return highest_of(i);
    }
    return 0;
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) == -1)
        return -1;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t cpu_ns(pid_t pid)
{
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) != 0)
        return -1;
    return read_clock(clock);
}

int64_t machine_ns(void)
{
    unsigned long long t[8] = {0};
    FILE *f = fopen("/proc/stat", "r");
    if (f == NULL)
        return 0;
    int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0],
                   &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
    fclose(f);
    if (n < 8)
        return 0;
    /* all but idle and waiting for disks */
    unsigned long long ticks = t[0] + t[1] + t[2] + t[5] + t[6] + t[7];
    return (int64_t)(ticks * (1000000000ull /
                              (unsigned long long)sysconf(_SC_CLK_TCK)));
}

void measure_start(struct measure *m, pid_t server)
{
    m->machine_ns = machine_ns();
    m->server_ns = server != 0 ? cpu_ns(server) : 0;
    m->load_ns = cpu_ns(0);
    m->start_ns = clock_ns();
}

void measure_stop(const struct measure *m, pid_t server, struct outcome *out)
{
    out->took_ns += clock_ns() - m->start_ns;
    out->load_ns += cpu_ns(0) - m->load_ns;
    if (server != 0) {
        int64_t now = cpu_ns(server);
        if (now < 0 || m->server_ns < 0)
            out->errors++;
        else
            out->server_ns += now - m->server_ns;
    }
    out->machine_ns += machine_ns() - m->machine_ns;
}

int open_files(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *d = opendir(path);
    if (d == NULL)
        return -1;
    int count = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

size_t raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)limit.rlim_cur;
}
