/* SPDX-License-Identifier: MIT */
/*
 * The runner, build/atools-lua: what its files share.
 */
#ifndef ATL_BINDINGS_RUNNER_H
#define ATL_BINDINGS_RUNNER_H

#include "atools.h"

#define RUNNER_NAME "atools-lua"

/* What the command line asks to do before the script, in its order. */
struct runner_action {
    enum { RUNNER_CODE, RUNNER_MODULE } kind;
    const char *text; /* borrows, as all text here: from argv or environ */
};

enum runner_mode {
    RUNNER_RUN,
    RUNNER_HELP,
    RUNNER_VERSION, /* and nothing else to do */
    RUNNER_BACKENDS
};

struct runner_options {
    enum runner_mode mode;
    const char *backend; /* NULL: the engine's choice */
    size_t max_files;    /* 0: leave the limit alone */
    const char **listen; /* owns the array */
    size_t listen_count;
    struct runner_action *actions; /* owns */
    size_t action_count;
    bool interactive, version, ignore_environment, warnings;
    int script; /* index in argv, "-" included; 0: none */
};

/* Reads the command line. -EINVAL says what is wrong with it. */
int runner_options_init(struct runner_options *o, int argc, char **argv,
                        struct atl_error *why);
void runner_options_fini(struct runner_options *o);
/* Sets what suits a server in the C library. */
void runner_tune(void);
/* A lua_Alloc, to be set in a new state: it keeps large blocks at hand. */
void *runner_alloc(void *ctx, void *p, size_t osize, size_t nsize);
/* The text of --help. */
extern const char runner_usage[];

#endif
