/* SPDX-License-Identifier: MIT */
#include "atools/base.h"

#include <errno.h>
#include <string.h>

#include "check.h"

TEST(codes_have_names_and_words)
{
    CHECK_EQ_STR(atl_error_name(-ECONNRESET), "ECONNRESET");
    CHECK_EQ_STR(atl_error_text(-ECONNRESET), "connection reset by peer");
    CHECK_EQ_STR(atl_error_name(-ECONNREFUSED), "ECONNREFUSED");
    CHECK_EQ_STR(atl_error_text(-ECONNREFUSED), "connection refused");
    CHECK_EQ_STR(atl_error_name(-ETIMEDOUT), "ETIMEDOUT");
    CHECK_EQ_STR(atl_error_text(-ETIMEDOUT), "timeout");
    CHECK_EQ_STR(atl_error_name(-EAGAIN), "EAGAIN");
    CHECK_EQ_STR(atl_error_name(ATL_EOF), "EOF");
    CHECK_EQ_STR(atl_error_text(ATL_EOF), "closed by peer");
    CHECK_EQ_STR(atl_error_name(ATL_ECLOSED), "ECLOSED");
    CHECK_EQ_STR(atl_error_text(ATL_ECLOSED), "closed");
    CHECK_EQ_STR(atl_error_name(ATL_ENOTFOUND), "ENOTFOUND");
    CHECK_EQ_STR(atl_error_name(ATL_EDNS), "EDNS");
    CHECK_EQ_STR(atl_error_name(ATL_ETLS), "ETLS");
    CHECK_EQ_STR(atl_error_name(ATL_EPOOL), "EPOOL");
    CHECK_EQ_STR(atl_error_name(ATL_ESCRIPT), "ESCRIPT");
}

TEST(words_begin_in_lower_case_unless_they_are_initials)
{
    CHECK_EQ_STR(atl_error_text(-EMFILE), "too many open files");
#ifdef EDOTDOT
    CHECK_EQ_STR(atl_error_text(-EDOTDOT), "RFS specific error");
#endif
}

TEST(unknown_codes_have_a_name_too)
{
    CHECK_EQ_STR(atl_error_name(-3999), "E3999");
    CHECK_EQ_STR(atl_error_name(3999), "E3999");
    CHECK(atl_error_text(-3999)[0] != '\0');
    CHECK(atl_error_text(0)[0] != '\0');
}

TEST(every_errno_has_words_of_its_own)
{
    for (int code = 1; code < 134; code++) {
        const char *text = atl_error_text(-code);
        CHECK(text[0] != '\0');
        CHECK(strchr(text, '\n') == NULL);
    }
}

TEST(what_files_and_sockets_fail_with_has_a_name)
{
    static const int posix[] = {EACCES, EINVAL, ENOSPC,    EROFS,  EXDEV,
                                EFBIG,  ENXIO,  EOVERFLOW, ESPIPE, ENOTTY,
                                ECHILD, ESRCH,  EDEADLK,   EDQUOT, EILSEQ};
    for (size_t i = 0; i < sizeof(posix) / sizeof(posix[0]); i++) {
        const char *name = atl_error_name(-posix[i]);
        CHECK(name[0] == 'E' && (name[1] < '0' || name[1] > '9'));
    }
}

TEST(failing_returns_the_code_and_tells_why)
{
    struct atl_error why;
    CHECK_CODE(atl_fail(&why, -EINVAL, "port %d: %s", 70000, "too large"),
               -EINVAL);
    CHECK_EQ_INT(why.code, -EINVAL);
    CHECK_EQ_STR(why.text, "port 70000: too large");
    CHECK_CODE(atl_fail(&why, ATL_EOF, NULL), ATL_EOF);
    CHECK_EQ_STR(why.text, "closed by peer");
    CHECK_CODE(atl_fail(NULL, -EPIPE, "nobody asks"), -EPIPE);
    CHECK_CODE(atl_fail(NULL, -EPIPE, NULL), -EPIPE);
}

TEST(long_words_are_cut_to_fit)
{
    struct atl_error why;
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    CHECK_CODE(atl_fail(&why, -EINVAL, "%s", text), -EINVAL);
    CHECK_EQ_INT(strlen(why.text), sizeof(why.text) - 1);
}
