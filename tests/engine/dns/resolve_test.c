/* SPDX-License-Identifier: MIT */
/* Look-ups over a hosts file of the test's own, through the call table. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "atools.h"
#include "check.h"
#include "dns/local.h"
#include "os/os.h"

/* The hosts file: what reading it brings, at most `chunk` bytes at a time. */
static struct {
    const char *text;
    size_t length, at, chunk;
    int open_code, read_code;
    int opened;
} file;

static int fake_open(void *self, const char *path)
{
    CHECK_EQ_STR(path, "/etc/hosts");
    file.opened++;
    file.at = 0;
    return file.open_code < 0 ? file.open_code
                              : atl__os_real.calls->open_null(self);
}

static ssize_t fake_read(void *self, int fd, void *buf, size_t n)
{
    (void)self;
    (void)fd;
    if (file.read_code < 0)
        return file.read_code;
    if (n > file.length - file.at)
        n = file.length - file.at;
    if (n > file.chunk)
        n = file.chunk;
    memcpy(buf, file.text + file.at, n);
    file.at += n;
    return (ssize_t)n;
}

static struct atl_loop *loop_new(const char *text)
{
    static struct atl_os_calls calls;
    static struct atl_os os;
    struct atl_loop_options options = {.os = &os};
    struct atl_loop *loop;
    calls = *atl__os_real.calls;
    calls.open_read = fake_open;
    calls.read = fake_read;
    os = (struct atl_os){&calls, atl__os_real.self};
    file.text = text;
    file.length = strlen(text);
    file.chunk = SIZE_MAX;
    CHECK_OK(atl_loop_new(&loop, &options, NULL));
    return loop;
}

struct answer {
    int calls, code;
    char text[512]; /* the addresses, or the words of the failure */
    struct atl_loop *loop;
    struct atl_resolve *other; /* to be closed inside the call */
};

static void answered(void *data, const struct atl_addr *addrs, size_t count,
                     const struct atl_error *why)
{
    struct answer *a = data;
    size_t n = 0;
    a->calls++;
    CHECK((count == 0) == (why != NULL));
    a->code = why != NULL ? why->code : 0;
    if (why != NULL)
        snprintf(a->text, sizeof(a->text), "%s", why->text);
    for (size_t i = 0; i < count; i++) {
        char host[128];
        CHECK_EQ_INT(atl_addr_port(&addrs[i]), 0);
        n += (size_t)snprintf(a->text + n, sizeof(a->text) - n, "%s%s",
                              i > 0 ? " " : "",
                              atl_addr_host(&addrs[i], host, sizeof(host)));
    }
    atl_resolve_close(&a->other);
}

static const char *resolve(struct atl_loop *loop, const char *name,
                           enum atl_family family, int code)
{
    static struct answer a;
    struct atl_resolve *handle;
    memset(&a, 0, sizeof(a));
    CHECK_OK(atl_resolve_open(&handle, loop, name, family, answered, &a));
    CHECK_EQ_INT(a.calls, 0);
    CHECK(atl_loop_alive(loop));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(a.calls, 1);
    CHECK_EQ_INT(a.code, code);
    return a.text;
}

static const char hosts[] = "10.0.0.1 one\n"
                            "10.0.0.2 two alias\n"
                            "2001:db8::2 Two\n"
                            "10.0.0.22 two\n"
                            "10.0.0.2 two\n"
                            "10.9.9.9 localhost x.localhost\n"
                            "2001:db8::6 six\n";

TEST(names_of_the_hosts_file_have_its_addresses)
{
    struct atl_loop *loop = loop_new(hosts);
    CHECK_EQ_STR(resolve(loop, "one", ATL_ANY, 0), "10.0.0.1");
    CHECK_EQ_STR(resolve(loop, "alias", ATL_ANY, 0), "10.0.0.2");
    CHECK_EQ_STR(resolve(loop, "ONE.", ATL_ANY, 0), "10.0.0.1");
    CHECK_EQ_INT(file.opened, 3);
    atl_loop_free(&loop);
}

TEST(lines_of_one_name_are_merged_without_repetition)
{
    struct atl_loop *loop = loop_new(hosts);
    CHECK_EQ_STR(resolve(loop, "two", ATL_ANY, 0),
                 "10.0.0.2 2001:db8::2 10.0.0.22");
    CHECK_EQ_STR(resolve(loop, "two", ATL_IPV4, 0), "10.0.0.2 10.0.0.22");
    CHECK_EQ_STR(resolve(loop, "two", ATL_IPV6, 0), "2001:db8::2");
    atl_loop_free(&loop);
}

TEST(unknown_names_fail_with_words)
{
    struct atl_loop *loop = loop_new(hosts);
    CHECK_EQ_STR(resolve(loop, "three", ATL_ANY, ATL_ENOTFOUND),
                 "no such name: three");
    CHECK_EQ_STR(resolve(loop, "notlocalhost", ATL_ANY, ATL_ENOTFOUND),
                 "no such name: notlocalhost");
    CHECK_EQ_STR(resolve(loop, "localhost.one", ATL_ANY, ATL_ENOTFOUND),
                 "no such name: localhost.one");
    CHECK_EQ_STR(resolve(loop, "six", ATL_IPV4, ATL_ENOTFOUND),
                 "six has no IPv4 address");
    CHECK_EQ_STR(resolve(loop, "127.0.0.1", ATL_IPV6, ATL_ENOTFOUND),
                 "127.0.0.1 has no IPv6 address");
    atl_loop_free(&loop);
}

