/* SPDX-License-Identifier: MIT
 *
 * The negotiation of telnet's options by the Q method (RFC 1143 section 7): two tables, one for what the peer says, one
 * for what we want. They are the RFC's, with its two variables a side combined to six states. Which options to ask for
 * or agree to is for the caller to know; what is sent, too, is his to send.
 *
 * Invariant: a request is sent only when none of the same option and side is without an answer, and an answer only to
 * what would change something: no two that work so can go on for ever.
 * Tests: tests/shell/test_telnet_options.c; fuzz/fuzz_telnet.c.
 */
#include "shell/telnet_options.h"

enum state {
    NO,
    YES,
    WANT_NO,
    WANT_NO_BUT, /* and then yes again: the RFC's OPPOSITE */
    WANT_YES,
    WANT_YES_BUT, /* and then no again */
    STATES
};

enum { SIDE_BITS = 4, STATE_MASK = 15 };
enum { STATUS_IS = 0 };

/* What to say to the peer, in words that fit either side. */
enum say { NOTHING, PLEASE, PLEASE_NOT };

struct step {
    enum state next;
    enum plait__telnet_change change;
    enum say say;
};

/* By state, and by whether the peer said yes (WILL, DO). A yes in state NO that we agree to is a step of its own. */
static const struct step heard[STATES][2] = {
    [NO] = {{NO, PLAIT__TELNET_SAME, NOTHING}, {NO, PLAIT__TELNET_SAME, PLEASE_NOT}},
    [YES] = {{NO, PLAIT__TELNET_OFF, PLEASE_NOT}, {YES, PLAIT__TELNET_SAME, NOTHING}},
    [WANT_NO] = {{NO, PLAIT__TELNET_SAME, NOTHING}, {NO, PLAIT__TELNET_SAME, NOTHING}},
    [WANT_NO_BUT] = {{WANT_YES, PLAIT__TELNET_SAME, PLEASE}, {YES, PLAIT__TELNET_ON, NOTHING}},
    [WANT_YES] = {{NO, PLAIT__TELNET_REFUSED, NOTHING}, {YES, PLAIT__TELNET_ON, NOTHING}},
    [WANT_YES_BUT] = {{NO, PLAIT__TELNET_REFUSED, NOTHING}, {WANT_NO, PLAIT__TELNET_REFUSED, PLEASE_NOT}},
};

static const struct step agreed = {YES, PLAIT__TELNET_ON, PLEASE};

/* By state, and by whether we want it. */
static const struct step asked[STATES][2] = {
    [NO] = {{NO, PLAIT__TELNET_SAME, NOTHING}, {WANT_YES, PLAIT__TELNET_SAME, PLEASE}},
    [YES] = {{WANT_NO, PLAIT__TELNET_OFF, PLEASE_NOT}, {YES, PLAIT__TELNET_SAME, NOTHING}},
    [WANT_NO] = {{WANT_NO, PLAIT__TELNET_SAME, NOTHING}, {WANT_NO_BUT, PLAIT__TELNET_SAME, NOTHING}},
    [WANT_NO_BUT] = {{WANT_NO, PLAIT__TELNET_SAME, NOTHING}, {WANT_NO_BUT, PLAIT__TELNET_SAME, NOTHING}},
    [WANT_YES] = {{WANT_YES_BUT, PLAIT__TELNET_SAME, NOTHING}, {WANT_YES, PLAIT__TELNET_SAME, NOTHING}},
    [WANT_YES_BUT] = {{WANT_YES_BUT, PLAIT__TELNET_SAME, NOTHING}, {WANT_YES, PLAIT__TELNET_SAME, NOTHING}},
};

/* In the words of a side. */
static const uint8_t words[2][3] = {
    [PLAIT_TELNET_US] = {0, PLAIT_TELNET_WILL, PLAIT_TELNET_WONT},
    [PLAIT_TELNET_HIM] = {0, PLAIT_TELNET_DO, PLAIT_TELNET_DONT},
};

static enum state get(const struct plait__telnet_options *options, enum plait_telnet_side side, uint8_t option)
{
    return (enum state)(options->state[option] >> (side * SIDE_BITS) & STATE_MASK);
}

/* The one place at which a state changes. */
static struct plait__telnet_turn take(struct plait__telnet_options *options, enum plait_telnet_side side,
                                      uint8_t option, const struct step *step)
{
    const unsigned shift = side * SIDE_BITS;
    const unsigned others = options->state[option] & ~((unsigned)STATE_MASK << shift);
    options->state[option] = (uint8_t)(others | (unsigned)step->next << shift);
    return (struct plait__telnet_turn){.side = side, .change = step->change, .send = words[side][step->say]};
}

bool plait__telnet_is_on(const struct plait__telnet_options *options, enum plait_telnet_side side, uint8_t option)
{
    return get(options, side, option) == YES;
}

bool plait__telnet_is_asking(const struct plait__telnet_options *options, enum plait_telnet_side side, uint8_t option)
{
    return get(options, side, option) >= WANT_NO;
}

struct plait__telnet_turn plait__telnet_ask(struct plait__telnet_options *options, enum plait_telnet_side side,
                                            uint8_t option, bool on)
{
    return take(options, side, option, &asked[get(options, side, option)][on]);
}

struct plait__telnet_turn plait__telnet_heard(struct plait__telnet_options *options, uint8_t command, uint8_t option,
                                              bool agree)
{
    const bool his = command == PLAIT_TELNET_WILL || command == PLAIT_TELNET_WONT;
    const bool yes = command == PLAIT_TELNET_WILL || command == PLAIT_TELNET_DO;
    const enum plait_telnet_side side = his ? PLAIT_TELNET_HIM : PLAIT_TELNET_US;
    const enum state state = get(options, side, option);
    return take(options, side, option, state == NO && yes && agree ? &agreed : &heard[state][yes]);
}

void plait__telnet_put_status(struct plait_buf *payload, const struct plait__telnet_options *options)
{
    plait_buf_put_u8(payload, STATUS_IS);
    for (unsigned option = 0; option < sizeof options->state; option++) {
        for (unsigned side = PLAIT_TELNET_US; side <= PLAIT_TELNET_HIM; side++) {
            if (!plait__telnet_is_on(options, (enum plait_telnet_side)side, (uint8_t)option))
                continue;
            plait_buf_put_u8(payload, words[side][PLEASE]);
            plait_buf_put_u8(payload, (uint8_t)option);
        }
    }
}
