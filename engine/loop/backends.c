/* SPDX-License-Identifier: MIT */
/* The backends compiled in, best first; select(2) is taken by name only. */
#include <errno.h>
#include <string.h>

#include "atools/loop.h"
#include "loop/backend.h"

static const struct atl_backend *const backends[] = {
    &atl__backend_epoll,
    &atl__backend_poll,
    &atl__backend_select,
};

static const char *const names[] = {"epoll", "poll", "select", NULL};

const char *const *atl_backend_names(void)
{
    return names;
}

int atl__backend_find(const struct atl_backend **out, const char *name,
                      struct atl_error *why)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (name == NULL || strcmp(backends[i]->name, name) == 0) {
            *out = backends[i];
            return 0;
        }
    }
    return atl_fail(why, -EINVAL,
                    "no backend named \"%s\" (known: epoll, poll, select)",
                    name);
}
