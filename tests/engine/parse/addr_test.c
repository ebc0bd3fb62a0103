/* SPDX-License-Identifier: MIT */
#include "atools/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "parse/addr.h"

/* Parses exactly the text's bytes, without the NUL behind them. */
static int parse(struct atl_endpoint *out, const char *text, size_t n,
                 struct atl_error *why)
{
    char *exact = malloc(n > 0 ? n : 1);
    memcpy(exact, text, n);
    int r = atl_endpoint_parse(out, exact, n, why);
    free(exact);
    return r;
}

static void reads(const char *text, const char *host, int port)
{
    struct atl_endpoint e;
    struct atl_error why = {0};
    if (parse(&e, text, strlen(text), &why) != 0)
        CHECK_FAIL("%s: %s", text, why.text);
    CHECK_EQ_STR(e.host, host);
    CHECK_EQ_INT(e.port, port);
    CHECK(!e.is_unix);
}

TEST(hosts_and_ports_are_split)
{
    reads("127.0.0.1:7000", "127.0.0.1", 7000);
    reads("[::1]:7000", "::1", 7000);
    reads("[fe80::1%eth0]:80", "fe80::1%eth0", 80);
    reads("[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80);
    reads("example.org:443", "example.org", 443);
    reads("Ex-ample_1.org.:443", "Ex-ample_1.org.", 443);
    reads("localhost:0", "localhost", 0);
    reads("a:65535", "a", 65535);
    reads("a:00080", "a", 80);
    reads("b\xc3\xbc"
          "cher:1",
          "b\xc3\xbc"
          "cher",
          1);
}

TEST(no_host_and_a_star_are_all_addresses)
{
    reads(":7000", "", 7000);
    reads("*:7000", "", 7000);
}

static void reads_unix(const char *text, const char *path)
{
    struct atl_endpoint e;
    CHECK_OK(parse(&e, text, strlen(text), NULL));
    CHECK_EQ_STR(e.host, path);
    CHECK_EQ_INT(e.port, 0);
    CHECK(e.is_unix);
}

TEST(unix_paths_are_taken_as_they_are)
{
    reads_unix("unix:/tmp/a socket:1", "/tmp/a socket:1");
    reads_unix("unix:relative", "relative");
    reads_unix("unix:@abstract", "@abstract");
    reads_unix("unix::", ":");
}

static void refuses(const char *text, const char *word)
{
    struct atl_endpoint e;
    struct atl_error why = {0};
    memset(&e, 'x', sizeof(e));
    CHECK_CODE(parse(&e, text, strlen(text), &why), -EINVAL);
    CHECK_EQ_INT(e.host[0], 'x'); /* untouched */
    CHECK_EQ_INT(why.code, -EINVAL);
    if (strstr(why.text, word) == NULL)
        CHECK_FAIL("%s: \"%s\" says nothing of \"%s\"", text, why.text, word);
    CHECK_CODE(parse(&e, text, strlen(text), NULL), -EINVAL);
}

TEST(what_is_no_address_is_refused_with_words)
{
    refuses("", "port is missing");
    refuses("localhost", "port is missing");
    refuses("[::1]", "port is missing");
    refuses("[::1]7000", "port is missing");
    refuses("a:", "port");
    refuses(":", "port");
    refuses("a:b", "port");
    refuses("a:-1", "port");
    refuses("a:+1", "port");
    refuses("a:1x", "port");
    refuses("a:65536", "65535");
    refuses("a:99999999999999999999", "65535");
    refuses("::1:7000", "brackets");
    refuses("::1", "brackets");
    refuses("1:2:3", "brackets");
    refuses("[::1:7000", "\"]\"");
    refuses("[]:7000", "not an IPv6");
    refuses("[127.0.0.1]:7000", "not an IPv6");
    refuses("[name]:7000", "not an IPv6");
    refuses("[a:b]:7000", "not an IPv6");
    refuses("[::1%]:7000", "not an IPv6");
    refuses("a b:1", "spaces");
    refuses(" a:1", "spaces");
    refuses("a:1\n", "control");
    refuses("a\x7f:1", "control");
    refuses("unix:", "path is missing");
    refuses("unix:@", "path is missing");
    refuses("unix:/tmp/a\nb", "control");
}

TEST(a_zero_byte_is_part_of_no_address)
{
    struct atl_endpoint e;
    CHECK_CODE(parse(&e, "a\0b:1", 5, NULL), -EINVAL);
    CHECK_CODE(parse(&e, "a:1\0", 4, NULL), -EINVAL);
    CHECK_CODE(parse(&e, "unix:/a\0b", 9, NULL), -EINVAL);
    CHECK_CODE(parse(&e, "unix:@a\0b", 9, NULL), -EINVAL);
}

TEST(names_and_paths_too_long_are_refused)
{
    struct atl_endpoint e;
    struct atl_error why;
    char text[400];
    memset(text, 'a', sizeof(text));
    memcpy(text + 255, ":1", 2);
    CHECK_OK(parse(&e, text, 257, NULL));
    CHECK_EQ_INT(strlen(e.host), 255);
    memcpy(text + 255, "a:1", 3);
    CHECK_CODE(parse(&e, text, 258, &why), -EINVAL);
    CHECK(strstr(why.text, "too long") != NULL);

    memset(text, 'a', sizeof(text));
    memcpy(text, "unix:/", 6);
    CHECK_OK(parse(&e, text, 5 + 107, NULL));
    CHECK_CODE(parse(&e, text, 5 + 108, &why), -ENAMETOOLONG);
    CHECK(strstr(why.text, "108 bytes") != NULL);
    CHECK(strstr(why.text, "at most 107") != NULL);
}

TEST(endpoints_are_written_as_they_are_read)
{
    static const char *const texts[] = {
        "127.0.0.1:7000", "[::1]:7000", "[fe80::1%eth0]:80", ":7000",
        "example.org:0",  "unix:/path", "unix:@abstract",    "unix:a b:c[d]@e"};
    struct atl_endpoint e;
    char buf[320];
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK_OK(parse(&e, texts[i], strlen(texts[i]), NULL));
        CHECK_EQ_INT(atl_endpoint_format(&e, buf, sizeof(buf)),
                     strlen(texts[i]));
        CHECK_EQ_STR(buf, texts[i]);
    }
}

