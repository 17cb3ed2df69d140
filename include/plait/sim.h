/* SPDX-License-Identifier: MIT
 *
 * The simulated world: hosts with a kernel of their own, a network between them, one virtual clock and one seed. The
 * engine under test is the engine that ships; only its system calls are answered here. The same seed gives the same
 * run. Part of libplait-sim.
 */
#ifndef PLAIT_SIM_H
#define PLAIT_SIM_H

#include <plait/address.h>
#include <plait/reactor.h>

PLAIT_BEGIN

struct plait_sim;
struct plait_host;

/* Faults that strike by chance, drawn from the seed. */
enum {
    PLAIT_SIM_SPLIT = 1, /* TCP's bytes arrive in pieces cut anywhere */
    PLAIT_SIM_DELAY = 2, /* now and then something takes up to 200 ms longer, on the loopback too */
    PLAIT_SIM_RESET = 4, /* now and then a TCP connection is reset on its way */
    /* reads and writes of streams take fewer bytes than there are; an edge follows, as the kernel promises */
    PLAIT_SIM_SHORT = 8,
    PLAIT_SIM_SPURIOUS = 16,  /* epoll says of a socket that it can be read and written, and it may not be so */
    PLAIT_SIM_INTERRUPT = 32, /* a signal comes between: waits end early, connect and close return EINTR */
    /* Calls fail with errnos that their manual pages have, while the world runs. A program sees operations fail that
     * it could not help, so this one is not among `all`. */
    PLAIT_SIM_ERRNO = 64,
    /* now and then a packet between two hosts is lost; TCP sends it again, a datagram is gone */
    PLAIT_SIM_LOSS = 128,
    PLAIT_SIM_DUPLICATE = 256, /* now and then a datagram comes twice */
    PLAIT_SIM_REORDER = 512,   /* now and then a datagram is overtaken by later ones */
    PLAIT_SIM_ALL = 959,       /* but for ERRNO */
};

/* A fault that struck. Its number says which decision it was of its kind, in which call of which host: so it
 * means the same strike in every run of the seed that goes the same way up to there, whatever else is left out. */
struct plait_sim_strike {
    uint64_t number;
    plait_time at;
    unsigned fault;   /* PLAIT_SIM_SPLIT …; 0: by rule */
    const char *host; /* NULL where it struck between hosts */
    const char *call;
    const char *text; /* what it did */
    void *reserved[2];
};

/* Which strikes may happen: only those with these numbers, or all without them. */
struct plait_sim_choice {
    const uint64_t *numbers; /* ascending */
    size_t count;
    bool without;
};

typedef void (*plait_sim_strike_fn)(const struct plait_sim_strike *strike, void *ctx);

/* --- the world ---------------------------------------------------------------------------------------------------- */

/** Makes a world without hosts in which `faults` may strike. Returns NULL when there is no memory. Ownership: the
 * caller's, ended with plait_sim_free. */
PLAIT_API struct plait_sim *plait_sim_new(uint64_t seed, unsigned faults) PLAIT_MUST;

/* A world's options; the zero value is a world without faults for seed 0. */
struct plait_sim_options {
    uint64_t seed;
    unsigned faults;
    /* The heap of the world itself: hosts, sockets, packets. NULL: the C library's. The heap of a host's reactor is set
     * by that reactor's options. */
    const struct plait_allocator *allocator;
    /* Strikes that may happen, NULL for all; it must outlive the world. A strike that is left out is decided, and then
     * not done. */
    const struct plait_sim_choice *choice;
    plait_sim_strike_fn strike; /* told of each strike; it must do nothing but note it */
    void *strike_ctx;
    void *reserved[2];
};

/** Makes a world as plait_sim_new, with options. Where its heap fails, a system call fails as the kernel's would that
 * has no memory (ENOMEM, ENOBUFS, ENOSPC), or else the run fails: never the process. Returns NULL when there is no
 * memory. Ownership: the caller's, ended with plait_sim_free; the allocator must outlive the world. */
PLAIT_API struct plait_sim *plait_sim_new_with(const struct plait_sim_options *options) PLAIT_MUST;

/** Ends a world: frees every host's reactor, then the hosts. Takes NULL and leaves NULL. Callbacks: as
 * plait_reactor_free. */
