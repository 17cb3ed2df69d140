/* SPDX-License-Identifier: MIT
 *
 * The scenarios that build/plait-sim runs, each in a file scenario_NAME.c of its own; how to add one stands in
 * docs/sim.md.
 */
#ifndef PLAIT_TESTS_SIM_SCENARIOS_H
#define PLAIT_TESTS_SIM_SCENARIOS_H

#include <plait/sim.h>

/* clang-format off */
#define SCENARIOS(X) \
    X(amp) \
    X(attempts) \
    X(auth) \
    X(cache) \
    X(cgi) \
    X(datagrams) \
    X(dead_address) \
    X(descriptors) \
    X(drain) \
    X(errands) \
    X(events) \
    X(fastcgi) \
    X(finger) \
    X(forward) \
    X(framings) \
    X(greedy) \
    X(half_close) \
    X(http) \
    X(http2_client) \
    X(http_pipeline) \
    X(http_proxy) \
    X(joined) \
    X(last_words) \
    X(marks) \
    X(netstring) \
    X(packets) \
    X(pair_echo) \
    X(program) \
    X(reconnect) \
    X(results) \
    X(serve) \
    X(service) \
    X(site) \
    X(site_proxied) \
    X(starttls) \
    X(supervise) \
    X(tcp_echo) \
    X(tcp_flood) \
    X(telnet) \
    X(timers) \
    X(tls_echo) \
    X(too_many_files) \
    X(unix_echo) \
    X(tunnels) \
    X(uploads) \
    X(websocket) \
    X(websockets_shared)
/* clang-format on */

#define SCENARIO_DECLARE(name) extern const struct plait_scenario scenario_##name;
SCENARIOS(SCENARIO_DECLARE)
#undef SCENARIO_DECLARE

#endif