TEST(text_is_cut_to_the_room_there_is)
{
    struct atl_endpoint e;
    char buf[8] = "xxxxxxx";
    CHECK_OK(parse(&e, "127.0.0.1:7000", 14, NULL));
    CHECK_EQ_INT(atl_endpoint_format(&e, buf, 0), 0);
    CHECK_EQ_INT(buf[0], 'x');
    CHECK_EQ_INT(atl_endpoint_format(&e, buf, 1), 0);
    CHECK_EQ_STR(buf, "");
    CHECK_EQ_INT(atl_endpoint_format(&e, buf, 5), 4);
    CHECK_EQ_STR(buf, "127.");
    struct atl_addr a;
    CHECK_OK(atl_addr_numeric(&a, "10.1.2.3", 80));
    CHECK_EQ_INT(atl_addr_format(&a, buf, 5), 4);
    CHECK_EQ_STR(buf, "10.1");
}

TEST(numbers_are_read_without_a_look_up)
{
    struct atl_addr a;
    char buf[320];
    CHECK_OK(atl_addr_numeric(&a, "10.1.2.3", 80));
    CHECK_EQ_INT(a.length, sizeof(struct sockaddr_in));
    CHECK_EQ_INT(a.sa.in.sin_port, htons(80));
    CHECK_EQ_INT(a.sa.in.sin_addr.s_addr, htonl(0x0a010203));
    CHECK_EQ_STR(atl_addr_family(&a), "ipv4");
    CHECK_EQ_INT(atl_addr_port(&a), 80);
    atl_addr_format(&a, buf, sizeof(buf));
    CHECK_EQ_STR(buf, "10.1.2.3:80");

    CHECK_OK(atl_addr_numeric(&a, "2001:DB8:0::1", 65535));
    CHECK_EQ_INT(a.length, sizeof(struct sockaddr_in6));
    CHECK_EQ_STR(atl_addr_family(&a), "ipv6");
    CHECK_EQ_INT(atl_addr_port(&a), 65535);
    atl_addr_format(&a, buf, sizeof(buf));
    CHECK_EQ_STR(buf, "[2001:db8::1]:65535");
}

TEST(names_are_no_numbers)
{
    static const char *const names[] = {
        "",         "localhost", "1.2.3", "1.2.3.4.5",  "256.1.1.1", "01.2.3.4",
        "1.2.3.4 ", "0x7f.1",    "12",    ":",          "1::2::3",   "::1%",
        "[::1]",    "::g",       "%lo",   "1.2.3.4%lo", "::1:"};
    struct atl_addr a;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (atl_addr_numeric(&a, names[i], 1) != -EINVAL)
            CHECK_FAIL("\"%s\" is taken for a number", names[i]);
}

TEST(zones_are_told_apart_from_the_address)
{
    struct atl_addr a;
    const char *zone;
    CHECK_OK(atl__addr_parse(&a, "fe80::1%eth0", 80, &zone));
    CHECK_EQ_STR(zone, "eth0");
    CHECK_EQ_INT(a.sa.in6.sin6_scope_id, 0);
    CHECK_OK(atl__addr_parse(&a, "fe80::1", 80, &zone));
    CHECK_EQ_PTR(zone, NULL);
}

TEST(an_address_of_no_family_has_no_port)
{
    struct atl_addr a;
    memset(&a, 0, sizeof(a));
    CHECK_EQ_INT(atl_addr_port(&a), 0);
}