PLAIT_API void plait_sim_free(struct plait_sim **sim);

/** Virtual time: nanoseconds since the world began; a host's monotonic clock shows it, unless it was told otherwise. */
PLAIT_API plait_time plait_sim_now(const struct plait_sim *sim);

/** Changes which faults strike from now on. */
PLAIT_API void plait_sim_faults(struct plait_sim *sim, unsigned faults);

/** Draws a number below `below` (at least 1) from the seed, for a scenario's own choices. */
PLAIT_API uint64_t plait_sim_random(struct plait_sim *sim, uint64_t below);

/** Does one thing: a turn of the reactors that have something to do, or else a jump of the clock to the next event.
 * False when there is nothing left to do, ever. Callbacks: those of the hosts' reactors run inside this call. */
PLAIT_API bool plait_sim_step(struct plait_sim *sim);

/** Runs for a span of virtual time; afterwards the clock stands exactly there. Callbacks: as plait_sim_step. */
PLAIT_API void plait_sim_run_for(struct plait_sim *sim, plait_span span);

/** Runs until nothing is left to do, but no longer than `span`. Returns whether the world is idle. Keep-alive probes
 * that are answered, and probes of a closed window, go on for ever and don't count. Callbacks: as plait_sim_step. */
PLAIT_API bool plait_sim_run_until_idle(struct plait_sim *sim, plait_span span);

/** Runs while `more` says so, but no longer than `span`. Returns whether `more` said no. Callbacks: `more` after each
 * step, and as plait_sim_step. */
PLAIT_API bool plait_sim_run_while(struct plait_sim *sim, plait_span span, bool (*more)(void *ctx), void *ctx);

/* --- hosts -------------------------------------------------------------------------------------------------------- */

/** The host of a name; made when there is none yet, with the addresses 10.0.0.N and fd00::N (N counts from 1; the
 * 256th has 10.0.1.0 and fd00::100). Returns NULL when there is no memory or there are 65,536 hosts. Ownership: the
 * world's. */
PLAIT_API struct plait_host *plait_sim_host(struct plait_sim *sim, const char *name) PLAIT_MUST;

/** Name of a host. Ownership: borrowed from the host. */
PLAIT_API const char *plait_host_name(const struct plait_host *host);

/** Gives a host other addresses than those it was made with. Errors: PLAIT_ELIMIT (more than 4), PLAIT_EINVAL (no IP
 * address). */
PLAIT_API plait_err plait_host_set_addresses(struct plait_host *host, const struct plait_address *address, size_t count)
    PLAIT_MUST;

/** First address of a host in a family (PLAIT_ADDR_IP4, PLAIT_ADDR_IP6), with a port; PLAIT_ADDR_NONE when there is
 * none. */
PLAIT_API void plait_host_address(const struct plait_host *host, enum plait_address_kind kind, uint16_t port,
                                  struct plait_address *out);

/** The simulated kernel's system calls as this host makes them. Ownership: borrowed from the host. */
PLAIT_API struct plait_sys *plait_host_sys(struct plait_host *host);

/** Options of the reactor that plait_host_reactor will make; `sys` in them is ignored. Ownership: `options` must live
 * until that call. */
PLAIT_API void plait_host_reactor_options(struct plait_host *host, const struct plait_reactor_options *options);

/** Reactor of a host; the first call makes it, with a resolver that knows the world's hosts by their names, and so does
 * the first one after plait_host_stop, plait_host_kill or plait_host_restart. Returns NULL when there is no memory or
 * no descriptor, or the host has no power. Ownership: the host's. */
PLAIT_API struct plait_reactor *plait_host_reactor(struct plait_host *host);

/** Frees a host's reactor before the world ends; its descriptors and budget can be looked at afterwards. Callbacks: as
 * plait_reactor_free. */
PLAIT_API void plait_host_stop(struct plait_host *host);

/** Most descriptors that a host may have open; 1,024 when nothing is said. */
PLAIT_API void plait_host_set_descriptors_max(struct plait_host *host, size_t max);

/** Descriptors that a host has open. */
PLAIT_API size_t plait_host_descriptors(const struct plait_host *host);

