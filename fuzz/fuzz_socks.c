/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the messages of SOCKS. The first byte says what the rest is. Beyond not crashing: a message that is read
 * whole is PLAIT_EAGAIN for every shorter beginning; written again it is as long, but for reserved bytes the same, and
 * what is written then is written the same way for ever. And a request or login made of any bytes at all either can't
 * be written, or reads back as it was.
 */
#include "small/socks_wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void require_name(plait_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        require(name.ptr[i] > ' ' && name.ptr[i] != 0x7f);
}

/* Each reads a message, and writes it to `out` where there is one. */
typedef plait_err (*again_fn)(plait_slice in, struct plait_buf *out, size_t *used);

static plait_err request4(plait_slice in, struct plait_buf *out, size_t *used)
{
    struct plait__socks_request r;
    const plait_err err = plait__socks4_parse_request(in, &r, used);
    if (err == PLAIT_OK && out) {
        require_name(r.to.name);
        plait__socks4_put_request(out, &r);
    }
    return err;
}

static plait_err reply4(plait_slice in, struct plait_buf *out, size_t *used)
{
    struct plait__socks_reply r;
    const plait_err err = plait__socks4_parse_reply(in, &r, used);
    if (err == PLAIT_OK && out) {
        (void)plait__socks4_meaning(r.code);
        plait__socks4_put_reply(out, &r);
    }
    return err;
}

static plait_err request5(plait_slice in, struct plait_buf *out, size_t *used)
{
    struct plait__socks_request r;
    const plait_err err = plait__socks5_parse_request(in, &r, used);
    if (err == PLAIT_OK && out) {
        require_name(r.to.name);
        plait__socks5_put_request(out, &r);
    }
    return err;
}

static plait_err reply5(plait_slice in, struct plait_buf *out, size_t *used)
{
    struct plait__socks_reply r;
    const plait_err err = plait__socks5_parse_reply(in, &r, used);
    if (err == PLAIT_OK && out) {
        const plait_err means = plait__socks5_meaning(r.code);
        require((means == PLAIT_OK) == (plait__socks5_code(means) == PLAIT__SOCKS5_SUCCEEDED));
        plait__socks5_put_reply(out, &r);
    }
    return err;
}

static plait_err methods5(plait_slice in, struct plait_buf *out, size_t *used)
{
    plait_slice methods;
    const plait_err err = plait__socks5_parse_methods(in, &methods, used);
    if (err == PLAIT_OK && out)
        plait__socks5_put_methods(out, methods);
    return err;
}

static plait_err method5(plait_slice in, struct plait_buf *out, size_t *used)
{
    uint8_t method;
    const plait_err err = plait__socks5_parse_method(in, &method, used);
    if (err == PLAIT_OK && out)
        plait__socks5_put_method(out, method);
    return err;
}

static plait_err login5(plait_slice in, struct plait_buf *out, size_t *used)
{
    plait_slice user;
    plait_slice password;
    const plait_err err = plait__socks5_parse_login(in, &user, &password, used);
    if (err == PLAIT_OK && out)
        plait__socks5_put_login(out, user, password);
    return err;
}

static plait_err verdict5(plait_slice in, struct plait_buf *out, size_t *used)
{
    bool right;
    const plait_err err = plait__socks5_parse_verdict(in, &right, used);
    if (err == PLAIT_OK && out)
        plait__socks5_put_verdict(out, right);
    return err;
}

/* A datagram has no beginnings: what is cut is malformed. */
static plait_err datagram5(plait_slice in, struct plait_buf *out, size_t *used)
{
    struct plait__socks_end end;
    plait_slice data;
    const plait_err err = plait__socks5_parse_datagram(in, &end, &data);
    require(err != PLAIT_EAGAIN);
    if (err == PLAIT_OK && out) {
        require_name(end.name);
        plait__socks5_put_datagram(out, &end, data);
    }
    *used = in.len;
    return err;
}

/* --- writing anything --------------------------------------------------------------------------------------------- */

