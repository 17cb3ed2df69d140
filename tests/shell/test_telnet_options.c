/* SPDX-License-Identifier: MIT
 *
 * The negotiation of options: each row of RFC 1143 section 7, both sides; and two that negotiate with each other, who
 * come to an end and to one view whatever they want.
 */
#include "tests/support/test.h"

#include "shell/telnet_options.h"

enum { OPTION = PLAIT_TELNET_ECHO };

/* How a state is come to, from the beginning: what is asked ('+' on, '-' off) and heard ('y' yes, 'n' no). */
static const struct {
    const char *way;  /* to the state */
    char then;        /* what comes in it; 'Y': a yes that we agree to */
    const char *send; /* "DO", "DONT" in the words of the peer's side, "" for nothing */
    enum plait__telnet_change change;
    bool on, asking;
} rows[] = {
    /* Upon receipt of WILL */
    {"", 'Y', "DO", PLAIT__TELNET_ON, true, false},
    {"", 'y', "DONT", PLAIT__TELNET_SAME, false, false},
    {"Y", 'y', "", PLAIT__TELNET_SAME, true, false},
    {"Y-", 'Y', "", PLAIT__TELNET_SAME, false, false},
    {"Y-+", 'y', "", PLAIT__TELNET_ON, true, false},
    {"+", 'y', "", PLAIT__TELNET_ON, true, false},
    {"+-", 'Y', "DONT", PLAIT__TELNET_REFUSED, false, true},
    /* Upon receipt of WONT */
    {"", 'n', "", PLAIT__TELNET_SAME, false, false},
    {"Y", 'n', "DONT", PLAIT__TELNET_OFF, false, false},
    {"Y-", 'n', "", PLAIT__TELNET_SAME, false, false},
    {"Y-+", 'n', "DO", PLAIT__TELNET_SAME, false, true},
    {"+", 'n', "", PLAIT__TELNET_REFUSED, false, false},
    {"+-", 'n', "", PLAIT__TELNET_REFUSED, false, false},
    /* If we decide to ask him to enable */
    {"", '+', "DO", PLAIT__TELNET_SAME, false, true},
    {"Y", '+', "", PLAIT__TELNET_SAME, true, false},
    {"Y-", '+', "", PLAIT__TELNET_SAME, false, true},
    {"Y-+", '+', "", PLAIT__TELNET_SAME, false, true},
    {"+", '+', "", PLAIT__TELNET_SAME, false, true},
    {"+-", '+', "", PLAIT__TELNET_SAME, false, true},
    /* If we decide to ask him to disable */
    {"", '-', "", PLAIT__TELNET_SAME, false, false},
    {"Y", '-', "DONT", PLAIT__TELNET_OFF, false, true},
    {"Y-", '-', "", PLAIT__TELNET_SAME, false, true},
    {"Y-+", '-', "", PLAIT__TELNET_SAME, false, true},
    {"+", '-', "", PLAIT__TELNET_SAME, false, true},
    {"+-", '-', "", PLAIT__TELNET_SAME, false, true},
    /* A wish that was taken back, and then the answer */
    {"Y-+-", 'n', "", PLAIT__TELNET_SAME, false, false},
    {"+-+", 'y', "", PLAIT__TELNET_ON, true, false},
    {"+-y", 'n', "", PLAIT__TELNET_SAME, false, false},
};

static const uint8_t yes[] = {[PLAIT_TELNET_US] = PLAIT_TELNET_DO, [PLAIT_TELNET_HIM] = PLAIT_TELNET_WILL};
static const uint8_t no[] = {[PLAIT_TELNET_US] = PLAIT_TELNET_DONT, [PLAIT_TELNET_HIM] = PLAIT_TELNET_WONT};

static struct plait__telnet_turn go(struct plait__telnet_options *options, enum plait_telnet_side side, char what)
{
    if (what == '+' || what == '-')
        return plait__telnet_ask(options, side, OPTION, what == '+');
    return plait__telnet_heard(options, what == 'n' ? no[side] : yes[side], OPTION, what == 'Y');
}

/* The words that DO and DONT stand for, on a side. */
static uint8_t word(enum plait_telnet_side side, const char *text)
{
    if (strcmp(text, "DO") == 0)
        return side == PLAIT_TELNET_HIM ? PLAIT_TELNET_DO : PLAIT_TELNET_WILL;
    if (strcmp(text, "DONT") == 0)
        return side == PLAIT_TELNET_HIM ? PLAIT_TELNET_DONT : PLAIT_TELNET_WONT;
    return 0;
}

