/* SPDX-License-Identifier: MIT */
/*
 * The test kit's runner. A case is a child process in a group of its own, so
 * that a crash, a hang or a forgotten helper of one case cannot touch the
 * next; what it prints is kept in a file and shown only when it fails.
 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    TIMEOUT_S = 20,
    SKIPPED = 77, /* the exit status automake's tests use too */
    FD_MAX = 4096 /* descriptors above are not looked at */
};

/* Weak: a test of code below the engine's base does without them. */
extern size_t atl_memory_used(void) __attribute__((weak));
extern const char *atl_error_name(int code) __attribute__((weak));

static struct check_case *first, *last;
static bool forked;

void check__add(struct check_case *c)
{
    if (last != NULL)
        last->next = c;
    else
        first = c;
    last = c;
}

int check_scale(void)
{
    const char *s = getenv("CHECK_TIMEOUT_SCALE");
    int scale = s != NULL ? atoi(s) : 1;
    return scale > 0 ? scale : 1;
}

/* --- checks -------------------------------------------------------------- */

void check__fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    if (!forked)
        abort();
    _exit(1); /* no leak report on top of the failure */
}

void check__skip(const char *why)
{
    printf("%s\n", why);
    fflush(stdout);
    if (!forked)
        exit(0);
    _exit(SKIPPED);
}

void check__int(const char *file, int line, const char *what, intmax_t got,
                intmax_t want)
{
    if (got != want)
        check__fail(file, line, "%s is %jd, not %jd", what, got, want);
}

void check__str(const char *file, int line, const char *what, const char *got,
                const char *want)
{
    if (got == NULL || want == NULL ? got != want : strcmp(got, want) != 0)
        check__fail(file, line, "%s is \"%s\", not \"%s\"", what,
                    got != NULL ? got : "(null)",
                    want != NULL ? want : "(null)");
}

void check__ptr(const char *file, int line, const char *what, const void *got,
                const void *want)
{
    if (got != want)
        check__fail(file, line, "%s is %p, not %p", what, got, want);
}

void check__mem(const char *file, int line, const char *what, const void *got,
                const void *want, size_t size)
{
    const unsigned char *a = got, *b = want;

    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i])
            check__fail(file, line, "%s[%zu] is 0x%02x, not 0x%02x", what, i,
                        a[i], b[i]);
}

static const char *code_name(intmax_t code)
{
    return atl_error_name != NULL && code < 0 ? atl_error_name((int)code) : "";
}

void check__ok(const char *file, int line, const char *what, intmax_t result)
{
    if (result < 0)
        check__fail(file, line, "%s failed: %jd %s", what, result,
                    code_name(result));
}

void check__code(const char *file, int line, const char *what, intmax_t result,
                 int code)
{
    if (result != code)
        check__fail(file, line, "%s is %jd %s, not %d", what, result,
                    code_name(result), code);
}

void check__range(const char *file, int line, const char *what, intmax_t got,
                  intmax_t low, intmax_t high)
{
    if (got < low || got > high)
        check__fail(file, line, "%s is %jd, not %jd to %jd", what, got, low,
                    high);
}

/* --- one case ------------------------------------------------------------ */

static void fds_open(bool set[FD_MAX])
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    memset(set, 0, FD_MAX * sizeof(set[0]));
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd < FD_MAX && fd != dirfd(dir))
            set[fd] = true;
    }
    closedir(dir);
}

/* The rule every case obeys, checked where it returned. */
static void check_left_behind(const struct check_case *c,
                              const bool before[FD_MAX])
{
    static bool after[FD_MAX];

    if (atl_memory_used != NULL && atl_memory_used() != 0)
        check__fail(c->file, 0, "the engine still holds %zu bytes",
                    atl_memory_used());
    fds_open(after);
    for (int fd = 0; fd < FD_MAX; fd++) {
        char link[64], target[256] = "?";
        if (!after[fd] || before[fd])
            continue;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof(target) - 1);
        if (n > 0)
            target[n] = '\0';
        check__fail(c->file, 0, "descriptor %d was left open: %s", fd, target);
    }
}

