/* SPDX-License-Identifier: MIT */
/* The end of objects: once, later, and not before everybody let go. */
#include "check.h"
#include "loop/private.h"

#include <stdlib.h>

static int closed, freed;

struct thing {
    struct atl_object object;
    struct thing *friend; /* ended together with this one */
    bool keep_going;      /* its operations do not end when asked to */
};

static void thing_close(struct atl_object *o)
{
    struct thing *t = (struct thing *)o;
    atl__object_close(o);
    if (t->friend != NULL) {
        struct thing *f = t->friend;
        t->friend = NULL;
        atl__object_close(&f->object);
        while (f->object.ops > 0)
            atl__object_done(&f->object);
    }
    while (o->ops > 0 && !t->keep_going)
        atl__object_done(o);
}

static void thing_closed(struct atl_object *o)
{
    (void)o;
    closed++;
}

static void thing_free(struct atl_object *o)
{
    freed++;
    free(o);
}

static const struct atl_object_kind kind = {ATL_KIND_STREAM, thing_close,
                                            thing_closed, thing_free};

static struct atl_loop *loop;

static struct thing *thing(bool keeps_alive)
{
    struct thing *t = calloc(1, sizeof(*t));
    atl__object_init(&t->object, loop, &kind, keeps_alive);
    return t;
}

static void begin(void)
{
    CHECK_OK(atl_loop_new(&loop, NULL, NULL));
    CHECK_OK(atl_loop_step(loop, 0));
}

static void check(int want_closed, int want_freed)
{
    CHECK_EQ_INT(closed, want_closed);
    CHECK_EQ_INT(freed, want_freed);
}

TEST(an_object_is_told_of_its_end_once)
{
    begin();
    struct thing *t = thing(true);
    CHECK(atl_loop_alive(loop));
    atl__object_close(&t->object);
    atl__object_close(&t->object);
    check(0, 0);
    CHECK_EQ_INT(atl_loop_step(loop, ATL_NEVER), 0);
    check(1, 1);
    atl_loop_free(&loop);
    check(1, 1);
}

TEST(an_object_may_keep_the_loop_alive_or_not)
{
    begin();
    struct thing *t = thing(false);
    CHECK(!atl_loop_alive(loop));
    atl__object_keep_alive(&t->object, true);
    atl__object_keep_alive(&t->object, true);
    CHECK(atl_loop_alive(loop));
    atl__object_keep_alive(&t->object, false);
    CHECK(!atl_loop_alive(loop));
    atl_loop_free(&loop);
    check(1, 1);
}

TEST(what_was_never_opened_leaves_without_a_word)
{
    begin();
    struct thing *t = thing(true);
    atl__object_fini(&t->object);
    free(t);
    CHECK_EQ_INT(atl_loop_run(loop), 0);
    atl_loop_free(&loop);
    check(0, 0);
}

TEST(memory_stays_while_a_callback_is_on_the_stack)
{
    begin();
    struct thing *t = thing(true);
    atl__object_enter(&t->object);
    atl__object_close(&t->object);
    CHECK_OK(atl_loop_step(loop, 0));
    check(1, 0);
    atl__object_leave(&t->object);
    CHECK_OK(atl_loop_step(loop, 0));
    check(1, 1);
    atl_loop_free(&loop);
}

TEST(memory_stays_while_an_operation_is_in_flight)
{
    begin();
    struct thing *t = thing(true);
    t->object.ops = 2;
    atl__object_close(&t->object);
    CHECK_EQ_INT(atl_loop_step(loop, 0), 1); /* it keeps the loop alive */
    check(1, 0);
    atl__object_done(&t->object);
    CHECK_EQ_INT(atl_loop_step(loop, 0), 1);
    check(1, 0);
    atl__object_done(&t->object);
    CHECK_EQ_INT(atl_loop_step(loop, 0), 0);
    check(1, 1);
    atl_loop_free(&loop);
}

TEST(operations_that_end_first_change_nothing)
{
    begin();
    struct thing *t = thing(true);
    t->object.ops = 1;
    atl__object_done(&t->object);
    CHECK_EQ_INT(atl_loop_step(loop, 0), 1);
    t->object.ops = 1;
    atl__object_close(&t->object);
    atl__object_done(&t->object); /* before phase 5 */
    CHECK_EQ_INT(atl_loop_step(loop, 0), 0);
    check(1, 1);
    atl_loop_free(&loop);
}

TEST(the_loops_end_ends_everything)
{
    begin();
    for (int i = 0; i < 10; i++)
        thing(i % 2);
    struct thing *t = thing(true);
    t->object.ops = 3;
    atl_loop_free(&loop);
    check(11, 11);
}

TEST(objects_may_end_each_other_while_the_loop_ends)
{
    begin();
    struct thing *a = thing(true), *b = thing(true), *c = thing(true);
    struct thing *d = thing(true);
    /* b is past its on_close and leaves the list while a is ended */
    b->object.ops = 1;
    b->keep_going = true;
    atl__object_close(&b->object);
    CHECK_OK(atl_loop_step(loop, 0));
    check(1, 0);
    a->friend = b;
    c->friend = d;
    atl_loop_free(&loop);
    check(4, 4);
}

static struct thing *born;

static void give_birth(struct atl_object *o)
{
    loop = o->loop;
    closed++;
    if (closed < 5) {
        born = thing(true);
        static const struct atl_object_kind fertile = {
            ATL_KIND_STREAM, thing_close, give_birth, thing_free};
        born->object.kind = &fertile;
    }
}

TEST(what_an_on_close_makes_ends_too)
{
    static const struct atl_object_kind fertile = {ATL_KIND_STREAM, thing_close,
                                                   give_birth, thing_free};
    begin();
    struct thing *t = thing(true);
    struct atl_loop *its_loop = loop;
    t->object.kind = &fertile;
    atl_loop_free(&its_loop);
    check(5, 5);
}
