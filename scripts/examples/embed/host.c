/* SPDX-License-Identifier: MIT */
/*
 * A C program with the engine in it:
 *
 *   cd scripts/examples/embed && make && ./host
 *
 * (then: nc 127.0.0.1 7030, and nc 127.0.0.1 7031; ctrl-d here ends it.)
 *
 * It drives the loop from its own poll(), serves one address with C callbacks
 * and another one with the handlers of a Lua file, and gives Lua two functions
 * that wait without blocking: one is answered by a timer, one by a thread.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <atools.h>
#include <atools_lua.h>

/* --- a server in C: sends back what it gets, in capitals
 * ---------------------- */

static void shout(struct atl_stream *s, const void *bytes, size_t length)
{
    char out[1024];
    const char *in = bytes;
    while (length > 0) {
        size_t n = length < sizeof out ? length : sizeof out;
        for (size_t i = 0; i < n; i++)
            out[i] = in[i] >= 'a' && in[i] <= 'z' ? in[i] - 'a' + 'A' : in[i];
        if (atl_stream_write(s, out, n, 0) < 0) {
            atl_stream_abort(s);
            return;
        }
        in += n;
        length -= n;
    }
}

static const struct atl_stream_handlers shouting = {.on_data = shout};

static int serve_in_c(struct atl_loop *loop, const char *address,
                      struct atl_error *why)
{
    struct atl_endpoint at;
    struct atl_listener *listener;
    static const struct atl_listener_handlers none;
    const struct atl_listener_options options = {.stream_handlers = &shouting};
    int result = atl_endpoint_parse(&at, address, strlen(address), why);
    if (result == 0)
        result =
            atl_listener_open(&listener, loop, &at, &options, &none, NULL, why);
    return result;
}

/* --- functions for Lua that wait
 * ---------------------------------------------- */

static int threads; /* at work; each will post to the loop */

/* One call of either function, from its start until its task has the answer. */
struct job {
    struct atlL_wait wait;
    struct atl_timer timer; /* sleep */
    struct atl_post post;   /* primes: how the thread tells */
    struct atl_loop *loop;
    pthread_t thread;
    long limit, count;
    bool done;      /* the thread has told */
    bool abandoned; /* nobody waits for it any more */
};

static int push_nothing(lua_State *L, void *arg)
{
    (void)L;
    free(arg);
    return 0;
}

static void timer_fired(struct atl_timer *timer)
{
    struct job *job = timer->data;
    atlL_wake(&job->wait, push_nothing, job);
}

static void cancel_sleep(struct atlL_wait *wait, void *arg)
{
    (void)wait;
    struct job *job = arg;
    atl_timer_stop(&job->timer);
    free(job);
}

static struct job *job_new(lua_State *L)
{
    atlL_wait_check(L); /* raises here rather than after something started */
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        luaL_error(L, "not enough memory");
    job->loop = atlL_loop(L);
    return job;
}

/* host.sleep(seconds) */
static int l_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1, "seconds expected");
    struct job *job = job_new(L);
    atl_timer_init(&job->timer, job->loop, timer_fired, job);
    if (atl_timer_start(&job->timer, (int64_t)(seconds * 1e9), 0) < 0) {
        free(job);
        return luaL_error(L, "not enough memory");
    }
    return atlL_wait(L, &job->wait, cancel_sleep, job);
}

static int push_count(lua_State *L, void *arg)
{
    struct job *job = arg;
    lua_pushinteger(L, job->count);
    free(job);
    return 1;
}

/* On the loop's thread again. */
static void thread_done(struct atl_post *post)
{
    struct job *job = post->data;
    pthread_join(job->thread, NULL);
    threads--;
    job->done = true;
    if (job->abandoned)
        free(job);
    else
        atlL_wake(&job->wait, push_count, job);
}

/* A thread cannot be taken back: its answer will be dropped. */
static void cancel_primes(struct atlL_wait *wait, void *arg)
{
    struct job *job = arg;
    (void)wait;
    if (job->done)
        free(job);
    else
        job->abandoned = true;
}

static void *count_primes(void *arg)
{
    struct job *job = arg;
    for (long n = 2; n < job->limit; n++) {
        long d = 2;
        while (d * d <= n && n % d != 0)
            d++;
        job->count += d * d > n;
    }
    atl_loop_post(job->loop, &job->post);
    return NULL;
}

/* host.primes(below): how many there are */
static int l_primes(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 1);
    struct job *job = job_new(L);
    job->limit = limit < 10000000 ? (long)limit : 10000000;
    job->post.fn = thread_done;
    job->post.data = job;
    if (pthread_create(&job->thread, NULL, count_primes, job) != 0) {
        free(job);
        return luaL_error(L, "no more threads");
    }
    threads++;
    return atlL_wait(L, &job->wait, cancel_primes, job);
}

