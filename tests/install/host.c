/* SPDX-License-Identifier: MIT */
/* A C host of the installed library, as small as one can be: one timer. */
#include <atools.h>
#include <stdio.h>

static int fired;

static void on_timer(struct atl_timer *timer)
{
    (void)timer;
    fired++;
}

int main(void)
{
    struct atl_loop *loop;
    struct atl_timer timer;
    struct atl_error why;

    if (atl_loop_new(&loop, NULL, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    atl_timer_init(&timer, loop, on_timer, NULL);
    atl_timer_start(&timer, ATL_MILLISECOND, 0);
    atl_loop_run(loop);
    atl_loop_free(&loop);
    return fired != 1;
}
