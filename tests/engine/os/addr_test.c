/* SPDX-License-Identifier: MIT */
/* What addresses need of the system: zones, and what the kernel hands out. */
#include "atools/addr.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

TEST(zones_are_interfaces_by_name_or_number)
{
    struct atl_addr a;
    char buf[320];
    unsigned lo = if_nametoindex("lo");
    if (lo == 0)
        CHECK_SKIP("no interface \"lo\" here");
    CHECK_OK(atl_addr_numeric(&a, "fe80::1%lo", 80));
    CHECK_EQ_INT(a.sa.in6.sin6_scope_id, lo);
    CHECK_EQ_STR(atl_addr_host(&a, buf, sizeof(buf)), "fe80::1%lo");
    atl_addr_format(&a, buf, sizeof(buf));
    CHECK_EQ_STR(buf, "[fe80::1%lo]:80");
    snprintf(buf, sizeof(buf), "fe80::1%%%u", lo);
    CHECK_OK(atl_addr_numeric(&a, buf, 80));
    CHECK_EQ_INT(a.sa.in6.sin6_scope_id, lo);
}

TEST(a_number_without_an_interface_stays_a_number)
{
    struct atl_addr a;
    char buf[128];
    CHECK_OK(atl_addr_numeric(&a, "fe80::1%77777", 80));
    CHECK_EQ_INT(a.sa.in6.sin6_scope_id, 77777);
    CHECK_EQ_STR(atl_addr_host(&a, buf, sizeof(buf)), "fe80::1%77777");
}

TEST(an_unknown_zone_is_refused)
{
    struct atl_addr a;
    CHECK_CODE(atl_addr_numeric(&a, "fe80::1%nosuchif", 80), -EINVAL);
    CHECK_CODE(atl_addr_numeric(&a, "fe80::1%0", 80), -EINVAL);
    CHECK_CODE(atl_addr_numeric(&a, "fe80::1%-1", 80), -EINVAL);
}

static void bind_unix(struct atl_addr *out, const char *path, size_t length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct atl_addr a;
    memset(&a, 0, sizeof(a));
    a.sa.un.sun_family = AF_UNIX;
    memcpy(a.sa.un.sun_path, path, length);
    a.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    CHECK(fd >= 0);
    if (length > 0)
        CHECK_EQ_INT(bind(fd, &a.sa.any, a.length), 0);
    out->length = sizeof(out->sa);
    CHECK_EQ_INT(getsockname(fd, &out->sa.any, &out->length), 0);
    close(fd);
}

TEST(unix_sockets_are_their_paths)
{
    struct atl_addr a;
    char path[108], buf[320], want[320];
    const char *dir = getenv("TMPDIR");
    snprintf(path, sizeof(path), "%s/addr-%d.sock", dir ? dir : "/tmp",
             (int)getpid());
    bind_unix(&a, path, strlen(path) + 1);
    unlink(path);
    CHECK_EQ_STR(atl_addr_host(&a, buf, sizeof(buf)), path);
    CHECK_EQ_STR(atl_addr_family(&a), "unix");
    CHECK_EQ_INT(atl_addr_port(&a), 0);
    atl_addr_format(&a, buf, sizeof(buf));
    snprintf(want, sizeof(want), "unix:%s", path);
    CHECK_EQ_STR(buf, want);
}

TEST(a_path_may_fill_its_field_to_the_last_byte)
{
    struct atl_addr a;
    char buf[320];
    memset(&a, 0, sizeof(a));
    a.sa.un.sun_family = AF_UNIX;
    memset(a.sa.un.sun_path, 'p', sizeof(a.sa.un.sun_path));
    a.length = sizeof(a.sa.un);
    CHECK_EQ_INT(strlen(atl_addr_host(&a, buf, sizeof(buf))),
                 sizeof(a.sa.un.sun_path));
}

TEST(abstract_and_unnamed_unix_sockets_have_texts_too)
{
    struct atl_addr a;
    char name[64], buf[128];
    snprintf(name, sizeof(name), "@atools-test-%d", (int)getpid());
    char raw[64];
    memcpy(raw, name, sizeof(raw));
    raw[0] = '\0';
    bind_unix(&a, raw, strlen(name));
    CHECK_EQ_STR(atl_addr_host(&a, buf, sizeof(buf)), name);
    bind_unix(&a, "", 0);
    CHECK_EQ_STR(atl_addr_host(&a, buf, sizeof(buf)), "");
    atl_addr_format(&a, buf, sizeof(buf));
    CHECK_EQ_STR(buf, "unix:");
}

TEST(a_host_is_cut_to_the_room_there_is)
{
    struct atl_addr a;
    char buf[8] = "xxxxxxx";
    CHECK_OK(atl_addr_numeric(&a, "fe80::1%77777", 80));
    atl_addr_host(&a, buf, 0);
    CHECK_EQ_INT(buf[0], 'x');
    for (size_t size = 1; size <= sizeof(buf); size++)
        CHECK(strlen(atl_addr_host(&a, buf, size)) < size);
}
