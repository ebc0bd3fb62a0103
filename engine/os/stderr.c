/* SPDX-License-Identifier: MIT */
/* The standard error stream, without stdio: the host's buffers are its own. */
#include "os/os.h"

#include <errno.h>
#include <unistd.h>

void atl__os_stderr(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(STDERR_FILENO, bytes, length);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        bytes += n;
        length -= (size_t)n;
    }
}
