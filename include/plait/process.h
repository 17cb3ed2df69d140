/* SPDX-License-Identifier: MIT
 *
 * Child processes: any descriptor map, output as streams, the exit as a deferred. A pidfd tells of the exit: no
 * SIGCHLD, no races.
 */
#ifndef PLAIT_PROCESS_H
#define PLAIT_PROCESS_H

#include <plait/stream.h>

PLAIT_BEGIN

struct plait_process;

enum plait_child_fd {
    PLAIT_CHILD_NULL,
    PLAIT_CHILD_PIPE_IN,
    PLAIT_CHILD_PIPE_OUT,
    PLAIT_CHILD_SOCKET,
    PLAIT_CHILD_FD,
    /* A pseudo-terminal, one for all entries of this kind, which becomes the terminal of the child's session. Ours is
     * the stream of the first one: see there. Needs new_session. */
    PLAIT_CHILD_PTY
};

/* One descriptor of the child. PIPE_IN: the child reads what we write; PIPE_OUT: we read what it writes. */
struct plait_child_map {
    int child_fd;
    enum plait_child_fd kind;
    int parent_fd;               /* for PLAIT_CHILD_FD: borrowed for the call */
    struct plait_stream *stream; /* out: our end of a pipe or socket; attach a protocol at once */
};

/* Our end of a pseudo-terminal is a stream like a pipe's, both ways. It ends (PLAIT_EEOF) when nobody holds the other
 * side any more and all that was written is read. It has no halves: plait_close_write does nothing but end our writing,
 * and a program at the other side that reads lines takes the character VEOF (4, Ctrl-D) for the end. Its close is a
 * hang-up: the session's leader gets SIGHUP. */

/* Size of a terminal's window, in characters and, where they are known, pixels. */
struct plait_window {
    uint16_t rows, columns;
    uint16_t width, height;
};

/* The zero value of every member is its default. */
struct plait_spawn_options {
    const char *path;        /* program; with no '/' it is looked for in PATH */
    const char *const *argv; /* NULL-terminated; NULL: path alone */
    const char *const *env;  /* NULL-terminated; NULL: inherited */
    const char *cwd;
    struct plait_child_map *map; /* descriptors not named here are closed in the child, but 0, 1, 2 are /dev/null */
    size_t map_count;
    bool new_session;
    /* With new_session: signals go to all that descends from the child and made no session of its own; what of them is
     * left is killed when the child ends. */
    bool group;
    bool set_ids;
    uint32_t uid, gid;          /* with set_ids; supplementary groups are dropped */
    bool kill_with_parent;      /* PR_SET_PDEATHSIG SIGKILL */
    struct plait_window window; /* of a PLAIT_CHILD_PTY; without rows and columns 24 by 80. With set_ids it is uid's */
    void *reserved[3];
};

/** Starts a program. Errors: PLAIT_ENOTFOUND, PLAIT_EACCESS, PLAIT_EDESCRIPTORS, PLAIT_ENOMEM, PLAIT_EINVAL, PLAIT_EIO,
 * PLAIT_EUNSUPPORTED (a pseudo-terminal in the simulated world, which has none); nothing is left over then. Ownership:
 * the process is the caller's, ended with plait_process_free; the streams are the reactor's. */
PLAIT_API plait_err plait_spawn(struct plait_reactor *reactor, struct plait_spawn_options *options,
                                struct plait_process **out) PLAIT_MUST;

/** Process id. */
PLAIT_API int plait_process_pid(const struct plait_process *process);

/** Fires when the child is dead: value.num is its exit status, or minus the signal that killed it. May be asked once.
 * Errors: PLAIT_ECANCELLED (the process was freed first), PLAIT_EIO (somebody else reaped it). Ownership: as
 * plait_deferred_new. */
PLAIT_API struct plait_deferred *plait_process_exit(struct plait_process *process) PLAIT_MUST;

/** Sends a signal, to the whole group where it was started so. Errors: PLAIT_EEXITED, PLAIT_EACCESS, PLAIT_EINVAL. */
PLAIT_API plait_err plait_process_signal(struct plait_process *process, int signo) PLAIT_MUST;

/** Changes the window of a pseudo-terminal, whose end `s` is; who is in its foreground gets SIGWINCH. Errors:
 * PLAIT_EUNSUPPORTED (another kind of stream), PLAIT_EIO. Source: ioctl_tty(2), TIOCSWINSZ. */
PLAIT_API plait_err plait_stream_window(struct plait_stream *s, const struct plait_window *window) PLAIT_MUST;

/** Lets go of a process: kills it when it still runs, and reaps it. Takes NULL and leaves NULL. */
PLAIT_API void plait_process_free(struct plait_process **process);

/* Value (ptr) of plait_run_program. */
struct plait_output {
    int status; /* as plait_process_exit */
    struct plait_buf out, err;
};

/** Runs a program to its end with `in` on its standard input and collects what it writes, at most `output_max` bytes a
 * pipe. Errors: as plait_spawn; PLAIT_ETOOLONG (killed). Cancelling kills it. Ownership: as plait_deferred_new; value:
 * struct plait_output. */
PLAIT_API struct plait_deferred *plait_run_program(struct plait_reactor *reactor, struct plait_spawn_options *options,
                                                   plait_slice in, size_t output_max) PLAIT_MUST;

PLAIT_END
#endif
