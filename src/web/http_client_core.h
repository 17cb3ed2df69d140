/* SPDX-License-Identifier: MIT
 *
 * The text of a request to be sent, and what a redirect makes of it. Pure: no stream, no clock.
 */
#ifndef PLAIT_WEB_HTTP_CLIENT_CORE_H
#define PLAIT_WEB_HTTP_CLIENT_CORE_H

#include <plait/http.h>

/* A request's text with what is needed to make it again for another URL. */
struct plait__fetch_text {
    struct plait_budget *budget;
    plait_slice url; /* current; `parsed` borrows it */
    struct plait_url parsed;
    char *url_text;
    char *method;
    struct plait_buf fields; /* ready lines that go everywhere */
    struct plait_buf about;  /* ready lines that describe the body, and go with it */
    struct plait_buf secret; /* ready lines that stay with the origin */
    struct plait_buf head;   /* written by plait__fetch_text_write */
    uint8_t *body_copy;
    plait_slice body;
    bool is_head;
    bool secure;
    bool strayed; /* a redirect led to another origin, at some time */
    bool has_agent, has_accept;
    const char *why; /* a sentence when making it failed */
};

/* Checks and keeps everything; after a failure too, deinit is due. Errors: PLAIT_EINVAL, PLAIT_EUNSUPPORTED,
 * PLAIT_ENOMEM. */
plait_err plait__fetch_text_init(struct plait__fetch_text *text, struct plait_budget *budget, const char *url,
                                 const struct plait_fetch_options *options) PLAIT_MUST;
void plait__fetch_text_deinit(struct plait__fetch_text *text);

/* Turns to where a redirect leads. Errors: as init; PLAIT_EMALFORMED. */
plait_err plait__fetch_text_redirect(struct plait__fetch_text *text, int status, plait_slice location) PLAIT_MUST;

/* Writes the head. Errors: PLAIT_ENOMEM, PLAIT_ETOOLONG, PLAIT_EINVAL. */
plait_err plait__fetch_text_write(struct plait__fetch_text *text) PLAIT_MUST;

#endif
