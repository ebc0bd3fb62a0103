/* SPDX-License-Identifier: MIT */
/*
 * The runner's command line: lua's own options with lua's meaning, and those
 * of the engine, written long. The first argument that is not an option is the
 * script; all after it are the script's.
 */
#include "runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char runner_usage[] =
    "usage: atools-lua [options] [script [args]]\n"
    "  -e CODE           run CODE\n"
    "  -l MODULE         require MODULE into a global (-l name=MODULE)\n"
    "  -i                prompt on a live loop after the script\n"
    "  -E                ignore environment variables\n"
    "  -W                turn warnings on\n"
    "  -v, --version     show the version\n"
    "  --backend NAME    how to wait for sockets (ATOOLS_BACKEND, see "
    "--list-backends)\n"
    "  --max-files N     ask for N open files, as asocket.setMaxFiles(N)\n"
    "  --listen ADDRESS  serve there with what the script returns: a table of\n"
    "                    handlers, or a function per connection; repeatable\n"
    "  --list-backends   show the backends, the best first\n"
    "  --help            show this\n"
    "  --                no more options\n"
    "  -                 the script comes from standard input\n"
    "Without a script: the prompt on a terminal, else as \"-\".\n";

struct parser {
    struct runner_options *options;
    char **argv;
    int next; /* the argument to look at */
    struct atl_error *why;
};

/* The value of a long option: after "=" or the next argument. */
static const char *long_value(struct parser *p, size_t name_length)
{
    const char *arg = p->argv[p->next++];
    if (arg[name_length] == '=')
        return arg + name_length + 1;
    const char *value = p->argv[p->next];
    if (value == NULL) {
        atl_fail(p->why, -EINVAL, "%s needs a value", arg);
        return NULL;
    }
    p->next++;
    return value;
}

static int set_max_files(struct parser *p, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
        value == 0 || value > SIZE_MAX)
        return atl_fail(p->why, -EINVAL,
                        "--max-files needs a positive number, not \"%s\"",
                        text);
    p->options->max_files = (size_t)value;
    return 0;
}

static int parse_long(struct parser *p)
{
    static const struct {
        const char *name;
        enum runner_mode mode; /* RUNNER_RUN: it takes a value */
    } known[] = {
        {"--backend", RUNNER_RUN},     {"--max-files", RUNNER_RUN},
        {"--listen", RUNNER_RUN},      {"--help", RUNNER_HELP},
        {"--version", RUNNER_VERSION}, {"--list-backends", RUNNER_BACKENDS},
    };
    struct runner_options *o = p->options;
    const char *arg = p->argv[p->next];
    size_t length = strcspn(arg, "=");
    size_t i = 0, count = sizeof known / sizeof *known;
    while (i < count && (strlen(known[i].name) != length ||
                         strncmp(known[i].name, arg, length) != 0))
        i++;
    if (i == count || (known[i].mode != RUNNER_RUN && arg[length] == '='))
        return atl_fail(p->why, -EINVAL, "unknown option \"%s\"", arg);
    if (known[i].mode == RUNNER_VERSION) {
        o->version = true;
        p->next++;
        return 0;
    }
    if (known[i].mode != RUNNER_RUN) {
        o->mode = known[i].mode;
        p->next++;
        return 0;
    }
    const char *value = long_value(p, length);
    if (value == NULL)
        return -EINVAL;
    if (i == 0)
        o->backend = value;
    else if (i == 1)
        return set_max_files(p, value);
    else
        o->listen[o->listen_count++] = value;
    return 0;
}

/* -e and -l: the value is the rest of the argument or the next one. */
static int parse_action(struct parser *p, char option)
{
    const char *value = p->argv[p->next++] + 2;
    if (*value == '\0') {
        value = p->argv[p->next];
        if (value == NULL || *value == '-')
            return atl_fail(p->why, -EINVAL, "-%c needs %s", option,
                            option == 'e' ? "code" : "a module");
        p->next++;
    }
    struct runner_options *o = p->options;
    struct runner_action *action = &o->actions[o->action_count++];
    action->kind = option == 'e' ? RUNNER_CODE : RUNNER_MODULE;
    action->text = value;
    return 0;
}

static int parse_short(struct parser *p)
{
    struct runner_options *o = p->options;
    const char *arg = p->argv[p->next];
    if (arg[1] == 'e' || arg[1] == 'l')
        return parse_action(p, arg[1]);
    if (arg[1] == '\0' || arg[2] != '\0')
        return atl_fail(p->why, -EINVAL, "unknown option \"%s\"", arg);
    p->next++;
    switch (arg[1]) {
    case 'i':
        o->interactive = o->version = true;
        return 0;
    case 'v':
        o->version = true;
        return 0;
    case 'E':
        o->ignore_environment = true;
        return 0;
    case 'W':
        o->warnings = true;
        return 0;
    default:
        return atl_fail(p->why, -EINVAL, "unknown option \"%s\"", arg);
    }
}

static int parse(struct parser *p)
{
    const char *arg;
    while ((arg = p->argv[p->next]) != NULL && arg[0] == '-' &&
           arg[1] != '\0') {
        if (strcmp(arg, "--") == 0) {
            p->next++;
            break;
        }
        int result = arg[1] == '-' ? parse_long(p) : parse_short(p);
        if (result < 0)
            return result;
    }
    if (p->argv[p->next] != NULL)
        p->options->script = p->next;
    return 0;
}

int runner_options_init(struct runner_options *o, int argc, char **argv,
                        struct atl_error *why)
{
    memset(o, 0, sizeof *o);
    /* no more of either than there are arguments */
    o->listen = calloc((size_t)argc + 1, sizeof *o->listen);
    o->actions = calloc((size_t)argc + 1, sizeof *o->actions);
    int result = -ENOMEM;
    if (o->listen == NULL || o->actions == NULL) {
        atl_fail(why, result, NULL);
        goto fail;
    }
    struct parser p = {o, argv, argc > 0 ? 1 : 0, why};
    result = parse(&p);
    if (result < 0)
        goto fail;
    if (o->backend == NULL && !o->ignore_environment) {
        const char *name = getenv("ATOOLS_BACKEND");
        o->backend = name != NULL && *name != '\0' ? name : NULL;
    }
    if (o->version && o->mode == RUNNER_RUN && !o->interactive &&
        o->script == 0 && o->action_count == 0)
        o->mode = RUNNER_VERSION;
    return 0;
fail:
    runner_options_fini(o);
    return result;
}

void runner_options_fini(struct runner_options *o)
{
    free(o->listen);
    free(o->actions);
    o->listen = NULL;
    o->actions = NULL;
}
