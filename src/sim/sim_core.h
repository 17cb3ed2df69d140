/* SPDX-License-Identifier: MIT
 *
 * The inside of the simulated world: events, hosts, open files. A call enters through sim_table.c (faults, trace),
 * reaches a file's table here, and ends in one of the families (TCP, UNIX, UDP, pipes, files …). Everything that takes
 * time is an event of the world.
 *
 * Laws: no float, no pointer value, no address order, no thread; one random draw a statement. Lists are in order of
 * insertion.
 */
#ifndef PLAIT_SIM_CORE_H
#define PLAIT_SIM_CORE_H

#include "engine/sys.h"
#include "sim/sim_parts.h"

#include <plait/address.h>
#include <plait/memory.h>
#include <plait/sim.h>

#include <errno.h>
#include <stdarg.h>

/* --- the world ---------------------------------------------------------------------------------------------------- */

#define SIM_HOSTS_MAX 65536
#define SIM_RULES_MAX 64
#define SIM_HOST_ADDRESSES 4
#define SIM_FAULT_KINDS 16 /* bits that PLAIT_SIM_ flags may have */

struct sim_rule {
    struct plait_sim_rule rule;
    enum plait_sys_call call;
    uint64_t seen, fired;
};

/* Decisions of each kind in each call: one more, and one draw, a decision. */
struct sim_decisions {
    uint32_t count[SIM_FAULT_KINDS + 1][PLAIT_SYS_CALL_COUNT];
};

struct sim_strikes {
    struct sim_decisions between; /* hosts */
    uint64_t random;              /* how the last decision turns out */
    uint64_t decision;            /* its number, should it strike */
    const struct plait_sim_choice *choice;
    plait_sim_strike_fn fn;
    void *ctx;
    struct plait_sim_strike last;
    bool untold; /* `last` has not been told yet */
};

struct sim_path; /* sim_path.c */

/* Hosts by name or address. */
struct sim_names {
    struct sim_link *name, *address; /* rows of each table */
    size_t rows;
};

struct plait_sim {
    const struct plait_allocator *allocator;
    struct plait_budget budget;
    uint64_t seed, random, link_random;
    int64_t now, wall_began;
    struct sim_event **heap;
    size_t heap_len, heap_cap, heap_quiet; /* heap_quiet: events that are `quiet` */
    uint64_t next_seq, next_file;
    struct plait_host **hosts;
    size_t host_count, host_cap;
    struct sim_names names;     /* of hosts, and their addresses: sim_names.c */
    struct sim_link ready;      /* hosts that may have something to do, by in_ready */
    struct plait_host *turning; /* the one whose reactor has its turn */
    struct sim_path **paths;    /* a table by the two hosts */
    size_t path_count, path_cap;
    struct plait_sim_link link; /* where nothing was said */
    bool cut;                   /* every way between two hosts */
    unsigned faults;
    struct sim_rule rules[SIM_RULES_MAX];
    size_t rule_count;
    uint64_t used[SIM_FAULT_KINDS + 1][PLAIT_SYS_CALL_COUNT]; /* fault kind × call; the last kind is by rule */
    struct sim_strikes strikes;
    uint64_t calls;
    uint64_t hash;
    plait_sim_explain_fn explain;
    void *explain_ctx;
    bool failed, ending;
    bool invariants_only; /* plait_sim_fail only tells */
    bool gave_up;         /* it was called */
    bool strict;          /* nothing may go on in a reactor at the end */
    bool stepping;        /* inside a step: errnos by chance may strike */
    char failure[200];
    size_t stuck; /* turns without time passing */
};

/* Random numbers of the world; faults have streams of their own, so that turning one off leaves the rest alone. */
uint64_t sim_mix(uint64_t *state);
uint64_t sim_random(struct plait_sim *sim);
uint64_t sim_below(struct plait_sim *sim, uint64_t below);

/* Whether a fault of this kind strikes now: `flag` is on, one of `of` draws, and the run does not leave this one out.
 * Counted for the call. `host` is where it strikes, or NULL. */
bool sim_strikes_at(struct plait_sim *sim, struct plait_host *host, unsigned flag, uint64_t of,
                    enum plait_sys_call call);
struct sim_chance {
    uint64_t in, of;
};
bool sim_strikes_often(struct plait_sim *sim, struct plait_host *host, unsigned flag, struct sim_chance chance,
                       enum plait_sys_call call);
/* How the last decision turns out. */
uint64_t sim_fault_below(struct plait_sim *sim, uint64_t below);
/* What the strike that was just decided does, for the story: "takes 3 of 500 bytes". Without it the story says no more
 * than the fault's name. */