/** Bytes that a new socket of this host sends and receives ahead; 65,536 each when nothing is said. */
PLAIT_API void plait_host_set_buffers(struct plait_host *host, size_t send_bytes, size_t receive_bytes);

/** Sets a variable of a host's environment; NULL removes it. Errors: PLAIT_ENOMEM. */
PLAIT_API plait_err plait_host_set_env(struct plait_host *host, const char *name, const char *value) PLAIT_MUST;

/** Sends a signal to the program of a host; it is seen when the program blocks it and reads a signalfd, else nothing
 * happens. */
PLAIT_API void plait_host_signal(struct plait_host *host, int signo);

/** Kills the program of a host, as SIGKILL does: the kernel closes its descriptors (peers see an end, or a reset where
 * input was unread) and kills its children. Then the reactor is freed: its callbacks run, so that the program's memory
 * can be freed, but each system call that they make fails with EIO. Inside a callback of that reactor all this happens
 * once its turn is over; calls fail at once. Callbacks: as plait_reactor_free. */
PLAIT_API void plait_host_kill(struct plait_host *host);

/** Takes a host's power away: as plait_host_kill, but nothing leaves the host any more and nothing comes in, so that
 * its peers find out by their timeouts. Of its files is left what its disk held. Callbacks: as plait_reactor_free. */
PLAIT_API void plait_host_crash(struct plait_host *host);

/** Gives a host its power back: an empty kernel, the files of its disk, a monotonic clock that begins anew.
 * Who still sends to connections of before gets a reset. The program begins with plait_host_reactor. Does nothing for a
 * host that has power. */
PLAIT_API void plait_host_restart(struct plait_host *host);

/** Whether a host has power. */
PLAIT_API bool plait_host_is_up(const struct plait_host *host);

/** Has a host's clocks run fast (or slow) from now on, by so many parts of a thousand million: 50,000 is 50 µs a
 * second. Errors: PLAIT_EINVAL (more than half as fast or slow again). */
PLAIT_API plait_err plait_host_set_drift(struct plait_host *host, int64_t parts_per_billion) PLAIT_MUST;

/** Sets both clocks of a host forward, as a machine that slept sees them; timers that are due by them fire. */
PLAIT_API void plait_host_jump_clock(struct plait_host *host, plait_span by);

/** Sets a host's wall clock forward (or back); the monotonic clock is not touched. */
PLAIT_API void plait_host_shift_wall_clock(struct plait_host *host, plait_span by);

/** Writes a file into a host's file tree; missing folders are made. Errors: PLAIT_ENOMEM, PLAIT_EINVAL (not absolute),
 * PLAIT_EEXISTS (a folder stands there). */
PLAIT_API plait_err plait_host_write_file(struct plait_host *host, const char *path, const void *bytes, size_t len)
    PLAIT_MUST;

/* A host's disk. The zero value is a fast one without limit, all of it in memory. */
struct plait_sim_disk {
    plait_span read, write, sync;        /* what one call on a file takes in a job of the pool */
    uint32_t uncached_num, uncached_den; /* chance that a read which must not wait finds nothing in memory */
    uint64_t bytes_max;                  /* of all content together, then ENOSPC; 0: no limit */
    void *reserved[4];
};

/** Sets what a host's disk is like. */
PLAIT_API void plait_host_set_disk(struct plait_host *host, const struct plait_sim_disk *disk);

/** Cuts the power of a host's disk at the nth call on files from now on (1 is the next). What was not synced is kept,
 * lost, torn or reordered by the seed then, and that call and all that follow fail with EIO until the power is given
 * back with nth 0. */
PLAIT_API void plait_host_cut_disk(struct plait_host *host, uint64_t nth);

/* --- the network -------------------------------------------------------------------------------------------------- */

/* How two hosts are joined, in each direction; the zero value is a link that takes no time and loses nothing. The
 * loopback is no link: it takes no time. Chances are parts of a million. */
struct plait_sim_link {
    plait_span latency; /* one way */
    plait_span jitter;  /* drawn anew for each packet, at most this much on top */
    uint64_t bandwidth; /* bytes a second that pass; 0: as many as come */
    uint64_t queue;     /* bytes that may wait to pass; what comes on top is lost. 0: any number */
    uint32_t loss;      /* chance that a packet is lost */
    uint32_t duplicate; /* chance that a datagram comes twice */
    uint32_t reorder;   /* chance that a datagram is held back and overtaken by later ones */
    uint32_t mtu;       /* bytes of the largest packet with its headers, at least 576; 0: any */
    void *reserved[4];
};

