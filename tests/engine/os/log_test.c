/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "atools/base.h"
#include "check.h"

struct line {
    int calls;
    enum atl_level level;
    char text[4096];
};

static void note(void *ctx, enum atl_level level, const char *text)
{
    struct line *line = ctx;
    CHECK(strlen(text) < sizeof(line->text));
    line->calls++;
    line->level = level;
    strcpy(line->text, text);
}

TEST(a_function_gets_the_text_without_prefix_or_newline)
{
    struct line line = {0};
    atl_log_set(note, &line);
    atl_log(ATL_LOG_WARNING, "limit of %d reached by %s", 5, "listeners");
    CHECK_EQ_INT(line.calls, 1);
    CHECK_EQ_INT(line.level, ATL_LOG_WARNING);
    CHECK_EQ_STR(line.text, "limit of 5 reached by listeners");
}

TEST(control_bytes_are_escaped)
{
    struct line line = {0};
    atl_log_set(note, &line);
    atl_log(ATL_LOG_INFO, "%s", "a\nb\r\t\x1b[2J\x7f\x01 \xc3\xbc");
    CHECK_EQ_STR(line.text, "a\\x0ab\\x0d\\x09\\x1b[2J\\x7f\\x01 \xc3\xbc");
}

TEST(long_lines_are_cut)
{
    struct line line = {0};
    char text[5000];
    atl_log_set(note, &line);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    atl_log(ATL_LOG_INFO, "%s", text);
    CHECK_RANGE(strlen(line.text), 500, 4000);
    memset(text, '\n', sizeof(text) - 1);
    atl_log(ATL_LOG_INFO, "%s", text);
    CHECK_RANGE(strlen(line.text), 500, 4000);
    CHECK(strchr(line.text, '\n') == NULL);
    CHECK_EQ_INT(strlen(line.text) % 4, 0); /* no escape is cut in two */
}

TEST(without_a_function_lines_go_to_stderr_with_a_prefix)
{
    static const char want[] = "atools: one\\x0atwo\n";
    char got[100];
    int fds[2];
    CHECK_EQ_INT(pipe(fds), 0);
    int saved = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    atl_log_set(NULL, NULL);
    atl_log(ATL_LOG_ERROR, "one\n%s", "two");
    dup2(saved, STDERR_FILENO);
    ssize_t n = read(fds[0], got, sizeof(got));
    CHECK_EQ_INT(n, sizeof(want) - 1);
    CHECK_EQ_MEM(got, want, sizeof(want) - 1);
    close(fds[0]);
    close(fds[1]);
    close(saved);
}