static void check_same(const struct plait__socks_request *a, const struct plait__socks_request *b, bool has_user)
{
    const bool named = a->to.name.len > 0;
    require(a->command == b->command && a->to.address.port == b->to.address.port);
    require(plait_slice_equal(a->to.name, b->to.name) && (!has_user || plait_slice_equal(a->user, b->user)));
    require(named || a->to.address.kind == PLAIT_ADDR_NONE || plait_address_equal(&a->to.address, &b->to.address));
}

static void check_requests(const struct plait__socks_request *r, struct plait_buf *buf)
{
    struct plait__socks_request back;
    size_t used;
    plait__socks4_put_request(buf, r);
    if (buf->err == PLAIT_OK) {
        require(plait__socks4_parse_request(plait_buf_slice(buf), &back, &used) == PLAIT_OK && used == buf->len);
        check_same(r, &back, true);
    }
    plait_buf_clear(buf);
    plait__socks5_put_request(buf, r);
    if (buf->err == PLAIT_OK) {
        require(plait__socks5_parse_request(plait_buf_slice(buf), &back, &used) == PLAIT_OK && used == buf->len);
        check_same(r, &back, false);
    }
    plait_buf_clear(buf);
}

static void check_login(plait_slice user, plait_slice password, struct plait_buf *buf)
{
    plait_slice back[2];
    size_t used;
    plait__socks5_put_login(buf, user, password);
    if (buf->err == PLAIT_OK) {
        require(plait__socks5_parse_login(plait_buf_slice(buf), &back[0], &back[1], &used) == PLAIT_OK);
        require(used == buf->len && plait_slice_equal(back[0], user) && plait_slice_equal(back[1], password));
    }
    plait_buf_clear(buf);
    plait__socks5_put_methods(buf, user);
    require(buf->err != PLAIT_OK ||
            (plait__socks5_parse_methods(plait_buf_slice(buf), &back[0], &used) == PLAIT_OK && used == buf->len));
}

/* Four bytes of address, two of port, two of the user's length, then the user and the name. */
static void check_any(uint8_t kind, plait_slice in)
{
    struct plait__socks_request r = {.command = kind};
    struct plait_scan scan = plait_scan_of(in);
    struct plait_budget budget;
    struct plait_buf buf;
    plait_slice ip;
    uint16_t len;
    if (!plait_scan_bytes(&scan, 4, &ip) || !plait_scan_u16(&scan, &r.to.address.port) ||
        !plait_scan_u16(&scan, &len) || !plait_scan_bytes(&scan, len, &r.user))
        return;
    r.to.name = plait_scan_rest(&scan);
    r.to.address.kind = (enum plait_address_kind)(kind % 3); /* none, IPv4, IPv6 */
    memcpy(r.to.address.ip, ip.ptr, ip.len);
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&buf, &budget, in.len + 32);
    check_requests(&r, &buf);
    check_login(r.user, r.to.name, &buf);
    plait_buf_deinit(&buf);
}

static const again_fn kinds[] = {request4, reply4, request5, reply5, methods5, method5, login5, verdict5, datagram5};

static void check(again_fn again, plait_slice in)
{
    struct plait_budget budget;
    struct plait_buf once;
    struct plait_buf twice;
    size_t used;
    size_t back;
    if (again(in, NULL, &used) != PLAIT_OK)
        return;
    for (size_t len = 0; again != datagram5 && len < used; len++)
        require(again(plait_slice_sub(in, 0, len), NULL, &back) == PLAIT_EAGAIN);
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&once, &budget, in.len + 16);
    plait_buf_init(&twice, &budget, in.len + 16);
    require(used <= in.len && again(in, &once, &used) == PLAIT_OK && once.err == PLAIT_OK && once.len == used);
    require(again(plait_buf_slice(&once), &twice, &back) == PLAIT_OK && back == used);
    require(plait_slice_equal(plait_buf_slice(&once), plait_buf_slice(&twice)));
    plait_buf_deinit(&once);
    plait_buf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t count = sizeof(kinds) / sizeof(kinds[0]);
    if (size > 0 && data[0] >= 0x80)
        check_any(data[0], plait_slice_of(data + 1, size - 1));
    else if (size > 0)
        check(kinds[data[0] % count], plait_slice_of(data + 1, size - 1));
    return 0;
}
