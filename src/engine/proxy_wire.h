/* SPDX-License-Identifier: MIT
 *
 * The header of the PROXY protocol, versions 1 and 2: read and written.
 */
#ifndef PLAIT_ENGINE_PROXY_WIRE_H
#define PLAIT_ENGINE_PROXY_WIRE_H

#include <plait/address.h>

#define PLAIT__PROXY_V1_MAX 107  /* bytes of a line with its end */
#define PLAIT__PROXY_V2_MAX 4096 /* bytes that we take; the length field could say more */

struct plait__proxy_header {
    /* it says whom the connection is for; else (LOCAL, UNKNOWN, UNSPEC) the addresses of the connection count */
    bool told;
    struct plait_address source, destination;
};

/* Reads the header at the start of `in`. Errors: PLAIT_EAGAIN (`in` is the beginning of one), PLAIT_EMALFORMED,
 * PLAIT_ETOOLONG. `*used` is its length. */
plait_err plait__proxy_parse(plait_slice in, struct plait__proxy_header *out, size_t *used) PLAIT_MUST;

/* Appends a header. What version 1 or the family can't say becomes UNKNOWN or LOCAL. */
void plait__proxy_put_v1(struct plait_buf *buf, const struct plait__proxy_header *header);
void plait__proxy_put_v2(struct plait_buf *buf, const struct plait__proxy_header *header);

#endif