void sim_strike_tell(struct plait_sim *sim, const char *fmt, ...) PLAIT_PRINTF(2, 3);
void sim_strike_flush(struct plait_sim *sim);

void sim_hash(struct plait_sim *sim, uint64_t value);
/* A line of the story, hashed as numbers by the caller; text is made only when somebody listens. */
void sim_say(struct plait_sim *sim, const char *fmt, ...) PLAIT_PRINTF(2, 3);
void sim_fail(struct plait_sim *sim, const char *fmt, ...) PLAIT_PRINTF(2, 3);
/* The world has no memory for something that no call can report. */
void sim_out_of_memory(struct plait_sim *sim);

/* Sends a packet on its way from host to host: how long it takes, or SIM_LOST. */
#define SIM_LOST INT64_C(-1)
int64_t sim_trip(struct plait_host *from, struct plait_host *to, size_t bytes);
/* Whether packets pass at all: both hosts run and nothing is cut. */
bool sim_way_open(const struct plait_host *from, const struct plait_host *to);
const struct plait_sim_link *sim_link_between(const struct plait_host *from, const struct plait_host *to);
/* Whether a link's chance, in parts of a million, or the fault of that kind strikes; `how` is a number for how it turns
 * out. */
bool sim_link_strikes(const struct plait_host *from, uint32_t chance, unsigned flag, uint64_t of, uint64_t *how);
void sim_paths_free(struct plait_sim *sim);

/* --- open files --------------------------------------------------------------------------------------------------- */

struct sim_file;

/* What a message call carries: a cursor over its buffers, and the rest of msghdr. */
struct sim_io {
    const struct iovec *iov;
    size_t iov_at;      /* offset in the first one */
    size_t left;        /* bytes that may still go */
    struct msghdr *msg; /* NULL: read or write */
    int flags;
    enum plait_sys_call call;
};

size_t sim_io_copy_out(struct sim_io *io, const uint8_t *from, size_t len); /* into the caller's buffers */
size_t sim_io_copy_in(struct sim_io *io, uint8_t *to, size_t len);          /* out of the caller's buffers */
ssize_t sim_io_begin(struct sim_io *io, const struct iovec *iov, size_t count, enum plait_sys_call call);

struct sim_file_ops {
    const char *name;
    bool polls; /* epoll takes it */
    ssize_t (*read)(struct sim_file *f, struct sim_io *io);
    ssize_t (*write)(struct sim_file *f, struct sim_io *io);
    uint32_t (*poll)(struct sim_file *f);
    void (*release)(struct sim_file *f);
};

struct sim_file {
    const struct sim_file_ops *ops;
    struct plait_host *host;
    uint64_t id;
    size_t refs;
    int flags;                                                  /* O_ACCMODE, O_NONBLOCK, O_APPEND */
    struct sim_link watchers;                                   /* epoll items */
    void (*woken)(struct sim_file *f, uint32_t key, void *ctx); /* a simulated process that holds it */
    void *woken_ctx;
    struct sim_sock *sock; /* sockets only */
};

struct sim_slot {
    struct sim_file *file;
    bool cloexec;
};

void sim_file_init(struct sim_file *f, struct plait_host *host, const struct sim_file_ops *ops, int flags);
void sim_file_unref(struct sim_file *f);
/* Takes the file's first reference into a new descriptor; on failure (-EMFILE, -ENOMEM) the reference stays the
 * caller's. */
int sim_fd_new(struct plait_host *host, struct sim_file *f, bool cloexec);
struct sim_file *sim_fd_file(struct plait_host *host, int fd);
bool sim_fd_room(const struct plait_host *host, size_t count);
int sim_fd_drop(struct plait_host *host, int fd);

/* Wakes who waits: `key` are the events meant, 0 for all, as the kernel's wait queues do. */
void sim_wake(struct sim_file *f, uint32_t key);
void sim_epoll_forget(struct sim_file *f);
bool sim_epoll_is_ready(struct sim_file *f);
bool sim_is_epoll(const struct sim_file *f);

#define SIM_IN (EPOLLIN | EPOLLRDNORM)
#define SIM_OUT (EPOLLOUT | EPOLLWRNORM)
#define SIM_IN_KEY (EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND)
#define SIM_OUT_KEY (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)

/* --- hosts -------------------------------------------------------------------------------------------------------- */

struct sim_inode;
struct plait_recorder;
struct sim_variable {
    struct sim_link link;
    char *name, *value;
};

/* An address of a host, in the world's table. */
struct sim_host_address {
    struct sim_link link;
    struct plait_host *host;
};