/** Sets how two hosts are joined, both ways; NULL for both hosts sets what holds where nothing was said (100 µs and
 * nothing else). Errors: PLAIT_ENOMEM, PLAIT_EINVAL (a negative time, a chance above a million, an MTU below 576). */
PLAIT_API plait_err plait_sim_set_link(struct plait_sim *sim, struct plait_host *a, struct plait_host *b,
                                       const struct plait_sim_link *link) PLAIT_MUST;

/** Cuts the way from one host to another, in that direction only: packets that leave from now on are lost. NULL means
 * every other host, so that (host, NULL) and (NULL, host) together isolate a host. The loopback is never cut. Errors:
 * PLAIT_ENOMEM. */
PLAIT_API plait_err plait_sim_partition(struct plait_sim *sim, struct plait_host *from, struct plait_host *to)
    PLAIT_MUST;

/** Undoes the plait_sim_partition with the same arguments; NULL twice undoes all of them. TCP goes on when it next
 * sends again. */
PLAIT_API void plait_sim_heal(struct plait_sim *sim, struct plait_host *from, struct plait_host *to);

/* --- chosen faults ------------------------------------------------------------------------------------------------ */

/* Fails calls of one kind. It strikes at the nth such call after the rule was made (nth > 0), or by chance (chance_num
 * of chance_den), or each time (both 0); `times` limits how often (0: no limit; 1 for nth). A failed call does nothing
 * but fail; `close` lets the descriptor go all the same. */
struct plait_sim_rule {
    const char *call;        /* as in the table of system calls: "accept4", "recv", … */
    struct plait_host *host; /* NULL: any */
    int os_errno;
    uint64_t nth;
    uint32_t chance_num, chance_den;
    uint64_t times;
    void *reserved[4];
};

/** Adds a rule. Errors: PLAIT_EINVAL (no such call, no errno), PLAIT_ELIMIT (64 rules). */
PLAIT_API plait_err plait_sim_add_rule(struct plait_sim *sim, const struct plait_sim_rule *rule) PLAIT_MUST;

/** Takes all rules off. */
PLAIT_API void plait_sim_clear_rules(struct plait_sim *sim);

/** Whether Linux may return an errno from a call for a reason that lies outside of the program, by this library's table
 * of them: what PLAIT_SIM_ERRNO draws from. */
PLAIT_API bool plait_sim_errno_possible(const char *call, int os_errno);

/** Name of a kind of fault: "split", "reset" …, "rule" for 0; NULL when there is no such kind. Ownership: static. */
PLAIT_API const char *plait_sim_fault_name(unsigned fault);

/** Name of the index-th system call, NULL behind the last. Ownership: static. */
PLAIT_API const char *plait_sim_call_name(unsigned index);

/** How often a fault struck in a call: `fault` is one of PLAIT_SIM_SPLIT …, or 0 for an errno by rule. `call` NULL: all
 * calls. Strikes that were left out don't count. */
PLAIT_API uint64_t plait_sim_fault_count(const struct plait_sim *sim, unsigned fault, const char *call);

/** System calls that hosts made: of one kind, or all (NULL). */
PLAIT_API uint64_t plait_sim_call_count(const struct plait_sim *sim, const char *call);

/* --- the story ---------------------------------------------------------------------------------------------------- */

typedef void (*plait_sim_explain_fn)(plait_time now, const char *line, void *ctx);

/** Has each event told as a line of text. Callbacks: `fn` inside whatever happens; it must do nothing but note the
 * line. */
PLAIT_API void plait_sim_explain(struct plait_sim *sim, plait_sim_explain_fn fn, void *ctx);

/** Adds a line of the scenario's own to the story and its hash. */
PLAIT_API void plait_sim_log(struct plait_sim *sim, const char *fmt, ...) PLAIT_PRINTF(2, 3);

/** Hash of everything that happened so far: equal in every run of the same seed. */
PLAIT_API uint64_t plait_sim_hash(const struct plait_sim *sim);