static int open_host(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"sleep", l_sleep}, {"primes", l_primes}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

/* --- Lua on the same loop
 * ----------------------------------------------------- */

/* Arguments: the loop, the address, the file. */
static int serve_in_lua(lua_State *L)
{
    struct atl_error why;
    const char *address = lua_tostring(L, 2), *file = lua_tostring(L, 3);
    luaL_openlibs(L);
    luaL_requiref(L, "host", open_host, 0);
    if (atlL_open(L, lua_touserdata(L, 1), &why) < 0)
        return luaL_error(L, "%s", why.text);
    if (luaL_loadfile(L, file) != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 1);
    if (atlL_listen(L, address, &why) < 0)
        return luaL_error(L, "%s", why.text);
    return 0;
}

/* --- the host's own loop
 * ------------------------------------------------------ */

static struct pollfd *set;
static size_t set_size;

/* Slot 0 is the host's: standard input. The rest is the engine's. */
static size_t fill_set(struct atl_loop *loop)
{
    size_t count = 1;
    if (atl_loop_fd(loop) < 0)
        count = atl_loop_pollfds(loop, NULL, 0);
    if (set_size < count + 1) {
        struct pollfd *larger = realloc(set, (count + 64) * sizeof *set);
        if (larger == NULL)
            exit(1);
        set = larger;
        set_size = count + 64;
    }
    set[0] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
    if (atl_loop_fd(loop) >= 0)
        set[1] = (struct pollfd){atl_loop_fd(loop), POLLIN, 0};
    else
        atl_loop_pollfds(loop, set + 1, count);
    return count + 1;
}

static int drive(struct atl_loop *loop)
{
    for (;;) {
        int64_t sleep_ns;
        int result = atl_loop_prepare(loop, &sleep_ns);
        if (result < 0)
            return result;
        size_t count = fill_set(loop);
        int64_t ms = (sleep_ns / 1000 + 999) / 1000; /* up: never too early */
        int n = poll(set, (nfds_t)count, ms < 60000 ? (int)ms : 60000);
        if (n < 0 && errno != EINTR)
            return -errno;
        char c;
        if (n > 0 && set[0].revents != 0 && read(STDIN_FILENO, &c, 1) <= 0)
            return 0; /* the end of the input ends the program */
        result = atl_loop_step(loop, 0);
        if (result < 0)
            return result;
    }
}

/* Whoever opened them: the loop knows all its objects. */
static int print_listener(void *ctx, enum atl_kind kind, void *object,
                          bool keeps_alive)
{
    struct atl_addr addr;
    char text[320];
    (void)ctx;
    (void)keeps_alive;
    if (kind == ATL_KIND_LISTENER && atl_listener_local(object, &addr) == 0) {
        atl_addr_format(&addr, text, sizeof text);
        printf("listening on %s\n", text);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *c_address = argc > 1 ? argv[1] : "127.0.0.1:7030";
    const char *lua_address = argc > 2 ? argv[2] : "127.0.0.1:7031";
    const char *file = argc > 3 ? argv[3] : "handlers.lua";
    struct atl_error why = {0};
    struct atl_loop *loop;
    const struct atl_loop_options options = {.backend = getenv("BACKEND")};
    int result = atl_loop_new(&loop, &options, &why);
    if (result < 0) {
        fprintf(stderr, "host: %s\n", why.text);
        return 1;
    }
    lua_State *L = luaL_newstate();
    result = L == NULL ? -ENOMEM : serve_in_c(loop, c_address, &why);
    if (result == 0) {
        lua_pushcfunction(L, serve_in_lua);
        lua_pushlightuserdata(L, loop);
        lua_pushstring(L, lua_address);
        lua_pushstring(L, file);
        if (lua_pcall(L, 3, 0, 0) != LUA_OK)
            result = atl_fail(&why, ATL_ESCRIPT, "%s", lua_tostring(L, -1));
    }
    if (result == 0) {
        atl_loop_visit(loop, print_listener, NULL);
        fflush(stdout);
        result = drive(loop);
    }
    if (result < 0)
        fprintf(stderr, "host: %s\n",
                why.text[0] != '\0' ? why.text : atl_error_text(result));
    if (L != NULL) {
        atlL_close(L);
        lua_close(L);
    }
    while (threads > 0 && atl_loop_step(loop, ATL_NEVER) >= 0)
        ; /* what they post lives in memory that must go first */
    atl_loop_free(&loop);
    free(set);
    return result < 0;
}