TEST(localhost_and_names_below_it_are_this_machine)
{
    struct atl_loop *loop = loop_new(hosts);
    CHECK_EQ_STR(resolve(loop, "localhost", ATL_ANY, 0), "127.0.0.1 ::1");
    CHECK_EQ_STR(resolve(loop, "LocalHost.", ATL_ANY, 0), "127.0.0.1 ::1");
    CHECK_EQ_STR(resolve(loop, "x.localhost", ATL_ANY, 0), "127.0.0.1 ::1");
    CHECK_EQ_STR(resolve(loop, "a.b.localhost.", ATL_IPV6, 0), "::1");
    CHECK_EQ_STR(resolve(loop, "localhost", ATL_IPV4, 0), "127.0.0.1");
    CHECK_EQ_INT(file.opened, 0);
    atl_loop_free(&loop);
}

TEST(numeric_addresses_need_no_look_up)
{
    struct atl_loop *loop = loop_new("10.0.0.1 10.0.0.2\n");
    CHECK_EQ_STR(resolve(loop, "10.0.0.2", ATL_ANY, 0), "10.0.0.2");
    CHECK_EQ_STR(resolve(loop, "2001:DB8::1", ATL_IPV6, 0), "2001:db8::1");
    CHECK_EQ_INT(file.opened, 0);
    atl_loop_free(&loop);
}

TEST(what_cannot_be_a_name_is_refused_at_once)
{
    struct atl_loop *loop = loop_new(hosts);
    struct atl_resolve *handle = NULL;
    struct answer a = {0};
    char name[300];
    static const char *const bad[] = {"", "a b", "a\n", "\x7f"};
    for (size_t i = 0; i < 4; i++)
        CHECK_CODE(
            atl_resolve_open(&handle, loop, bad[i], ATL_ANY, answered, &a),
            -EINVAL);
    memset(name, 'a', sizeof(name));
    name[299] = '\0';
    CHECK_CODE(atl_resolve_open(&handle, loop, name, ATL_ANY, answered, &a),
               -EINVAL);
    name[254] = '\0';
    CHECK_CODE(atl_resolve_open(&handle, loop, name, ATL_ANY, answered, &a),
               -EINVAL);
    CHECK_EQ_PTR(handle, NULL);
    CHECK(!atl_loop_alive(loop));
    name[253] = '\0';
    resolve(loop, name, ATL_ANY, ATL_ENOTFOUND);
    memcpy(name + 253, ".", 2);
    resolve(loop, name, ATL_ANY, ATL_ENOTFOUND);
    atl_loop_free(&loop);
}

TEST(a_file_read_byte_by_byte_is_read_whole)
{
    enum { LINES = 9000, WIDTH = 40 };
    char *text = malloc(LINES * WIDTH + 1);
    for (int i = 0; i < LINES; i++)
        snprintf(text + i * WIDTH, WIDTH + 1, "10.0.%03d.%03d %*s\n", 100, 200,
                 WIDTH - 14, "padding");
    text[0] = '#';
    memcpy(text + (LINES - 1) * WIDTH, "10.7.7.7     last", 17);
    struct atl_loop *loop = loop_new(text);
    file.chunk = 1;
    CHECK_EQ_STR(resolve(loop, "last", ATL_ANY, 0), "10.7.7.7");
    atl_loop_free(&loop);
    free(text);
}

TEST(a_file_over_a_mebibyte_is_cut_at_a_line)
{
    enum { MIB = 1048576 };
    char *text = malloc(MIB + 100);
    memset(text, ' ', MIB + 99);
    text[MIB + 99] = '\0';
    memcpy(text, "10.0.0.1 first\n", 15);
    memcpy(text + MIB - 20, "\n10.0.0.2 example-and-more\n10.0.0.3 late\n", 41);
    struct atl_loop *loop = loop_new(text);
    CHECK_EQ_STR(resolve(loop, "first", ATL_ANY, 0), "10.0.0.1");
    resolve(loop, "example-an", ATL_ANY, ATL_ENOTFOUND);
    resolve(loop, "late", ATL_ANY, ATL_ENOTFOUND);
    atl_loop_free(&loop);
    free(text);
}

TEST(without_a_hosts_file_no_name_is_known)
{
    struct atl_loop *loop = loop_new(hosts);
    file.open_code = -ENOENT;
    CHECK_EQ_STR(resolve(loop, "one", ATL_ANY, ATL_ENOTFOUND),
                 "no such name: one");
    atl_loop_free(&loop);
}

