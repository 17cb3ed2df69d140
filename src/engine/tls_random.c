/* SPDX-License-Identifier: MIT
 *
 * OpenSSL's random numbers through the table of system calls: a library context with a provider whose only algorithm
 * asks the reactor. A reactor on a table that is not the kernel's gets one, so that TLS in a simulated world depends on
 * the world's seed alone. On the kernel OpenSSL's own generator is used, which is what it should be.
 *
 * Invariant: the first generator of a library context knows the reactor, all others have it as their parent.
 * Test: tests/engine/test_tls_context.c.
 */
#include "engine/tls_core.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

static const char algorithm[] = "PLAIT-RANDOM";
static const char reactor_param[] = "plait-reactor";

struct generator {
    struct generator *parent; /* NULL: the first one */
    struct plait_reactor *reactor;
    int state;
};

static void *generator_new(void *provider, void *parent, const OSSL_DISPATCH *parent_calls)
{
    struct generator *g = OPENSSL_zalloc(sizeof *g);
    /* The first generator's parent is OpenSSL's source of seeds, the others' is one of these. */
    const bool ours = parent_calls && parent_calls->function == (void (*)(void))generator_new;
    (void)provider;
    if (g) {
        g->parent = ours ? parent : NULL;
        g->state = EVP_RAND_STATE_UNINITIALISED;
    }
    return g;
}

static void generator_free(void *ctx)
{
    OPENSSL_free(ctx);
}

static int generator_instantiate(void *ctx, unsigned strength, int resistance, const unsigned char *text, size_t len,
                                 const OSSL_PARAM params[])
{
    struct generator *g = ctx;
    (void)strength;
    (void)resistance;
    (void)text;
    (void)len;
    (void)params;
    g->state = EVP_RAND_STATE_READY;
    return 1;
}

static int generator_uninstantiate(void *ctx)
{
    struct generator *g = ctx;
    g->state = EVP_RAND_STATE_UNINITIALISED;
    return 1;
}

static int generator_generate(void *ctx, unsigned char *out, size_t len, unsigned strength, int resistance,
                              const unsigned char *more, size_t more_len)
{
    const struct generator *g = ctx;
    (void)strength;
    (void)resistance;
    (void)more;
    (void)more_len;
    while (g->parent)
        g = g->parent;
    return plait_random_bytes(g->reactor, out, len) == PLAIT_OK;
}

static int generator_lock(void *ctx)
{
    (void)ctx; /* a reactor has one thread */
    return 1;
}

static void generator_unlock(void *ctx)
{
    (void)ctx;
}

static int generator_get(void *ctx, OSSL_PARAM params[])
{
    const struct generator *g = ctx;
    OSSL_PARAM *state = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE);
    OSSL_PARAM *strength = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH);
    OSSL_PARAM *most = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST);
    return (!state || OSSL_PARAM_set_int(state, g->state)) && (!strength || OSSL_PARAM_set_uint(strength, 256)) &&
           (!most || OSSL_PARAM_set_size_t(most, SIZE_MAX));
}

static int generator_set(void *ctx, const OSSL_PARAM params[])
{
    struct generator *g = ctx;
    const OSSL_PARAM *reactor = OSSL_PARAM_locate_const(params, reactor_param);
    if (reactor && reactor->data_size == sizeof g->reactor)
        memcpy(&g->reactor, reactor->data, sizeof g->reactor);
    return 1;
}

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_RAND_NEWCTX, (void (*)(void))generator_new},
        {OSSL_FUNC_RAND_FREECTX, (void (*)(void))generator_free},
        {OSSL_FUNC_RAND_INSTANTIATE, (void (*)(void))generator_instantiate},
        {OSSL_FUNC_RAND_UNINSTANTIATE, (void (*)(void))generator_uninstantiate},
        {OSSL_FUNC_RAND_GENERATE, (void (*)(void))generator_generate},
        {OSSL_FUNC_RAND_ENABLE_LOCKING, (void (*)(void))generator_lock},
        {OSSL_FUNC_RAND_LOCK, (void (*)(void))generator_lock},
        {OSSL_FUNC_RAND_UNLOCK, (void (*)(void))generator_unlock},
        {OSSL_FUNC_RAND_GET_CTX_PARAMS, (void (*)(void))generator_get},
        {OSSL_FUNC_RAND_SET_CTX_PARAMS, (void (*)(void))generator_set},
        {0, NULL},
    };
    static const OSSL_ALGORITHM algorithms[] = {{algorithm, "provider=plait", functions, NULL},
                                                {NULL, NULL, NULL, NULL}};
    (void)provider;
    *no_cache = 0;
    return operation == OSSL_OP_RAND ? algorithms : NULL;
}

static int start_provider(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                          void **provider)
{
    static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query}, {0, NULL}};
    (void)in;
    *out = functions;
    *provider = (void *)(uintptr_t)handle;
    return 1;
}

/* The first generator is told whom to ask. */
static bool tell_first(OSSL_LIB_CTX *libctx, struct plait_reactor *r)
{
    OSSL_PARAM params[2];
    EVP_RAND_CTX *first = RAND_get0_primary(libctx);
    params[0] = OSSL_PARAM_construct_octet_string(reactor_param, &r, sizeof r);
    params[1] = OSSL_PARAM_construct_end();
    return first && EVP_RAND_CTX_set_params(first, params) == 1;
}

bool plait__tls_seed(struct plait__tls_module *m, struct plait_reactor *r)
{
    OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
    m->libctx = libctx;
    if (!libctx || OSSL_PROVIDER_add_builtin(libctx, "plait", start_provider) != 1)
        return false;
    m->providers[0] = OSSL_PROVIDER_load(libctx, "default");
    m->providers[1] = OSSL_PROVIDER_load(libctx, "plait");
    return m->providers[0] && m->providers[1] && RAND_set_DRBG_type(libctx, algorithm, NULL, NULL, NULL) == 1 &&
           tell_first(libctx, r);
}

void plait__tls_unseed(struct plait__tls_module *m)
{
    for (size_t i = 0; i < 2; i++) {
        if (m->providers[i])
            OSSL_PROVIDER_unload(m->providers[i]);
    }
    OSSL_LIB_CTX_free(m->libctx);
}
