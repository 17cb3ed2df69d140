/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the parser of endpoint strings. Beyond not crashing: every text is terminated within the storage, a failure
 * has a sentence of one line, and all arguments can be asked for.
 */
#include <plait/endpoint.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_sentence(const char *why)
{
    const size_t len = strnlen(why, 200);
    require(len > 0 && len < 200 && !strchr(why, '\n'));
}

static void check_text(const struct plait_endpoint *e, const char *text)
{
    if (text[0] == '\0')
        return; /* "" may stand elsewhere */
    require(text >= e->text && text < e->text + sizeof e->text);
    require(memchr(text, '\0', (size_t)(e->text + sizeof e->text - text)) != NULL);
}

static void check_parsed(struct plait_endpoint *e)
{
    size_t position = 0;
    require(e->kind[0] != '\0' && e->count <= PLAIT_ENDPOINT_ARGS_MAX);
    for (size_t i = 0; i < e->count; i++) {
        const char *key = e->arg[i].key;
        check_text(e, key);
        check_text(e, e->arg[i].value);
        require(plait_endpoint_arg(e, key[0] ? key : NULL, key[0] ? 0 : position) == e->arg[i].value);
        position += key[0] == '\0';
    }
    require(plait_endpoint_finish(e) == PLAIT_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct plait_endpoint e;
    char why[200] = "";
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (plait_endpoint_parse(text, &e, why) == PLAIT_OK)
        check_parsed(&e);
    else
        check_sentence(why);
    free(text);
    return 0;
}
