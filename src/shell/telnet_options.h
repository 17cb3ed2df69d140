/* SPDX-License-Identifier: MIT
 *
 * Which options of telnet are on, and how that is agreed on (RFC 1143, the Q method).
 */
#ifndef PLAIT_SHELL_TELNET_OPTIONS_H
#define PLAIT_SHELL_TELNET_OPTIONS_H

#include "shell/telnet_wire.h"

/* All options of a connection; all zeroes at its beginning. */
struct plait__telnet_options {
    uint8_t state[256]; /* by option; 4 bits a side */
};

enum plait__telnet_change {
    PLAIT__TELNET_SAME,
    PLAIT__TELNET_ON,
    PLAIT__TELNET_OFF,
    PLAIT__TELNET_REFUSED, /* we asked for it, and the peer said no; or we took it back before he agreed */
};

/* What a step leads to: whether an option went on or off, and what to send now. */
struct plait__telnet_turn {
    enum plait_telnet_side side;
    enum plait__telnet_change change;
    uint8_t send; /* WILL, WONT, DO, DONT; 0: nothing */
};

/* Whether an option is in force: both have agreed. */
bool plait__telnet_is_on(const struct plait__telnet_options *options, enum plait_telnet_side side, uint8_t option);

/* Whether a request of ours has no answer yet. */
bool plait__telnet_is_asking(const struct plait__telnet_options *options, enum plait_telnet_side side, uint8_t option);

/* We want an option on or off. What is so already, or asked for already, leads to nothing; while another request is
 * under way the wish is kept until its answer. */
struct plait__telnet_turn plait__telnet_ask(struct plait__telnet_options *options, enum plait_telnet_side side,
                                            uint8_t option, bool on);

/* The peer sent `command` (WILL, WONT, DO, DONT). `agree`: should he ask for something to go on, it may. */
struct plait__telnet_turn plait__telnet_heard(struct plait__telnet_options *options, uint8_t command, uint8_t option,
                                              bool agree);

/* Appends what a subnegotiation of STATUS says of the options that are on: IS WILL … DO …. Source: RFC 859. */
void plait__telnet_put_status(struct plait_buf *payload, const struct plait__telnet_options *options);

#endif
