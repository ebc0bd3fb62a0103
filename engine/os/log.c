/* SPDX-License-Identifier: MIT */
/*
 * The log: one line a call, never more. Bytes that could forge another line or
 * move a terminal's cursor are escaped.
 */
#include "os/os.h"

#include <stdarg.h>
#include <stdio.h>

static atl_log_fn *log_fn;
static void *log_ctx;

void atl_log_set(atl_log_fn *fn, void *ctx)
{
    log_fn = fn;
    log_ctx = ctx;
}

/* Returns the length; cuts what does not fit. */
static size_t escape(char *out, size_t size, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    for (; *text != '\0' && n + 5 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != 0x7f) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '\\';
        out[n++] = 'x';
        out[n++] = hex[c >> 4];
        out[n++] = hex[c & 15];
    }
    out[n] = '\0';
    return n;
}

void atl_log(enum atl_level level, const char *fmt, ...)
{
    static const char prefix[] = "atools: ";
    char raw[1024], line[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(raw, sizeof(raw), fmt, args);
    va_end(args);
    size_t n = sizeof(prefix) - 1;
    for (size_t i = 0; i < n; i++)
        line[i] = prefix[i];
    n += escape(line + n, sizeof(line) - n - 1, raw);
    if (log_fn != NULL) {
        log_fn(log_ctx, level, line + sizeof(prefix) - 1);
        return;
    }
    line[n++] = '\n';
    atl__os_stderr(line, n);
}
