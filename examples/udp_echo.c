/* SPDX-License-Identifier: MIT
 *
 * Echoes datagrams: udp_echo ADDRESS PORT [COUNT]. Each answer comes from the address that was asked, also when the
 * socket is bound to all of them ("0.0.0.0" or "::"). With COUNT it ends after so many.
 */
#include <plait/datagram.h>

#include <stdio.h>
#include <stdlib.h>

struct echo {
    struct plait_reactor *reactor;
    unsigned long left; /* datagrams until the end; 0: no end */
};

static void packet(struct plait_datagram *d, const struct plait_packet *p, void *self)
{
    struct echo *echo = self;
    if (!p->truncated && plait_send_from(d, p->to, p->from, p->bytes) != PLAIT_OK)
        fprintf(stderr, "udp_echo: an answer was dropped\n");
    if (echo->left > 0 && --echo->left == 0)
        plait_reactor_stop(echo->reactor);
}

static const struct plait_datagram_handler handler = {.name = "udp-echo", .packet = packet};

int main(int argc, char **argv)
{
    struct plait_datagram_options options = {.bytes_max = 2048, .dual_stack = true};
    struct plait_datagram *socket = NULL;
    struct plait_address bound;
    char text[PLAIT_ADDR_TEXT_MAX];
    const unsigned long port = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    if (argc < 3 || port > 65535 ||
        plait_address_parse_ip(plait_slice_text(argv[1]), (uint16_t)port, &options.bind) != PLAIT_OK) {
        fprintf(stderr, "usage: udp_echo ADDRESS PORT [COUNT]\n");
        return 2;
    }
    struct echo echo = {plait_reactor_new(NULL), argc > 3 ? strtoul(argv[3], NULL, 10) : 0};
    if (!echo.reactor)
        return plait_main_status(PLAIT_ENOMEM);
    plait_err err = plait_datagram_open(echo.reactor, &options, &handler, &echo, &socket);
    if (err == PLAIT_OK) {
        plait_datagram_address(socket, &bound);
        printf("udp_echo: %s\n", plait_address_format(&bound, text));
        fflush(stdout);
        err = plait_reactor_run(echo.reactor);
    }
    plait_datagram_close(&socket);
    plait_reactor_free(&echo.reactor);
    return plait_main_status(err);
}
