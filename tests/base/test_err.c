/* SPDX-License-Identifier: MIT
 *
 * Tests of src/base/err.c: the list of errors, errno to error, faults as text.
 */
#include "tests/support/test.h"

static void every_error_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    for (int i = 0; i < PLAIT_ERR_COUNT; i++) {
        const char *name = plait_err_name((plait_err)i);
        const char *text = plait_err_text((plait_err)i);
        assert_true(strlen(name) > 1);
        assert_true(strlen(text) > 3);
        assert_int_not_equal(text[strlen(text) - 1], '.');
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(name, plait_err_name((plait_err)k));
            assert_string_not_equal(text, plait_err_text((plait_err)k));
        }
    }
}

static void names_are_as_in_the_header(void **state)
{
    (void)state;
    assert_string_equal(plait_err_name(PLAIT_OK), "OK");
    assert_string_equal(plait_err_name(PLAIT_ETIMEDOUT), "ETIMEDOUT");
    assert_string_equal(plait_err_text(PLAIT_EREFUSED), "the connection was refused");
}

static void a_number_that_is_no_error_is_told_as_unknown(void **state)
{
    (void)state;
    assert_string_equal(plait_err_name(PLAIT_ERR_COUNT), "?");
    assert_string_equal(plait_err_name((plait_err)-1), "?");
    assert_string_equal(plait_err_text(PLAIT_ERR_COUNT), "an unknown error");
    assert_int_equal(plait_err_class_of(PLAIT_ERR_COUNT), PLAIT_CLASS_IO);
}

static void classes_follow_the_list(void **state)
{
    (void)state;
    assert_int_equal(plait_err_class_of(PLAIT_OK), PLAIT_CLASS_OK);
    assert_int_equal(plait_err_class_of(PLAIT_EAGAIN), PLAIT_CLASS_AGAIN);
    assert_int_equal(plait_err_class_of(PLAIT_EEOF), PLAIT_CLASS_CLOSED);
    assert_int_equal(plait_err_class_of(PLAIT_ERESET), PLAIT_CLASS_IO);
    assert_int_equal(plait_err_class_of(PLAIT_EPROTOCOL), PLAIT_CLASS_PEER);
    assert_int_equal(plait_err_class_of(PLAIT_ELIMIT), PLAIT_CLASS_LIMIT);
    assert_int_equal(plait_err_class_of(PLAIT_EVERIFY), PLAIT_CLASS_REFUSED);
    assert_int_equal(plait_err_class_of(PLAIT_EINVAL), PLAIT_CLASS_USAGE);
    assert_int_equal(plait_err_class_of(PLAIT_ENOMEM), PLAIT_CLASS_NOMEM);
    assert_int_equal(plait_err_class_of(PLAIT_ECANCELLED), PLAIT_CLASS_CANCELLED);
    assert_int_equal(plait_err_class_of(PLAIT_ETIMEDOUT), PLAIT_CLASS_TIMEOUT);
}

static void errnos_become_errors(void **state)
{
    (void)state;
    assert_err(plait_err_from_errno(0), PLAIT_OK);
    assert_err(plait_err_from_errno(EWOULDBLOCK), PLAIT_EAGAIN);
    assert_err(plait_err_from_errno(ECONNREFUSED), PLAIT_EREFUSED);
    assert_err(plait_err_from_errno(EHOSTUNREACH), PLAIT_EUNREACHABLE);
    assert_err(plait_err_from_errno(ETIMEDOUT), PLAIT_ENETTIMEDOUT);
    assert_err(plait_err_from_errno(EPERM), PLAIT_EACCESS);
    assert_err(plait_err_from_errno(ENFILE), PLAIT_EDESCRIPTORS);
    assert_err(plait_err_from_errno(ENOBUFS), PLAIT_ENOMEM);
    assert_err(plait_err_from_errno(ENODATA), PLAIT_ETRUNCATED);
}

