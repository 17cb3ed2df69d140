/* SPDX-License-Identifier: MIT
 *
 * A hosts file of any bytes: every name that is told is a name, lies inside the text, and the reading ends.
 */
#include "engine/hosts_wire.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plait__hosts hosts = plait__hosts_of(plait_slice_of(data, size));
    struct plait_address address;
    plait_slice name;
    size_t pairs = 0;
    while (plait__hosts_next(&hosts, &address, &name)) {
        must(++pairs <= size);
        must(plait__host_name_ok(name));
        must(name.ptr >= data && name.ptr + name.len <= data + size);
        must(address.kind == PLAIT_ADDR_IP4 || address.kind == PLAIT_ADDR_IP6);
        (void)plait__host_name_is_local(name);
    }
    (void)plait__host_name_ok(plait_slice_of(data, size));
    return 0;
}