static void run_row(size_t row, enum plait_telnet_side side)
{
    const enum plait_telnet_side other = side == PLAIT_TELNET_US ? PLAIT_TELNET_HIM : PLAIT_TELNET_US;
    struct plait__telnet_options options = {{0}};
    for (const char *at = rows[row].way; *at; at++)
        (void)go(&options, side, *at);
    const struct plait__telnet_turn turn = go(&options, side, rows[row].then);
    assert_int_equal(turn.side, side);
    assert_int_equal(turn.send, word(side, rows[row].send));
    assert_int_equal(turn.change, rows[row].change);
    assert_int_equal(plait__telnet_is_on(&options, side, OPTION), rows[row].on);
    assert_int_equal(plait__telnet_is_asking(&options, side, OPTION), rows[row].asking);
    assert_false(plait__telnet_is_on(&options, other, OPTION) || plait__telnet_is_asking(&options, other, OPTION));
    assert_false(plait__telnet_is_on(&options, side, OPTION + 1));
}

static void each_row_of_the_rfc_holds_on_both_sides(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        run_row(i, PLAIT_TELNET_US);
        run_row(i, PLAIT_TELNET_HIM);
    }
}

/* --- two of them -------------------------------------------------------------------------------------------------- */

enum { FLIGHT_MAX = 64, WISHES = 12 };

/* One end, and what is on its way to it. */
struct end {
    struct plait__telnet_options options;
    uint8_t flight[FLIGHT_MAX];
    size_t count;
};

static void post(struct end *to, struct plait__telnet_turn turn)
{
    if (turn.send == 0)
        return;
    assert_true(to->count < FLIGHT_MAX);
    to->flight[to->count++] = turn.send;
}

/* The end hears the oldest of what is on its way. */
static void arrive(struct end *at, struct end *from, bool agree)
{
    const uint8_t command = at->flight[0];
    at->count--;
    memmove(at->flight, at->flight + 1, at->count);
    post(from, plait__telnet_heard(&at->options, command, OPTION, agree));
}

static void one_view(const struct end *a, const struct end *b)
{
    assert_int_equal(plait__telnet_is_on(&a->options, PLAIT_TELNET_US, OPTION),
                     plait__telnet_is_on(&b->options, PLAIT_TELNET_HIM, OPTION));
    assert_false(plait__telnet_is_asking(&a->options, PLAIT_TELNET_US, OPTION));
    assert_false(plait__telnet_is_asking(&a->options, PLAIT_TELNET_HIM, OPTION));
}

/* Both want this and that while messages are under way, and change their minds on what they agree to. */
static void two_come_to_one_view(void **state)
{
    (void)state;
    struct test_random random = test_random_of(test_seed());
    for (unsigned round = 0; round < 2000; round++) {
        struct end ends[2] = {{.count = 0}, {.count = 0}};
        for (unsigned wish = 0; wish < WISHES; wish++) {
            struct end *me = &ends[test_random_below(&random, 2)];
            struct end *you = me == &ends[0] ? &ends[1] : &ends[0];
            const enum plait_telnet_side side = (enum plait_telnet_side)test_random_below(&random, 2);
            post(you, plait__telnet_ask(&me->options, side, OPTION, test_random_below(&random, 2) == 1));
            while (me->count > 0 && test_random_below(&random, 3) == 0)
                arrive(me, you, test_random_below(&random, 2) == 1);
        }
        for (unsigned left = 0; ends[0].count + ends[1].count > 0; left++) {
            assert_true(left < FLIGHT_MAX);
            const size_t at = ends[0].count > 0 ? 0 : 1;
            arrive(&ends[at], &ends[1 - at], test_random_below(&random, 2) == 1);
        }
        one_view(&ends[0], &ends[1]);
        one_view(&ends[1], &ends[0]);
    }
}

/* --- STATUS ------------------------------------------------------------------------------------------------------- */

static void what_is_on_is_told(void **state)
{
    (void)state;
    struct plait__telnet_options options = {{0}};
    struct plait_budget budget;
    struct plait_buf payload;
    plait_budget_init(&budget, NULL, NULL, 0);
    plait_buf_init(&payload, &budget, 64);
    (void)plait__telnet_ask(&options, PLAIT_TELNET_US, PLAIT_TELNET_BINARY, true); /* without an answer */
    (void)plait__telnet_heard(&options, PLAIT_TELNET_DO, PLAIT_TELNET_ECHO, true);
    (void)plait__telnet_heard(&options, PLAIT_TELNET_WILL, PLAIT_TELNET_SGA, true);
    (void)plait__telnet_heard(&options, PLAIT_TELNET_DO, PLAIT_TELNET_STATUS, true);
    (void)plait__telnet_heard(&options, PLAIT_TELNET_WILL, PLAIT_TELNET_STATUS, true);
    (void)plait__telnet_heard(&options, PLAIT_TELNET_WILL, 255, true);
    plait__telnet_put_status(&payload, &options);
    assert_slice_is(plait_buf_slice(&payload),
                    plait_slice_of("\000\373\001\375\003\373\005\375\005\375\377", 11)); /* RFC 859 section 5 */
    plait_buf_deinit(&payload);
}

TEST_MAIN(cmocka_unit_test(each_row_of_the_rfc_holds_on_both_sides), cmocka_unit_test(two_come_to_one_view),
          cmocka_unit_test(what_is_on_is_told))
