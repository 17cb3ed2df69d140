/* SPDX-License-Identifier: MIT
 *
 * Another protocol in a request's place (RFC 9110 section 7.8): whether the client offers it, and the answer after
 * which there is only a stream that knows nothing of HTTP. What carries the request does it in its own way.
 *
 * Invariant: a request whose upgrade fails can be answered as if nothing had been; of one that succeeded nothing is
 * left. Test: tests/web/test_http_upgrade.c.
 */
#include "base/try.h"
#include "web/http_core.h"

bool plait_request_upgrade_offered(const struct plait_request *req, const char *protocol)
{
    return req->carrier && req->ops->offers(req, protocol);
}

plait_err plait_request_upgrade(struct plait_request *req, const char *protocol, struct plait_stream **out)
{
    if (req->phase != PLAIT__HR_OPEN || !req->body_done)
        return PLAIT_FAIL(PLAIT_ESTATE);
    if (!req->carrier)
        return PLAIT_FAIL(PLAIT_ECLOSED);
    if (!req->ops->offers(req, protocol))
        return PLAIT_FAIL(PLAIT_EINVAL);
    PLAIT_TRY(req->ops->upgrade(req, protocol, out));
    req->status = 101;
    plait__http_answered(req, true);
    return PLAIT_OK;
}

plait_err plait__request_tunnel(struct plait_request *req, struct plait_stream **out)
{
    PLAIT_TRY(req->ops->tunnel(req, out));
    req->status = 200;
    plait__http_answered(req, true);
    return PLAIT_OK;
}