TEST(a_hosts_file_that_cannot_be_read_fails_the_look_up)
{
    struct atl_loop *loop = loop_new(hosts);
    file.open_code = -EMFILE;
    CHECK_EQ_STR(resolve(loop, "one", ATL_ANY, ATL_EDNS),
                 "looking up one: reading /etc/hosts: too many open files");
    file.open_code = 0;
    file.read_code = -EISDIR;
    CHECK_EQ_STR(resolve(loop, "one", ATL_ANY, ATL_EDNS),
                 "looking up one: reading /etc/hosts: is a directory");
    atl_loop_free(&loop);
}

TEST(a_closed_look_up_does_not_answer)
{
    struct atl_loop *loop = loop_new(hosts);
    struct atl_resolve *handle;
    struct answer a = {0};
    CHECK_OK(atl_resolve_open(&handle, loop, "one", ATL_ANY, answered, &a));
    atl_resolve_close(&handle);
    CHECK_EQ_PTR(handle, NULL);
    atl_resolve_close(&handle);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(a.calls, 0);
    CHECK_EQ_INT(file.opened, 0);
    atl_loop_free(&loop);
}

TEST(one_look_up_may_close_another_in_its_answer)
{
    struct atl_loop *loop = loop_new(hosts);
    struct atl_resolve *handle;
    struct answer a = {0}, b = {0};
    CHECK_OK(atl_resolve_open(&handle, loop, "one", ATL_ANY, answered, &a));
    CHECK_OK(atl_resolve_open(&a.other, loop, "two", ATL_ANY, answered, &b));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(a.calls, 1);
    CHECK_EQ_INT(b.calls, 0);
    atl_loop_free(&loop);
}

static void ask_again(void *data, const struct atl_addr *addrs, size_t count,
                      const struct atl_error *why)
{
    struct answer *a = data;
    (void)addrs;
    (void)why;
    CHECK_EQ_INT(count, 1);
    if (++a->calls < 3)
        CHECK_OK(
            atl_resolve_open(&a->other, a->loop, "one", ATL_ANY, ask_again, a));
}

TEST(an_answer_may_ask_again)
{
    struct atl_loop *loop = loop_new(hosts);
    struct answer a = {.loop = loop};
    CHECK_OK(atl_resolve_open(&a.other, loop, "one", ATL_ANY, ask_again, &a));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(a.calls, 3);
    atl_loop_free(&loop);
}

static void free_loop(void *data, const struct atl_addr *addrs, size_t count,
                      const struct atl_error *why)
{
    struct answer *a = data;
    (void)addrs;
    (void)count;
    (void)why;
    a->calls++;
    atl_loop_free(&a->loop);
}

TEST(a_loop_freed_with_look_ups_open_ends_them)
{
    struct atl_loop *loop = loop_new(hosts);
    struct atl_resolve *handle;
    struct answer a = {0};
    CHECK_OK(atl_resolve_open(&handle, loop, "one", ATL_ANY, answered, &a));
    atl_loop_free(&loop);
    CHECK_EQ_INT(a.calls, 0);

    a.loop = loop_new(hosts);
    loop = a.loop;
    CHECK_OK(atl_resolve_open(&handle, loop, "one", ATL_ANY, free_loop, &a));
    CHECK_OK(atl_resolve_open(&handle, loop, "two", ATL_ANY, answered, &a));
    CHECK_CODE(atl_loop_run(loop), ATL_ECLOSED);
}

TEST(the_first_address_is_had_at_once)
{
    struct atl_loop *loop = loop_new(hosts);
    struct atl_addr a;
    char host[128];
    CHECK_OK(atl__resolve_local(&a, loop, "two"));
    CHECK_EQ_STR(atl_addr_host(&a, host, sizeof(host)), "10.0.0.2");
    CHECK_OK(atl__resolve_local(&a, loop, "localhost."));
    CHECK_EQ_STR(atl_addr_host(&a, host, sizeof(host)), "127.0.0.1");
    CHECK_CODE(atl__resolve_local(&a, loop, "three"), ATL_ENOTFOUND);
    CHECK_CODE(atl__resolve_local(&a, loop, ""), -EINVAL);
    atl_loop_free(&loop);
}

TEST(without_memory_a_look_up_fails)
{
    alloc_watch();
    struct atl_loop *loop = loop_new(hosts);
    struct atl_resolve *handle = NULL;
    struct answer a = {0};
    struct atl_addr addr;
    alloc_fail_after(0);
    CHECK_CODE(atl_resolve_open(&handle, loop, "one", ATL_ANY, answered, &a),
               -ENOMEM);
    CHECK_EQ_PTR(handle, NULL);
    CHECK_CODE(atl__resolve_local(&addr, loop, "one"), -ENOMEM);
    alloc_fail_after(1);
    CHECK_OK(atl_resolve_open(&handle, loop, "one", ATL_ANY, answered, &a));
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    CHECK_EQ_INT(a.calls, 1);
    CHECK_EQ_INT(a.code, ATL_EDNS);
    CHECK_EQ_STR(a.text,
                 "looking up one: reading /etc/hosts: not enough memory");
    alloc_fail_after(ALLOC_ALWAYS);
    CHECK_EQ_STR(resolve(loop, "one", ATL_ANY, 0), "10.0.0.1");
    atl_loop_free(&loop);
}
