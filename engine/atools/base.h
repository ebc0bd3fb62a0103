/* SPDX-License-Identifier: MIT */
/*
 * What every part of the engine stands on: result codes with words for them,
 * the one allocator, the one log.
 */
#ifndef ATOOLS_BASE_H
#define ATOOLS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ATL_API __attribute__((visibility("default")))
#define ATL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define ATL_API
#define ATL_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A switch in an option struct: zero keeps the default. */
enum atl_switch { ATL_DEFAULT, ATL_ON, ATL_OFF };

#define ATL_NEVER INT64_MAX /* "no limit" for durations and sizes */
#define ATL_SECOND INT64_C(1000000000)
#define ATL_MILLISECOND INT64_C(1000000)

/* Codes that errno has no word for; below every -errno of every platform. */
enum atl_code {
    ATL_EOF = -4096,       /* the peer ended its stream */
    ATL_ECLOSED = -4097,   /* closed here */
    ATL_ENOTFOUND = -4098, /* no such name */
    ATL_EDNS = -4099,      /* the name could not be looked up */
    ATL_ETLS = -4100,
    ATL_EPOOL = -4101,
    ATL_ESCRIPT = -4102 /* a handler raised */
};

/* What failed, for a person: a code and a sentence without newline. */
struct atl_error {
    int code;
    char text[220];
};

/* "ECONNRESET", "EOF", ...; "E<number>" for unknown ones. Static or thread
   local memory: valid until the next call of this thread. */
ATL_API const char *atl_error_name(int code);

/* "connection reset by peer", "closed by peer", ...: lower case, no code. */
ATL_API const char *atl_error_text(int code);

/* Fills *why (NULL allowed) with `code` and the formatted text, cut to fit,
   and returns `code`. `fmt` NULL: atl_error_text(code). */
ATL_API int atl_fail(struct atl_error *why, int code, const char *fmt, ...)
    ATL_PRINTF(3, 4);

/*
 * The allocator of the whole engine, in Lua's shape: nsize 0 frees, otherwise
 * resizes `p` of `osize` bytes (NULL, 0 for a new block) and returns NULL when
 * it cannot. Call before anything else of the engine; `fn` NULL restores
 * malloc. The engine calls it on loop threads only, never on its helpers.
 */
typedef void *atl_alloc_fn(void *ctx, void *p, size_t osize, size_t nsize);
ATL_API void atl_allocator_set(atl_alloc_fn *fn, void *ctx);

/* Bytes the engine holds by its allocator now, in the whole process. */
ATL_API size_t atl_memory_used(void);

/*
 * The log: the engine's rare messages to the operator (limits reached, a
 * backend that fell back). `text` has no newline; control bytes are escaped.
 * Without a function, lines go to stderr with an "atools: " prefix.
 */
enum atl_level { ATL_LOG_INFO, ATL_LOG_WARNING, ATL_LOG_ERROR };
typedef void atl_log_fn(void *ctx, enum atl_level level, const char *text);
ATL_API void atl_log_set(atl_log_fn *fn, void *ctx);
ATL_API void atl_log(enum atl_level level, const char *fmt, ...)
    ATL_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
