/* SPDX-License-Identifier: MIT */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "os/os.h"

TEST(interfaces_have_numbers_and_names)
{
    char buf[32];
    unsigned lo = if_nametoindex("lo");
    if (lo == 0)
        CHECK_SKIP("no interface \"lo\" here");
    CHECK_EQ_INT(atl__os_interface("lo"), lo);
    CHECK_EQ_STR(atl__os_interface_name(lo, buf, sizeof(buf)), "lo");
    CHECK_EQ_STR(atl__os_interface_name(lo, buf, 2), ""); /* no half names */
    CHECK_EQ_STR(atl__os_interface_name(lo, buf, 0), "");
}

TEST(numbers_are_taken_as_they_are)
{
    char buf[32];
    CHECK_EQ_INT(atl__os_interface("77777"), 77777);
    CHECK_EQ_STR(atl__os_interface_name(77777, buf, sizeof(buf)), "");
    CHECK_EQ_INT(atl__os_interface("0"), 0);
    CHECK_EQ_INT(atl__os_interface("4294967296"), 0);
    CHECK_EQ_INT(atl__os_interface("99999999999999999999"), 0);
    CHECK_EQ_INT(atl__os_interface("-1"), 0);
    CHECK_EQ_INT(atl__os_interface(" 1"), 0);
    CHECK_EQ_INT(atl__os_interface("1x"), 0);
    CHECK_EQ_INT(atl__os_interface(""), 0);
}

TEST(the_machine_lists_its_addresses)
{
    int count = atl_local_addresses(NULL, 0);
    CHECK_OK(count);
    if (count == 0)
        CHECK_SKIP("no interface is up here");
    struct atl_addr *all = calloc((size_t)count, sizeof(*all)), again;
    char host[128];
    bool loopback = false;
    CHECK_EQ_INT(atl_local_addresses(all, (size_t)count), count);
    for (int i = 0; i < count; i++) {
        atl_addr_host(&all[i], host, sizeof(host));
        CHECK_OK(atl_addr_numeric(&again, host, 0));
        CHECK_EQ_INT(all[i].length, again.length);
        loopback |= strcmp(host, "127.0.0.1") == 0;
    }
    CHECK(loopback);
    CHECK_EQ_INT(atl_local_addresses(all, 1), count);
    free(all);
}
