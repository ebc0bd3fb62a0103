/* SPDX-License-Identifier: MIT */
/*
 * A small test kit for C. A file of tests is a program:
 *
 *   #include "check.h"
 *
 *   TEST(a_timer_armed_again_in_its_callback_runs_next_turn)
 *   {
 *       CHECK_EQ_INT(count, 2);
 *   }
 *
 * Each case runs in a forked child with a time limit. It passes when it
 * returns, with no engine memory held, no descriptor left open that was not
 * open before, and no complaint of a sanitizer or of valgrind at exit.
 *
 *   x_test             runs all cases
 *   x_test substring   runs those whose name contains it (' ' matches '_')
 *   x_test --list      names them
 *
 * Environment: CHECK_NOFORK=1 runs the cases in this process, a failed check
 * aborts (for a debugger); CHECK_TIMEOUT_SCALE=10 gives each ten times longer.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct check_case {
    const char *name;
    const char *file;
    void (*run)(void);
    struct check_case *next;
};

/* Defines a case; the body follows. */
#define TEST(sentence)                                                         \
    static void test_##sentence(void);                                         \
    static struct check_case case_##sentence = {#sentence, __FILE__,           \
                                                test_##sentence, NULL};        \
    __attribute__((constructor)) static void add_##sentence(void)              \
    {                                                                          \
        check__add(&case_##sentence);                                          \
    }                                                                          \
    static void test_##sentence(void)

/* Each fails the case at once, telling the place and both values. */
#define CHECK(condition)                                                       \
    ((condition) ? (void)0                                                     \
                 : check__fail(__FILE__, __LINE__, "%s is false", #condition))
#define CHECK_EQ_INT(got, want)                                                \
    check__int(__FILE__, __LINE__, #got, (intmax_t)(got), (intmax_t)(want))
#define CHECK_EQ_STR(got, want) check__str(__FILE__, __LINE__, #got, got, want)
#define CHECK_EQ_PTR(got, want) check__ptr(__FILE__, __LINE__, #got, got, want)
#define CHECK_EQ_MEM(got, want, size)                                          \
    check__mem(__FILE__, __LINE__, #got, got, want, size)
/* A result of the engine: not negative; a certain negative code. */
#define CHECK_OK(result)                                                       \
    check__ok(__FILE__, __LINE__, #result, (intmax_t)(result))
#define CHECK_CODE(result, code)                                               \
    check__code(__FILE__, __LINE__, #result, (intmax_t)(result), code)
/* low <= got <= high */
#define CHECK_RANGE(got, low, high)                                            \
    check__range(__FILE__, __LINE__, #got, (intmax_t)(got), (intmax_t)(low),   \
                 (intmax_t)(high))
/* Fails with a text of its own. */
#define CHECK_FAIL(...) check__fail(__FILE__, __LINE__, __VA_ARGS__)
/* Ends the case as skipped: this machine lacks what it needs. */
#define CHECK_SKIP(why) check__skip(why)

/* How much longer than usual things may take here: 1, or more under a
   sanitizer or valgrind. For limits inside a case. */
int check_scale(void);

void check__add(struct check_case *c);
__attribute__((noreturn, format(printf, 3, 4))) void
check__fail(const char *file, int line, const char *fmt, ...);
__attribute__((noreturn)) void check__skip(const char *why);
void check__int(const char *file, int line, const char *what, intmax_t got,
                intmax_t want);
void check__str(const char *file, int line, const char *what, const char *got,
                const char *want);
void check__ptr(const char *file, int line, const char *what, const void *got,
                const void *want);
void check__mem(const char *file, int line, const char *what, const void *got,
                const void *want, size_t size);
void check__ok(const char *file, int line, const char *what, intmax_t result);
void check__code(const char *file, int line, const char *what, intmax_t result,
                 int code);
void check__range(const char *file, int line, const char *what, intmax_t got,
                  intmax_t low, intmax_t high);

#endif
