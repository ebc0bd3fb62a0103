/* SPDX-License-Identifier: MIT */
/* The limit of open files; each case is a process of its own. */
#include "check.h"
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void limits(size_t soft, size_t hard)
{
    struct rlimit r = {soft, hard};
    if (getenv("VALGRIND") != NULL)
        CHECK_SKIP("valgrind has a limit of its own");
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &r));
}

static void check_limits(size_t soft, size_t hard)
{
    size_t s = 0, h = 0;
    CHECK_OK(atl_fdlimit_get(&s, &h));
    CHECK_EQ_INT(s, soft);
    CHECK_EQ_INT(h, hard);
}

/* Without the right to raise hard limits. */
static void become_nobody(void)
{
    if (geteuid() == 0)
        CHECK_OK(setuid(65534));
}

TEST(the_soft_limit_is_raised_to_what_was_asked)
{
    size_t got = 0;
    limits(64, 200);
    CHECK_OK(atl_fdlimit_set(150, &got, NULL));
    CHECK_EQ_INT(got, 150);
    check_limits(150, 200);
    CHECK_OK(atl_fdlimit_set(200, &got, NULL));
    check_limits(200, 200);
    CHECK_OK(atl_fdlimit_set(200, &got, NULL));
    CHECK_EQ_INT(got, 200);
}

TEST(without_rights_the_hard_limit_is_what_one_gets)
{
    struct atl_error why;
    size_t got = 0;
    become_nobody();
    limits(64, 200);
    CHECK_CODE(atl_fdlimit_set(60000, &got, &why), -EPERM);
    CHECK_EQ_INT(got, 200);
    CHECK_EQ_INT(why.code, -EPERM);
    check_limits(200, 200);
    static const char *const told[] = {
        "60000",   "200",  "ulimit -n",       "LimitNOFILE=60000",
        "systemd", "root", "CAP_SYS_RESOURCE"};
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        if (strstr(why.text, told[i]) == NULL)
            CHECK_FAIL("\"%s\" does not tell %s", why.text, told[i]);
    /* asked again, the answer is the same */
    CHECK_CODE(atl_fdlimit_set(60000, &got, NULL), -EPERM);
    CHECK_EQ_INT(got, 200);
}

TEST(with_rights_the_hard_limit_is_raised_too)
{
    size_t got = 0;
    limits(64, 200);
    struct rlimit more = {64, 201};
    if (setrlimit(RLIMIT_NOFILE, &more) == -1)
        CHECK_SKIP("needs CAP_SYS_RESOURCE");
    CHECK_OK(atl_fdlimit_set(1000, &got, NULL));
    check_limits(1000, 1000);
}

TEST(nobody_gets_more_than_the_system_allows)
{
    struct atl_error why;
    size_t got = 0, soft = 0, hard = 0;
    CHECK_CODE(atl_fdlimit_set(2000000000, &got, &why), -EPERM);
    CHECK_OK(atl_fdlimit_get(&soft, &hard));
    CHECK_EQ_INT(got, soft);
    CHECK_EQ_INT(soft, hard);
    CHECK(strstr(why.text, "asked for") != NULL);
    CHECK(strlen(why.text) < sizeof(why.text) - 1);
}

TEST(lowering_leaves_the_hard_limit_alone)
{
    size_t got = 0;
    limits(100, 200);
    CHECK_OK(atl_fdlimit_set(50, &got, NULL));
    CHECK_EQ_INT(got, 50);
    check_limits(50, 200);
    CHECK_OK(atl_fdlimit_set(200, &got, NULL));
}

TEST(a_limit_below_an_open_descriptor_is_refused)
{
    struct atl_error why;
    size_t got = 0;
    limits(2000, 2000);
    int fd = open("/dev/null", O_RDONLY);
    CHECK_EQ_INT(dup2(fd, 1500), 1500);
    CHECK_CODE(atl_fdlimit_set(1500, &got, &why), -EBUSY);
    CHECK(strstr(why.text, "1500") != NULL);
    CHECK_EQ_INT(got, 2000);
    CHECK_OK(atl_fdlimit_set(1501, &got, NULL));
    CHECK_EQ_INT(got, 1501);
    close(1500);
    CHECK_OK(atl_fdlimit_set(1500, &got, NULL));
    close(fd);
}

TEST(a_limit_of_nothing_is_a_mistake)
{
    size_t got = 7;
    CHECK_CODE(atl_fdlimit_set(0, &got, NULL), -EINVAL);
    CHECK_EQ_INT(got, 7);
}