/** Marks the run as failed, with a sentence; the first one stays. */
PLAIT_API void plait_sim_fail(struct plait_sim *sim, const char *fmt, ...) PLAIT_PRINTF(2, 3);

/** Why the run failed, or NULL. Ownership: borrowed from the world. */
PLAIT_API const char *plait_sim_failure(const struct plait_sim *sim);

/** Looks after the invariants at a scenario's end: stops every host's reactor and fails the run for a descriptor,
 * process or byte of budget that is left; in a run of a scenario also for
 * a stream, task, job, deferred or timer of a reactor that the scenario did not stop itself. Callbacks: as
 * plait_reactor_free. */
PLAIT_API void plait_sim_check_end(struct plait_sim *sim);

/* --- scenarios ---------------------------------------------------------------------------------------------------- */

/* One scenario: a function that builds hosts, runs the world, and calls plait_sim_fail where something is wrong. */
struct plait_scenario {
    const char *name;
    unsigned faults; /* that may strike */
    void (*run)(struct plait_sim *sim);
    const struct plait_allocator *allocator; /* as in struct plait_sim_options */
};

struct plait_scenario_result {
    bool failed;
    char failure[200]; /* a sentence, or "" */
    uint64_t hash, calls, faults;
    plait_time ended; /* virtual time at the end */
};

/** Runs a scenario once in a world of its own, looks after the invariants, and frees the world. `explain` may be NULL.
 * Callbacks: `explain` as plait_sim_explain. */
PLAIT_API void plait_scenario_run(const struct plait_scenario *scenario, uint64_t seed,
                                  struct plait_scenario_result *out, plait_sim_explain_fn explain, void *ctx);

/* How a scenario is run; the zero value is plait_scenario_run's for seed 0. */
struct plait_scenario_options {
    uint64_t seed;
    plait_sim_explain_fn explain;
    void *explain_ctx;
    const struct plait_sim_choice *choice; /* as in struct plait_sim_options */
    plait_sim_strike_fn strike;            /* the same */
    void *strike_ctx;
    void (*ended)(const struct plait_sim *sim, void *ctx); /* once the invariants are looked after */
    void *ended_ctx;
    unsigned more_faults; /* PLAIT_SIM_ flags beside the scenario's own */
    /* Only the world's invariants can fail the run, and plait_sim_fail cannot: for faults after which a scenario does
     * not get what it wants. */
    bool invariants_only;
    void *reserved[3];
};

/** Runs a scenario as plait_scenario_run, with options. Callbacks: those of the options. */
PLAIT_API void plait_scenario_run_with(const struct plait_scenario *scenario,
                                       const struct plait_scenario_options *options, struct plait_scenario_result *out);

/* What plait_scenario_shrink found. */
struct plait_scenario_plan {
    bool fails;       /* the seed fails at all */
    bool minimal;     /* with any one strike less it would not fail in this way; false: too many runs, or no memory */
    uint64_t *number; /* of the strikes that are left, ascending; none when it fails without a fault */
    size_t count;
    uint64_t struck;                     /* strikes of the whole run */
    uint64_t runs;                       /* that it took */
    struct plait_scenario_result result; /* of the last run that failed: with what is left */
    void *reserved[4];
};

/** Finds out which strikes a failing seed needs to fail: runs it (as the options say, but silently) again and again
 * with ever fewer of them (delta debugging), for as long as it fails with the same sentence (numbers in it may differ),
 * until each one that is left is needed or `runs_max` runs were made (0: no limit). Returns whether the seed fails.
 * Ownership: `*plan` is the caller's, ended with plait_scenario_plan_deinit. */
PLAIT_API bool plait_scenario_shrink(const struct plait_scenario *scenario,
                                     const struct plait_scenario_options *options, uint64_t runs_max,
                                     struct plait_scenario_plan *plan);

/** Frees what a plan holds. */
PLAIT_API void plait_scenario_plan_deinit(struct plait_scenario_plan *plan);

/** Runs a scenario for the seeds from `first` on, `count` of them, until one fails. Returns the seed that failed, or
 * UINT64_MAX. `out` (may be NULL) is the last run's. */
PLAIT_API uint64_t plait_scenario_run_seeds(const struct plait_scenario *scenario, uint64_t first, uint64_t count,
                                            struct plait_scenario_result *out);

