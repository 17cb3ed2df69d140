/* SPDX-License-Identifier: MIT
 *
 * What a CGI program says before its body (RFC 3875 section 6), and how names of fields become names of variables.
 * Pure: no stream, no clock.
 */
#ifndef PLAIT_WEB_CGI_WIRE_H
#define PLAIT_WEB_CGI_WIRE_H

#include <plait/bytes.h>

enum {
    PLAIT__CGI_HEAD_MAX = 16384, /* bytes of a head */
    PLAIT__CGI_FIELDS_MAX = 100, /* fields of a head */
};

enum plait__cgi_step { PLAIT__CGI_MORE, PLAIT__CGI_DONE, PLAIT__CGI_BAD };

enum plait__cgi_kind {
    PLAIT__CGI_DOCUMENT, /* an answer, maybe with a Location that is the client's */
    PLAIT__CGI_LOCAL,    /* another resource of ours answers: `location` is its path and query */
};

/* A head, and how far reading it has come. The window is all of the output from its start on, grown longer each time;
 * slices lie in the window of the call that gave DONE. Invariant: everything before `at` was judged, `at` is the start
 * of a line, and no line ends in [at, scanned). */
struct plait__cgi_head {
    size_t at; /* DONE: bytes of the head */
    size_t scanned;
    const char *why; /* BAD: a sentence */
    enum plait__cgi_kind kind;
    int status;
    bool has_length;
    bool has_status;
    uint64_t length; /* of the body, as the program says */
    size_t count;
    struct {
        uint16_t name, name_len, value, value_len;
    } field[PLAIT__CGI_FIELDS_MAX];
    uint16_t type, location; /* number of a field and one; 0: none */
};

/* Makes a head that has read nothing. */
void plait__cgi_head_init(struct plait__cgi_head *head);

/* Reads on. Work is linear in the bytes that came, however they were cut. */
enum plait__cgi_step plait__cgi_head_read(struct plait__cgi_head *head, plait_slice window);

/* Value of a field by its number and one; empty for 0. */
plait_slice plait__cgi_head_value(const struct plait__cgi_head *head, const uint8_t *window, uint16_t number);

/* The n-th field that goes to the client as it is; false for those that are the gateway's own. */
bool plait__cgi_head_field(const struct plait__cgi_head *head, const uint8_t *window, size_t n, plait_slice *name,
                           plait_slice *value);

/* Appends the variable of a request's field, "HTTP_USER_AGENT"; false, and nothing, for fields that no program is to
 * see: "Proxy", which programs take for the proxy of their own requests (CVE-2016-5385), what has a variable of its
 * own, and names that would become another field's variable. */
bool plait__cgi_variable(struct plait_buf *out, plait_slice name);

/* Whether a field tells who somebody is (RFC 3875 section 4.1.18). */
bool plait__cgi_is_credential(plait_slice name);

#endif
