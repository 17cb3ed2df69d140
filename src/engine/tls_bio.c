/* SPDX-License-Identifier: MIT
 *
 * OpenSSL's way in and out: reads take from the window of ciphertext that was lent to the carrier, writes go into the
 * carrier's chain. Nothing is buffered here, and nothing ever waits: a read without bytes says "again", a write takes
 * everything or there is no memory.
 *
 * Invariant: what is read was in t->in, and is gone from it.
 * Test: tests/engine/test_tls_carrier.c.
 */
#include "engine/tls_core.h"

static int read_window(BIO *bio, char *out, size_t max, size_t *got)
{
    struct plait__tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    *got = max < t->in_len ? max : t->in_len;
    memcpy(out, t->in, *got);
    t->in += *got;
    t->in_len -= *got;
    return 1;
}

static int write_chain(BIO *bio, const char *bytes, size_t len, size_t *written)
{
    struct plait__tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    /* After the own end nobody would read it: an answer to a late key update, an alert. */
    if (!t->lower_shut && plait__tls_put(t, plait_slice_of(bytes, len)) != PLAIT_OK) {
        t->no_memory = true;
        return -1;
    }
    *written = len;
    return 1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *plait__tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "plait carrier");
    if (method) {
        BIO_meth_set_read_ex(method, read_window);
        BIO_meth_set_write_ex(method, write_chain);
        BIO_meth_set_ctrl(method, control);
    }
    return method;
}
