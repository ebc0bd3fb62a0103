/* SPDX-License-Identifier: MIT */
#include "base/list.h"

#include "check.h"

struct item {
    int number;
    struct atl_list link;
};

static void check_order(struct atl_list *head, const char *want)
{
    char got[16];
    size_t n = 0;
    for (struct atl_list *l = head->next; l != head; l = l->next) {
        CHECK_EQ_PTR(l->next->prev, l);
        got[n++] = (char)('0' + ATL_CONTAINER(l, struct item, link)->number);
    }
    got[n] = '\0';
    CHECK_EQ_STR(got, want);
}

TEST(links_stay_in_the_order_they_came)
{
    struct atl_list head;
    struct item items[4];
    atl__list_init(&head);
    CHECK(atl__list_empty(&head));
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        atl__list_append(&head, &items[i].link);
    }
    check_order(&head, "0123");
    atl__list_remove(&items[1].link);
    check_order(&head, "023");
    atl__list_append(&head, &items[1].link);
    check_order(&head, "0231");
    CHECK(!atl__list_empty(&head));
}

TEST(removing_twice_is_safe)
{
    struct atl_list head;
    struct item item = {.number = 1};
    atl__list_init(&head);
    atl__list_init(&item.link);
    atl__list_remove(&item.link);
    atl__list_append(&head, &item.link);
    atl__list_remove(&item.link);
    atl__list_remove(&item.link);
    CHECK(atl__list_empty(&head));
    CHECK(atl__list_empty(&item.link));
}

TEST(all_of_a_list_moves_at_once)
{
    struct atl_list from, to;
    struct item items[3];
    atl__list_init(&from);
    atl__list_init(&to);
    for (int i = 0; i < 3; i++) {
        items[i].number = i;
        atl__list_append(&from, &items[i].link);
    }
    atl__list_take(&to, &from);
    CHECK(atl__list_empty(&from));
    check_order(&to, "012");
    atl__list_take(&to, &from); /* nothing comes, nothing stays */
    CHECK(atl__list_empty(&to));
}
