/* SPDX-License-Identifier: MIT */
/* Addresses: what is read and written again must be read the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "atools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void numeric(const struct atl_endpoint *endpoint)
{
    struct atl_addr addr, again;
    struct atl_endpoint parsed;
    char text[320];

    if (endpoint->is_unix ||
        atl_addr_numeric(&addr, endpoint->host, endpoint->port) < 0)
        return;
    require(atl_addr_port(&addr) == endpoint->port);
    size_t length = atl_addr_format(&addr, text, sizeof(text));
    require(length < sizeof(text) && length == strlen(text));
    require(atl_endpoint_parse(&parsed, text, length, NULL) == 0);
    require(atl_addr_numeric(&again, parsed.host, parsed.port) == 0);
    require(addr.length == again.length);
    require(memcmp(&addr.sa, &again.sa, addr.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct atl_endpoint endpoint, again;
    char text[320], cut[8];
    struct atl_error why = {0};

    if (atl_endpoint_parse(&endpoint, (const char *)data, size, &why) < 0) {
        require(why.text[0] != '\0' && strchr(why.text, '\n') == NULL);
        return 0;
    }
    require(memchr(endpoint.host, '\0', sizeof(endpoint.host)) != NULL);
    size_t length = atl_endpoint_format(&endpoint, text, sizeof(text));
    require(length < sizeof(text) && length == strlen(text));
    size_t short_length = atl_endpoint_format(&endpoint, cut, sizeof(cut));
    require(short_length < sizeof(cut) && strlen(cut) == short_length);
    require(atl_endpoint_parse(&again, text, length, NULL) == 0);
    require(strcmp(endpoint.host, again.host) == 0);
    require(endpoint.port == again.port && endpoint.is_unix == again.is_unix);
    numeric(&endpoint);
    return 0;
}
