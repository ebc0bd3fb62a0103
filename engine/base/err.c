/* SPDX-License-Identifier: MIT */
/*
 * Result codes and their words. The texts of errno come from strerror, lower
 * cased so that they fit into a sentence; the names come from one table.
 */
#include "atools/base.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    const char *name;
    const char *text; /* NULL: strerror's */
} codes[] = {
    {ATL_EOF, "EOF", "closed by peer"},
    {ATL_ECLOSED, "ECLOSED", "closed"},
    {ATL_ENOTFOUND, "ENOTFOUND", "no such name"},
    {ATL_EDNS, "EDNS", "name look-up failed"},
    {ATL_ETLS, "ETLS", "TLS failed"},
    {ATL_EPOOL, "EPOOL", "no connection to be had from the pool"},
    {ATL_ESCRIPT, "ESCRIPT", "a handler raised an error"},
    {-ETIMEDOUT, "ETIMEDOUT", "timeout"},
    {-ECANCELED, "ECANCELED", "cancelled"},
    {-ENOBUFS, "ENOBUFS", "output queue is full"},
    {-EMSGSIZE, "EMSGSIZE", "message too long"},
    {-EPROTO, "EPROTO", "protocol error"},
    {-ENOMEM, "ENOMEM", "not enough memory"},
    {-E2BIG, "E2BIG", NULL},
    {-EACCES, "EACCES", NULL},
    {-EADDRINUSE, "EADDRINUSE", NULL},
    {-EADDRNOTAVAIL, "EADDRNOTAVAIL", NULL},
    {-EAFNOSUPPORT, "EAFNOSUPPORT", NULL},
    {-EAGAIN, "EAGAIN", NULL},
    {-EALREADY, "EALREADY", NULL},
    {-EBADF, "EBADF", NULL},
    {-EBADMSG, "EBADMSG", NULL},
    {-EBUSY, "EBUSY", NULL},
    {-ECHILD, "ECHILD", NULL},
    {-ECONNABORTED, "ECONNABORTED", NULL},
    {-ECONNREFUSED, "ECONNREFUSED", NULL},
    {-ECONNRESET, "ECONNRESET", NULL},
    {-EDEADLK, "EDEADLK", NULL},
    {-EDESTADDRREQ, "EDESTADDRREQ", NULL},
    {-EDOM, "EDOM", NULL},
    {-EDQUOT, "EDQUOT", NULL},
    {-EEXIST, "EEXIST", NULL},
    {-EFAULT, "EFAULT", NULL},
    {-EFBIG, "EFBIG", NULL},
    {-EHOSTDOWN, "EHOSTDOWN", NULL},
    {-EHOSTUNREACH, "EHOSTUNREACH", NULL},
    {-EIDRM, "EIDRM", NULL},
    {-EILSEQ, "EILSEQ", NULL},
    {-EINPROGRESS, "EINPROGRESS", NULL},
    {-EINTR, "EINTR", NULL},
    {-EINVAL, "EINVAL", NULL},
    {-EIO, "EIO", NULL},
    {-EISCONN, "EISCONN", NULL},
    {-EISDIR, "EISDIR", NULL},
    {-ELOOP, "ELOOP", NULL},
    {-EMFILE, "EMFILE", NULL},
    {-EMLINK, "EMLINK", NULL},
    {-ENAMETOOLONG, "ENAMETOOLONG", NULL},
    {-ENETDOWN, "ENETDOWN", NULL},
    {-ENETRESET, "ENETRESET", NULL},
    {-ENETUNREACH, "ENETUNREACH", NULL},
    {-ENFILE, "ENFILE", NULL},
    {-ENODEV, "ENODEV", NULL},
    {-ENOENT, "ENOENT", NULL},
    {-ENOEXEC, "ENOEXEC", NULL},
    {-ENOLCK, "ENOLCK", NULL},
    {-ENOPROTOOPT, "ENOPROTOOPT", NULL},
    {-ENOSPC, "ENOSPC", NULL},
    {-ENOSYS, "ENOSYS", NULL},
    {-ENOTCONN, "ENOTCONN", NULL},
    {-ENOTDIR, "ENOTDIR", NULL},
    {-ENOTEMPTY, "ENOTEMPTY", NULL},
    {-ENOTSOCK, "ENOTSOCK", NULL},
    {-ENOTTY, "ENOTTY", NULL},
    {-ENXIO, "ENXIO", NULL},
    {-EOPNOTSUPP, "EOPNOTSUPP", NULL},
    {-EOVERFLOW, "EOVERFLOW", NULL},
    {-EPERM, "EPERM", NULL},
    {-EPFNOSUPPORT, "EPFNOSUPPORT", NULL},
    {-EPIPE, "EPIPE", NULL},
    {-EPROTONOSUPPORT, "EPROTONOSUPPORT", NULL},
    {-EPROTOTYPE, "EPROTOTYPE", NULL},
    {-ERANGE, "ERANGE", NULL},
    {-EROFS, "EROFS", NULL},
    {-ESHUTDOWN, "ESHUTDOWN", NULL},
    {-ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT", NULL},
    {-ESPIPE, "ESPIPE", NULL},
    {-ESRCH, "ESRCH", NULL},
    {-ESTALE, "ESTALE", NULL},
    {-ETOOMANYREFS, "ETOOMANYREFS", NULL},
    {-ETXTBSY, "ETXTBSY", NULL},
    {-EUSERS, "EUSERS", NULL},
    {-EXDEV, "EXDEV", NULL},
};

static int find(int code)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].code == code)
            return (int)i;
    return -1;
}

const char *atl_error_name(int code)
{
    static _Thread_local char unknown[16];
    int i = find(code);
    if (i >= 0)
        return codes[i].name;
    snprintf(unknown, sizeof(unknown), "E%d", code < 0 ? -code : code);
    return unknown;
}

const char *atl_error_text(int code)
{
    static _Thread_local char text[96];
    int i = find(code);
    if (i >= 0 && codes[i].text != NULL)
        return codes[i].text;
    snprintf(text, sizeof(text), "%s", strerror(code < 0 ? -code : code));
    /* "Connection refused", but not "RPC struct is bad" */
    if (!isupper((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
    return text;
}

int atl_fail(struct atl_error *why, int code, const char *fmt, ...)
{
    va_list args;
    if (why == NULL)
        return code;
    why->code = code;
    if (fmt == NULL) {
        snprintf(why->text, sizeof(why->text), "%s", atl_error_text(code));
        return code;
    }
    va_start(args, fmt);
    vsnprintf(why->text, sizeof(why->text), fmt, args);
    va_end(args);
    return code;
}
