/* SPDX-License-Identifier: MIT
 *
 * A program for each connection, as inetd and tcpserver run them: what the guest says is its input, what it writes goes
 * to the guest, what it has to complain about goes to the log.
 */
#ifndef PLAIT_PROGRAM_H
#define PLAIT_PROGRAM_H

#include <plait/listen.h>
#include <plait/process.h>

PLAIT_BEGIN

/* What the program has in hand. */
enum plait_program_link {
    /* Pipes, for any connection: each half ends by itself, and the program can't tell what carries it. */
    PLAIT_PROGRAM_PIPES,
    /* The connection's own socket as descriptors 0 and 1, as inetd's "nowait": TCP and UNIX sockets, without TLS and
     * PROXY header. Bytes don't pass through this process; `idle` does not hold. */
    PLAIT_PROGRAM_SOCKET,
    /* A terminal as descriptors 0, 1 and 2, for any connection. Bytes go through it as they are: a guest that wants to
     * see a screen speaks to it as one, telnet's words are not understood. The end of what the guest says is told as
     * VEOF (Ctrl-D), which a program that reads lines takes for the end. */
    PLAIT_PROGRAM_PTY,
};

/* The zero value of every member is its default. */
struct plait_program_options {
    /* What to run. It gets a session and a process group of its own; `map` must be empty. Its environment is `env`, or
     * PATH alone, and what is known of the connection (see plait_program_new). */
    struct plait_spawn_options spawn;
    enum plait_program_link link;
    size_t at_once;        /* programs at once; a connection above is closed and logged. 40 */
    plait_span idle;       /* silence both ways that ends a connection; 1 h */
    plait_span life;       /* of a program, then it is ended; without limit */
    plait_span kill_after; /* from SIGTERM to SIGKILL; 5 s */
    void *reserved[4];
};

/** Makes a service that runs a program for each connection. The guest's end of a half is the end of the program's
 * input; the end of the program's output is the end of the other half; when the program has ended the connection
 * closes. A guest that is lost, a life that is over and a drain end the program: SIGTERM, then SIGKILL, to all that
 * descends from it. Variables: PROTO (TCP or IPC), TCPLOCALIP, TCPLOCALPORT, TCPREMOTEIP, TCPREMOTEPORT, REMOTE_ADDR,
 * REMOTE_PORT; over UNIX sockets IPCLOCALPATH, IPCREMOTEPATH, IPCREMOTEEUID, IPCREMOTEEGID; over TLS SSL_PROTOCOL,
 * SSL_CIPHER, SSL_TLS_SNI_SERVERNAME. Those in `env` with such a name, or with TCPREMOTEHOST, TCPLOCALHOST or
 * TCPREMOTEINFO, are left out. Errors: PLAIT_EINVAL, PLAIT_ENOMEM. Ownership: everything is copied; the service is the
 * caller's until a plait_serve takes it. Source: the UCSPI of tcpserver and s6; systemd.exec(5). */
PLAIT_API plait_err plait_program_new(struct plait_reactor *reactor, const struct plait_program_options *options,
                                      struct plait_service **out) PLAIT_MUST;

PLAIT_END
#endif
