/* SPDX-License-Identifier: MIT
 *
 * StartTLS in AMP: either side may ask, the roles in the handshake follow who connected. What the asker sends meanwhile
 * waits. The answer goes in the clear, and the handshake begins right behind it.
 *
 * Invariant: no box but the answer leaves in the clear between the question and the handshake.
 * Test: tests/rpc/test_amp_tls.c.
 */
#include "rpc/amp_core.h"

#include "base/try.h"

#include <plait/tls.h>

static plait_err begin(struct plait_amp *amp)
{
    const plait_slice no_alpn = {NULL, 0};
    if (amp->o.accepted)
        return plait_starttls_server(amp->s, amp->o.tls_server);
    return plait_starttls_client(amp->s, amp->o.tls_client, amp->o.tls_name, no_alpn);
}

void plait__amp_tls_asked(struct plait_amp *amp, plait_slice tag)
{
    const bool can = amp->o.accepted ? amp->o.tls_server != NULL : amp->o.tls_client != NULL;
    if (amp->holding) {
        plait_abort_with(amp->s, PLAIT_EPROTOCOL, "both sides asked for TLS");
        return;
    }
    if (!can || plait_stream_tls(amp->s)) {
        plait__amp_send_error(amp, tag, PLAIT_LIT("UNHANDLED"), PLAIT_LIT("there is no TLS to start"));
        return;
    }
    plait__amp_box_begin(&amp->box, NULL);
    plait__amp_put_pair(&amp->box.buf, PLAIT_LIT("_answer"), tag);
    plait_err err = plait__amp_send(amp);
    if (err == PLAIT_OK)
        err = begin(amp);
    if (err != PLAIT_OK)
        plait_abort_with(amp->s, err, "StartTLS");
}

/* When we are the server of the handshake, the peer's first words may stand right behind its answer. */
void plait__amp_tls_answered(struct plait_amp *amp)
{
    const plait_err err = begin(amp);
    amp->feeding = err == PLAIT_OK && amp->o.accepted;
    if (err != PLAIT_OK)
        plait_abort_with(amp->s, err, "StartTLS");
}

void plait__amp_tls_done(struct plait_amp *amp)
{
    struct plait_deferred *d = amp->tls;
    if (!amp->holding)
        return; /* the peer had asked */
    amp->tls = NULL;
    amp->holding = false;
    plait_fire(d, plait_value_num(0));
    plait__amp_send_waiting(amp);
}
