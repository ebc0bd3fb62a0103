/* SPDX-License-Identifier: MIT */
#include "parse/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* The addresses of `name`, each with a space before it. */
static const char *find(const char *text, const char *name)
{
    static char out[512];
    size_t n = strlen(text), at = 0, length = 0;
    char *exact = malloc(n > 0 ? n : 1), host[128];
    struct atl_addr a;
    memcpy(exact, text, n);
    out[0] = '\0';
    while (atl__hosts_next(exact, n, &at, name, &a))
        length += (size_t)snprintf(out + length, sizeof(out) - length, " %s",
                                   atl_addr_host(&a, host, sizeof(host)));
    CHECK_EQ_INT(at, n);
    CHECK(!atl__hosts_next(exact, n, &at, name, &a));
    free(exact);
    return out;
}

static const char usual[] = "127.0.0.1\tlocalhost\n"
                            "# a comment: 10.0.0.9 hidden\n"
                            "\n"
                            "  10.0.0.1   web.example.org web  # hidden\n"
                            "10.0.0.2 db.example.org db\r\n"
                            "2001:db8::2 db.example.org\n"
                            "10.0.0.3 last";

TEST(names_and_aliases_are_found)
{
    CHECK_EQ_STR(find(usual, "web.example.org"), " 10.0.0.1");
    CHECK_EQ_STR(find(usual, "web"), " 10.0.0.1");
    CHECK_EQ_STR(find(usual, "db"), " 10.0.0.2");
    CHECK_EQ_STR(find(usual, "last"), " 10.0.0.3");
    CHECK_EQ_STR(find(usual, "nobody"), "");
}

TEST(several_lines_of_a_name_come_in_their_order)
{
    CHECK_EQ_STR(find(usual, "db.example.org"), " 10.0.0.2 2001:db8::2");
}

TEST(case_does_not_count)
{
    CHECK_EQ_STR(find(usual, "WEB.Example.ORG"), " 10.0.0.1");
    CHECK_EQ_STR(find("10.0.0.1 UPPER", "upper"), " 10.0.0.1");
}

TEST(comments_and_parts_of_names_are_not_names)
{
    CHECK_EQ_STR(find(usual, "hidden"), "");
    CHECK_EQ_STR(find(usual, "example.org"), "");
    CHECK_EQ_STR(find(usual, "we"), "");
    CHECK_EQ_STR(find(usual, "webb"), "");
    CHECK_EQ_STR(find(usual, "10.0.0.1"), "");
    CHECK_EQ_STR(find("10.0.0.1 name#comment more", "name"), " 10.0.0.1");
    CHECK_EQ_STR(find("10.0.0.1 name#comment more", "comment"), "");
    CHECK_EQ_STR(find("10.0.0.1 name#comment more", "more"), "");
    CHECK_EQ_STR(find("#10.0.0.1 name", "name"), "");
}

TEST(lines_that_make_no_sense_are_passed_over)
{
    CHECK_EQ_STR(find("name\n10.0.0.1\n1.2.3 name\n10.0.0.2 name", "name"),
                 " 10.0.0.2");
    CHECK_EQ_STR(find("fe80::1%lo name\n10.0.0.2 name", "name"), " 10.0.0.2");
    CHECK_EQ_STR(find("", "name"), "");
    CHECK_EQ_STR(find("\n\n\n", "name"), "");
    CHECK_EQ_STR(find(" \t\r\n#", "name"), "");
    char text[300];
    memset(text, '1', sizeof(text));
    memcpy(text + 290, " name", 6);
    CHECK_EQ_STR(find(text, "name"), "");
}

TEST(a_name_twice_in_a_line_is_one_address)
{
    CHECK_EQ_STR(find("10.0.0.1 name name", "name"), " 10.0.0.1");
}

TEST(a_zero_byte_is_a_byte_like_others)
{
    static const char text[] = "10.0.0.1 na\0me\n10.0.0.2 name\n";
    struct atl_addr a;
    char host[128];
    size_t at = 0;
    CHECK(atl__hosts_next(text, sizeof(text) - 1, &at, "name", &a));
    CHECK_EQ_STR(atl_addr_host(&a, host, sizeof(host)), "10.0.0.2");
    at = 0;
    CHECK(!atl__hosts_next(text, sizeof(text) - 1, &at, "na", &a));
}
