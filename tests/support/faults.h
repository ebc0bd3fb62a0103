/* SPDX-License-Identifier: MIT */
/*
 * A poor system for the engine to run on: a call table over the real one whose
 * calls do as little as they may, and an allocator that fails when told to.
 *
 *   struct faults f;
 *   faults_init(&f);
 *   faults_set(&f, "read=1,write=1,eagain=30,eintr=10,seed=7");
 *   faults_set(&f, "fail=accept:3:EMFILE,fail=epoll_ctl:2+:ENOMEM");
 *   options.os = &f.os;
 *
 * What can be said, separated by commas:
 *
 *   read=N write=N   at most N bytes a call; "any": a random part
 *   eagain=P eintr=P so many of 100 calls that may answer so, do
 *   seed=N           of the randomness; 1 when nothing is said
 *   fail=CALL:N:CODE the Nth call of that entry from now on fails; N+: and all
 *                    later ones; CODE is an errno's name
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "atools/loop.h"
#include "os/os.h"

enum { FAULTS_ENTRIES = 40, FAULTS_PLANS = 8 };

struct faults {
    struct atl_os os; /* for atl_loop_options; its self is this */
    size_t read_most, write_most;
    bool read_any, write_any;
    unsigned eagain, eintr; /* of 100 */
    uint32_t state;         /* of the randomness */
    uint64_t made[FAULTS_ENTRIES];
    struct faults_plan {
        int entry; /* -1: none */
        uint64_t from, until;
        int code;
    } plans[FAULTS_PLANS];
};

/* Nothing fails yet. */
void faults_init(struct faults *f);
/* false: the text is wrong; what stood before the mistake holds. */
bool faults_set(struct faults *f, const char *text);
/* Forgets what was planned to fail. */
void faults_clear(struct faults *f);
/* How often an entry of the table was called ("epoll_wait"), failures
   included; unknown names end the program. */
uint64_t faults_calls(const struct faults *f, const char *entry);

/* For whole programs: if the environment has ATOOLS_FAULTS, loops made with
   these options get such a table; a wrong text ends the program. */
void atl_test_faults_install(struct atl_loop_options *options);

/*
 * The engine's allocator: from now on the allocations numbered `from` (the
 * next is 1) up to but without `until` fail; INT64_MAX: all from then on. 0, 0:
 * none. Frees and shrinking never fail.
 */
void faults_memory(int64_t from, int64_t until);
/* How many allocations were asked for since. */
int64_t faults_memory_asked(void);
/* malloc again. */
void faults_memory_end(void);

#endif