/** Writes what to tell of a failed run: scenario, seed, sentence, and the command that repeats it. Returns the length
 * that the whole text needs. */
PLAIT_API size_t plait_scenario_describe(const struct plait_scenario *scenario, uint64_t seed,
                                         const struct plait_scenario_result *result, char *out, size_t out_bytes);

/* --- programs of a host ------------------------------------------------------------------------------------------- */

struct plait_sim_process;

/* What a child process is here: calls that a program gets. NULL members do nothing (`start` alone NULL: nothing is said
 * at the start). */
struct plait_sim_program {
    /* The process began. */
    void (*start)(struct plait_sim_process *process, void *ctx);
    /* Bytes came on one of its descriptors; `bytes` empty: the end. NULL: input is left unread. */
    void (*input)(struct plait_sim_process *process, int fd, plait_slice bytes, void *ctx);
    /* A signal came; NULL: it ends the process (SIGKILL always does). */
    void (*signal)(struct plait_sim_process *process, int signo, void *ctx);
    void *reserved[4];
};

/** Puts a program at a path of a host. Errors: PLAIT_ENOMEM, PLAIT_EINVAL. Ownership: `program` and `ctx` must outlive
 * the world. Callbacks: the program's, inside plait_sim_step. */
PLAIT_API plait_err plait_host_add_program(struct plait_host *host, const char *path,
                                           const struct plait_sim_program *program, void *ctx) PLAIT_MUST;

/** Writes from a process; what a full pipe doesn't take waits. A descriptor that is broken ends the process by
 * SIGPIPE. */
PLAIT_API void plait_sim_process_write(struct plait_sim_process *process, int fd, plait_slice bytes);

/** Closes one of a process's descriptors, once what waits is written. */
PLAIT_API void plait_sim_process_close(struct plait_sim_process *process, int fd);

/** Ends a process with an exit status, once what it wrote is written. */
PLAIT_API void plait_sim_process_exit(struct plait_sim_process *process, int status);

/** Argument of a process, or NULL behind the last. Ownership: borrowed from the process. */
PLAIT_API const char *plait_sim_process_arg(const struct plait_sim_process *process, size_t index);

/** Variable of a process's environment, or NULL. Ownership: borrowed from the process. */
PLAIT_API const char *plait_sim_process_env(const struct plait_sim_process *process, const char *name);

/** A program that copies its standard input to its standard output until its end, as cat(1). Ownership: static. */
PLAIT_API const struct plait_sim_program *plait_sim_program_cat(void);

/* --- faults in front of any kernel -------------------------------------------------------------------------------- */

struct plait_injector;

/** Makes a table of system calls that passes everything to another (the kernel's, or a host's) but for calls that are
 * told to fail. Returns NULL when there is no memory. Ownership: the caller's, ended with plait_injector_free after the
 * reactor on it. */
PLAIT_API struct plait_injector *plait_injector_new(struct plait_sys *under) PLAIT_MUST;

/** Ends an injector. Takes NULL and leaves NULL. */
PLAIT_API void plait_injector_free(struct plait_injector **injector);

/** The table, for plait_reactor_options. Ownership: borrowed from the injector. */
PLAIT_API struct plait_sys *plait_injector_sys(struct plait_injector *injector);

/** Fails the k-th call of a kind from now on (1 is the next), and `times` in all in a row (0: all that follow). A
 * second order for the same call takes the first one's place; os_errno 0 takes it off. Errors: PLAIT_EINVAL (no such
 * call). */
PLAIT_API plait_err plait_injector_fail(struct plait_injector *injector, const char *call, uint64_t k, uint64_t times,
                                        int os_errno) PLAIT_MUST;

/** Fails the k-th call of any kind from now on (1 is the next; 0 takes it off) with an errno; `clock` and `env` cannot
 * fail and don't count. */
PLAIT_API void plait_injector_fail_any(struct plait_injector *injector, uint64_t k, int os_errno);

/** Calls of a kind so far (NULL: of all kinds); `failed` (may be NULL) gets how many of them were made to fail. */
PLAIT_API uint64_t plait_injector_count(const struct plait_injector *injector, const char *call, uint64_t *failed);

PLAIT_END
#endif