static void an_errno_without_a_row_is_input_output(void **state)
{
    (void)state;
    assert_err(plait_err_from_errno(EXDEV), PLAIT_EIO);
    assert_err(plait_err_from_errno(99999), PLAIT_EIO);
}

static void a_made_fault_is_empty_but_for_what_was_said(void **state)
{
    (void)state;
    const struct plait_fault f = plait_fault_make(PLAIT_EPROTOCOL, "receive");
    assert_err(f.err, PLAIT_EPROTOCOL);
    assert_string_equal(f.step, "receive");
    assert_int_equal(f.os_errno, 0);
    assert_int_equal(f.tls_alert, -1);
    assert_int_equal(f.bytes_done, 0);
    assert_null(f.detail);
    assert_null(f.peer);
    assert_false(f.retry);
}

static void what_may_pass_is_worth_another_attempt(void **state)
{
    (void)state;
    assert_true(plait_fault_make(PLAIT_EAGAIN, NULL).retry);
    assert_true(plait_fault_make(PLAIT_ERESET, NULL).retry);
    assert_true(plait_fault_make(PLAIT_ETIMEDOUT, NULL).retry);
    assert_false(plait_fault_make(PLAIT_EVERIFY, NULL).retry);
    assert_false(plait_fault_make(PLAIT_OK, NULL).retry);
}

static void a_fault_of_the_system_keeps_its_errno(void **state)
{
    (void)state;
    const struct plait_fault f = plait_fault_os(ECONNREFUSED, "connect");
    assert_err(f.err, PLAIT_EREFUSED);
    assert_int_equal(f.os_errno, ECONNREFUSED);
    assert_string_equal(f.step, "connect");
}

static const struct {
    struct plait_fault fault;
    const char *text;
} formatted[] = {
    {{.err = PLAIT_EREFUSED, .os_errno = ECONNREFUSED, .step = "connect", .tls_alert = -1},
     "connect: the connection was refused (ECONNREFUSED)"},
    {{.err = PLAIT_ETIMEDOUT, .tls_alert = -1}, "the deadline passed"},
    {{.err = PLAIT_EIO, .os_errno = 99999, .tls_alert = -1}, "input or output failed (errno 99999)"},
    {{.err = PLAIT_ETLS, .step = "handshake", .tls_alert = 40}, "handshake: the TLS connection failed (TLS alert 40)"},
    {{.err = PLAIT_EREPLY, .step = "RCPT", .detail = "550 no such user", .tls_alert = -1},
     "RCPT: the peer answered with an error: 550 no such user"},
};

static void a_fault_is_one_line_of_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(formatted); i++) {
        char out[128];
        assert_int_equal(plait_fault_format(&formatted[i].fault, out, sizeof out), strlen(formatted[i].text));
        assert_string_equal(out, formatted[i].text);
    }
}

static void a_fault_that_does_not_fit_is_cut_and_tells_its_length(void **state)
{
    (void)state;
    char out[8];
    const struct plait_fault f = plait_fault_make(PLAIT_ETIMEDOUT, "connect");
    assert_int_equal(plait_fault_format(&f, out, sizeof out), strlen("connect: the deadline passed"));
    assert_string_equal(out, "connect");
    assert_int_equal(plait_fault_format(&f, NULL, 0), strlen("connect: the deadline passed"));
}

TEST_MAIN(cmocka_unit_test(every_error_has_a_name_and_a_sentence), cmocka_unit_test(names_are_as_in_the_header),
          cmocka_unit_test(a_number_that_is_no_error_is_told_as_unknown), cmocka_unit_test(classes_follow_the_list),
          cmocka_unit_test(errnos_become_errors), cmocka_unit_test(an_errno_without_a_row_is_input_output),
          cmocka_unit_test(a_made_fault_is_empty_but_for_what_was_said),
          cmocka_unit_test(what_may_pass_is_worth_another_attempt),
          cmocka_unit_test(a_fault_of_the_system_keeps_its_errno), cmocka_unit_test(a_fault_is_one_line_of_text),
          cmocka_unit_test(a_fault_that_does_not_fit_is_cut_and_tells_its_length))