/* Bound sockets of a kind, by port. */
struct sim_ports {
    struct sim_link *rows;
    size_t row_count, count;
};

/* A host's clocks run at their own speed, from a moment of the world and what the monotonic one showed then. */
struct sim_clock {
    int64_t began, shown, drift; /* drift: parts of a thousand million */
};

/* A host's disk; sim_disk.h says what of it is for whom. */
struct sim_disk {
    struct plait_sim_disk options;
    struct sim_link changes; /* of folders, on their way, oldest first */
    size_t change_count;
    uint64_t random; /* what losses of power draw from */
    uint64_t used;   /* bytes of content that programs see */
    int64_t cost;    /* nanoseconds that calls took since somebody asked */
    uint64_t cut_in; /* calls until the power is cut; 0: it isn't to be */
    bool off;        /* it is cut: every call on files fails */
};

struct plait_host {
    struct plait_sys sys; /* first: the table's calls get it back by a cast */
    struct plait_sim *sim;
    struct plait_reactor *reactor;
    const struct plait_reactor_options *reactor_options;
    char name[64];
    unsigned index;
    struct plait_address address[SIM_HOST_ADDRESSES];
    struct sim_host_address in_addresses[SIM_HOST_ADDRESSES];
    size_t address_count;
    struct sim_link in_names, in_ready;
    struct sim_event wake; /* the reactor's next timer */
    struct sim_slot *fds;
    size_t fd_cap, fd_count, fd_max, fd_lowest; /* fd_lowest: no smaller number is free */
    struct sim_ports ports[3];                  /* SIM_PORTS_…: bound sockets */
    struct sim_link abstract;                   /* UNIX sockets with abstract names */
    struct sim_inode *root, *cwd;
    struct sim_disk disk;
    uint64_t next_inode;
    struct sim_link env, processes;
    uint64_t signals_pending, signals_blocked;
    struct sim_link signalfds;
    int next_pid;
    bool down;            /* no power: packets from and to it are lost */
    bool gone;            /* the program was killed: its calls fail */
    bool leaves, returns; /* what follows once the reactor's turn is over: the end, and a restart */
    struct sim_clock clock;
    bool cut_out, cut_in; /* from and to every other host */
    int64_t job_delay, clock_skew;
    uint64_t calls[PLAIT_SYS_CALL_COUNT];
    struct plait_recorder *recorder; /* plait_testbed_record */
    size_t sndbuf, rcvbuf;
    struct plait_allocator heap; /* of the reactor; counts */
    size_t heap_blocks;
    struct sim_decisions decisions;
    unsigned storm; /* waits that signals still interrupt */
};

static inline struct plait_host *sim_host_of(struct plait_sys *sys)
{
    return (struct plait_host *)(void *)sys;
}

extern const struct plait_sys_ops plait__sim_ops;

struct plait_host *sim_host_by_address(struct plait_host *from, const struct plait_address *address);
void sim_host_free(struct plait_host *host);
/* The reactor may have something to do: it is looked at before time passes. */
void sim_host_touch(struct plait_host *host);
void sim_host_wakes(struct plait_sim *sim, struct sim_event *event);
/* The program was killed in its reactor's turn, which is over now. */
void sim_host_leaves(struct plait_host *host);
void sim_host_close_all(struct plait_host *host);
int64_t sim_host_monotonic(const struct plait_host *host);
int64_t sim_host_wall(const struct plait_host *host);
int64_t sim_host_span(const struct plait_host *host, int64_t span); /* of the host's clock, in the world's time */

/* sim_names.c */
bool sim_names_grow(struct plait_sim *sim); /* room for one more host */
void sim_names_add(struct plait_host *host);
void sim_names_move(struct plait_host *host); /* its addresses changed */
struct plait_host *sim_names_find(const struct plait_sim *sim, plait_slice name, bool any_case);
void sim_names_free(struct plait_sim *sim);

void sim_host_free_ports(struct plait_host *host); /* once no packet is on its way */
const char *sim_env(struct plait_host *host, const char *name);

/* --- doubles on a heap that may fail ------------------------------------------------------------------------------ */

struct plait_testbed;
struct plait_testbed *plait__testbed_new(const struct plait_sim_options *options);
bool plait__scenario_shrink(const struct plait_scenario *scenario, const struct plait_scenario_options *options,
                            uint64_t runs_max, struct plait_scenario_plan *plan, const struct plait_allocator *heap);
void plait__scenario_plan_deinit(struct plait_scenario_plan *plan, const struct plait_allocator *heap);
struct plait_injector *plait__injector_new(struct plait_sys *under, const struct plait_allocator *heap);

#endif
