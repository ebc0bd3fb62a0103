/* SPDX-License-Identifier: MIT */
/*
 * The load generator: connections to an echo server, every byte that comes
 * back compared. One thread, IPv4.
 *
 *   load [options] ADDRESS         for example: load --hold 9000 127.0.0.1:7000
 *     --hold N       open N connections and keep them (default 64)
 *     --messages M   messages of each connection, all connections at once
 *                    (default 10; the first is sent when it opens)
 *     --size S       bytes of a message, its newline included (default 64)
 *     --depth D      messages sent at once by a connection (default 1)
 *     --busy B       afterwards B of the N connections work as fast as they
 *     --seconds T    can for T seconds (default: none)
 *     --connects T   then connect, echo and close for T seconds
 *     --pid PID      the server's process: its CPU time is told, and it must
 *                    hold exactly one descriptor per connection, and none of
 *                    them when the connections have been closed
 *   Exits 0 if not one byte was wrong, lost or too many, 1 otherwise, 2 for
 *   wrong arguments. Prints a line per stage.
 *
 *   load --commands                reads commands, answers each with one line
 *     open GROUP PID ADDRESS COUNT           open, or add connections
 *     work GROUP BUSY SIZE DEPTH SECONDS     BUSY of them, spread evenly
 *     connects GROUP PARALLEL SECONDS
 *     close GROUP
 *   Lines of answers are words of the form name=value; times are in ns.
 */
#include "load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GROUPS 64

static struct group groups[GROUPS]; /* a free one has no name */
static struct outcome outcome;

static void print_outcome(const char *stage)
{
    const struct histogram *h = &outcome.latency;
    printf("stage=%s messages=%llu wrong=%llu errors=%llu took=%lld "
           "server=%lld load=%lld machine=%lld p50=%lld p99=%lld p999=%lld\n",
           stage, (unsigned long long)outcome.messages,
           (unsigned long long)outcome.wrong,
           (unsigned long long)outcome.errors, (long long)outcome.took_ns,
           (long long)outcome.server_ns, (long long)outcome.load_ns,
           (long long)outcome.machine_ns, (long long)histogram_at(h, 0.5),
           (long long)histogram_at(h, 0.99), (long long)histogram_at(h, 0.999));
    fflush(stdout);
}

static struct group *find_group(const char *name)
{
    for (size_t i = 0; i < GROUPS; i++)
        if (strcmp(groups[i].name, name) == 0)
            return &groups[i];
    return NULL;
}

static bool do_open(const char *line)
{
    char name[32], address[64];
    long pid;
    size_t count;
    if (sscanf(line, "open %31s %ld %63s %zu", name, &pid, address, &count) !=
        4)
        return false;
    struct group *g = find_group(name);
    if (g == NULL) {
        g = find_group("");
        if (g == NULL || !group_init(g, name, address, (pid_t)pid))
            return false;
    }
    group_open(g, count, &outcome);
    return true;
}

static bool do_work(const char *line)
{
    char name[32];
    struct work w = {0};
    double seconds;
    if (sscanf(line, "work %31s %zu %zu %u %lf", name, &w.busy, &w.size,
               &w.depth, &seconds) != 5)
        return false;
    struct group *g = find_group(name);
    if (g == NULL || w.busy == 0 || w.busy > g->count || w.size == 0)
        return false;
    w.stride = g->count / w.busy;
    w.duration_ns = (int64_t)(seconds * 1e9);
    group_work(g, &w, &outcome);
    return true;
}

static bool do_connects(const char *line)
{
    char name[32];
    size_t parallel;
    double seconds;
    if (sscanf(line, "connects %31s %zu %lf", name, &parallel, &seconds) != 3)
        return false;
    struct group *g = find_group(name);
    if (g == NULL)
        return false;
    connects_work(g, parallel, (int64_t)(seconds * 1e9), &outcome);
    return true;
}

static bool do_close(const char *line)
{
    char name[32];
    struct group *g;
    if (sscanf(line, "close %31s", name) != 1 || (g = find_group(name)) == NULL)
        return false;
    group_fini(g);
    return true;
}

static int commands(void)
{
    static const struct {
        const char *name;
        bool (*run)(const char *line);
    } known[] = {{"open", do_open},
                 {"work", do_work},
                 {"connects", do_connects},
                 {"close", do_close}};
    char line[256], word[16];
    while (fgets(line, sizeof line, stdin) != NULL) {
        bool done = false;
        memset(&outcome, 0, sizeof outcome);
        if (sscanf(line, "%15s", word) != 1)
            continue;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (strcmp(word, known[i].name) == 0)
                done = known[i].run(line);
        if (done)
            print_outcome(word);
        else
            printf("failed=%s\n", word);
        fflush(stdout);
    }
    return 0;
}