static void run_here(const struct check_case *c)
{
    static bool before[FD_MAX];

    fds_open(before);
    c->run();
    check_left_behind(c, before);
}

static void run_child(const struct check_case *c, FILE *output)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(null, 0);
    dup2(fileno(output), 1);
    dup2(fileno(output), 2);
    close(null);
    close(fileno(output));
    setvbuf(stdout, NULL, _IOLBF, 0);
    run_here(c);
    exit(0); /* not _exit: leak checkers look now */
}

static bool wait_child(pid_t pid, int seconds, int *status)
{
    struct timespec now, limit = {0};
    sigset_t chld;
    pid_t got;

    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t end = now.tv_sec + seconds;
    while ((got = waitpid(pid, status, WNOHANG)) == 0 && now.tv_sec <= end) {
        limit.tv_sec = end + 1 - now.tv_sec;
        sigtimedwait(&chld, NULL, &limit);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    kill(-pid, SIGKILL); /* the hung case, or what it left running */
    if (got == 0)
        waitpid(pid, status, 0);
    return got != 0;
}

static void show(FILE *output)
{
    char line[1024];

    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL)
        printf("    %s", line);
}

enum outcome { PASSED, FAILED, SKIPPED_CASE };

static enum outcome run_forked(const struct check_case *c)
{
    FILE *output = tmpfile();
    int status = 0, seconds = TIMEOUT_S * check_scale();

    if (output == NULL) {
        perror("tmpfile");
        exit(2);
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == -1) {
        perror("fork");
        exit(2);
    }
    if (pid == 0) {
        forked = true;
        run_child(c, output);
    }
    setpgid(pid, pid); /* both sides: whoever comes first */
    bool ended = wait_child(pid, seconds, &status);
    enum outcome outcome = FAILED;
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        outcome = PASSED;
    } else if (ended && WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        printf("skipped: %s\n", c->name);
        outcome = SKIPPED_CASE;
    } else {
        printf("FAILED: %s", c->name);
        if (!ended)
            printf(" (no end within %d s)", seconds);
        else if (WIFSIGNALED(status))
            printf(" (%s)", strsignal(WTERMSIG(status)));
        else if (WEXITSTATUS(status) != 1)
            printf(" (exit status %d)", WEXITSTATUS(status));
        putchar('\n');
    }
    if (outcome != PASSED)
        show(output);
    fclose(output);
    return outcome;
}

/* --- all cases ----------------------------------------------------------- */

static bool wanted(const struct check_case *c, const char *part)
{
    char name[512];

    if (part == NULL)
        return true;
    snprintf(name, sizeof(name), "%s", part);
    for (char *p = name; *p != '\0'; p++)
        if (*p == ' ')
            *p = '_';
    return strstr(c->name, name) != NULL;
}

int main(int argc, char **argv)
{
    const char *nofork = getenv("CHECK_NOFORK");
    bool here = nofork != NULL && *nofork != '\0' && *nofork != '0';
    bool list = argc > 1 && strcmp(argv[1], "--list") == 0;
    int count[3] = {0};
    sigset_t chld;

    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    if (!here)
        sigprocmask(SIG_BLOCK, &chld, NULL);
    for (const struct check_case *c = first; c != NULL; c = c->next) {
        if (list) {
            printf("%s\n", c->name);
        } else if (wanted(c, argc > 1 ? argv[1] : NULL)) {
            if (here) {
                fprintf(stderr, "%s\n", c->name);
                run_here(c);
                count[PASSED]++;
            } else {
                count[run_forked(c)]++;
            }
        }
    }
    if (list)
        return 0;
    if (count[PASSED] + count[FAILED] + count[SKIPPED_CASE] == 0) {
        printf("no such case\n");
        count[FAILED]++;
    }
    if (count[SKIPPED_CASE] > 0)
        printf("%d skipped\n", count[SKIPPED_CASE]);
    printf("%d passed, %d failed\n", count[PASSED], count[FAILED]);
    return count[FAILED] > 0;
}