struct options {
    size_t hold, messages, size, busy;
    unsigned depth;
    double seconds, connects;
    pid_t pid;
    const char *address;
};

/* Tells about a stage and starts counting anew; whether all went well. */
static bool stage(const char *name)
{
    bool good = outcome.wrong == 0 && outcome.errors == 0;
    print_outcome(name);
    memset(&outcome, 0, sizeof outcome);
    return good;
}

/* The server may need a moment to see that connections have ended. */
static bool files_become(pid_t pid, int expected)
{
    int now = -1;
    if (pid == 0)
        return true;
    for (int tries = 0; tries < 500; tries++) {
        now = open_files(pid);
        if (now == expected)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fprintf(stderr, "load: the server has %d descriptors, expected %d\n", now,
            expected);
    return false;
}

/* What the server opens on its first connection is not to be counted. */
static int warm_up(const struct options *o)
{
    struct group g;
    int before = o->pid != 0 ? open_files(o->pid) : 0;
    if (!group_init(&g, "warm-up", o->address, o->pid))
        return before;
    group_open(&g, 1, &outcome);
    int with_one = o->pid != 0 ? open_files(o->pid) : 0;
    group_fini(&g);
    return before + 1 == with_one ? before : with_one - 1;
}

static bool run(const struct options *o)
{
    struct group g;
    if (!group_init(&g, "hold", o->address, o->pid)) {
        fprintf(stderr, "load: %s is not an address\n", o->address);
        return false;
    }
    int files = warm_up(o);
    bool good = stage("warm-up") && files_become(o->pid, files);
    group_open(&g, o->hold, &outcome);
    good = stage("open") && good;
    good = files_become(o->pid, files + (int)o->hold) && good;
    struct work w = {.busy = g.count,
                     .stride = 1,
                     .size = o->size,
                     .depth = o->depth,
                     .bursts = (o->messages - 1) / o->depth};
    if (w.bursts > 0) {
        group_work(&g, &w, &outcome);
        good = outcome.messages == w.bursts * w.depth * o->hold && good;
        good = stage("messages") && good;
    }
    if (o->busy > 0 && g.count >= o->busy) {
        w.busy = o->busy;
        w.stride = g.count / o->busy;
        w.bursts = 0;
        w.duration_ns = (int64_t)(o->seconds * 1e9);
        group_work(&g, &w, &outcome);
        good = stage("busy") && good;
    }
    if (o->connects > 0) {
        connects_work(&g, 64, (int64_t)(o->connects * 1e9), &outcome);
        good = stage("connects") && good;
    }
    group_fini(&g);
    return files_become(o->pid, files) && good;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"hold", 1, NULL, 'n'},     {"messages", 1, NULL, 'm'},
        {"size", 1, NULL, 's'},     {"depth", 1, NULL, 'd'},
        {"busy", 1, NULL, 'b'},     {"seconds", 1, NULL, 't'},
        {"connects", 1, NULL, 'c'}, {"pid", 1, NULL, 'p'},
        {"commands", 0, NULL, 'C'}, {NULL, 0, NULL, 0}};
    struct options o = {
        .hold = 64, .messages = 10, .size = 64, .depth = 1, .seconds = 1};
    bool interactive = false;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        double value = optarg != NULL ? strtod(optarg, NULL) : 0;
        switch (c) {
        case 'n':
            o.hold = (size_t)value;
            break;
        case 'm':
            o.messages = (size_t)value;
            break;
        case 's':
            o.size = (size_t)value;
            break;
        case 'd':
            o.depth = (unsigned)value;
            break;
        case 'b':
            o.busy = (size_t)value;
            break;
        case 't':
            o.seconds = value;
            break;
        case 'c':
            o.connects = value;
            break;
        case 'p':
            o.pid = (pid_t)value;
            break;
        case 'C':
            interactive = true;
            break;
        default:
            return 2;
        }
    }
    pattern_init();
    raise_file_limit();
    if (interactive)
        return commands();
    o.address = argv[optind];
    if (o.address == NULL || o.hold == 0 || o.messages == 0 || o.size == 0 ||
        o.depth == 0) {
        fprintf(stderr, "usage: load [--hold N] [--messages M] [--size S] "
                        "[--depth D] [--busy B --seconds T] [--connects T] "
                        "[--pid PID] ADDRESS\n");
        return 2;
    }
    return run(&o) ? 0 : 1;
}
