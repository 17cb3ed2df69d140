/* SPDX-License-Identifier: MIT
 *
 * Child processes that are functions: a program stands at a path of a host's tree; a process holds references to the
 * files that were mapped for it, gets what arrives on them, and ends with a status that its pidfd gives once.
 *
 * Invariant: a process runs only as an event of the world, never inside a call; one that ended stays (a zombie) until
 * it is reaped. Tests: tests/sim/test_process.c.
 */
#include "sim/sim_process.h"

#include "base/try.h"
#include "sim/sim_files.h"

#include <fcntl.h>
#include <string.h>

struct held {
    struct sim_file *file;
    int fd;
    bool input_over, closing;
    struct sim_ring out;
};

struct plait_sim_process {
    struct sim_link link;
    struct plait_host *host;
    const struct plait_sim_program *program;
    void *ctx;
    struct sim_event event;
    size_t refs; /* the host's list, the pidfd */
    struct held *held;
    size_t held_count;
    char **texts; /* arguments, then the environment */
    size_t arg_count, text_count;
    int pid, status;
    bool exiting, exited, started;
};

struct pidfd {
    struct sim_file file;
    struct plait_sim_process *process;
};

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void process_unref(struct plait_sim_process *p)
{
    if (--p->refs)
        return;
    for (size_t i = 0; i < p->text_count; i++)
        plait_mem_free(p->texts[i]);
    plait_mem_free(p->texts);
    plait_mem_free(p->held);
    plait_mem_free(p);
}

static void release_file(struct held *h)
{
    struct sim_file *f = h->file;
    if (!f)
        return;
    h->file = NULL;
    sim_ring_free(&h->out);
    f->woken = NULL;
    sim_file_unref(f);
}

static void end(struct plait_sim_process *p, int status)
{
    if (p->exited)
        return;
    p->exited = true;
    p->status = status;
    sim_event_cancel(p->host->sim, &p->event);
    for (size_t i = 0; i < p->held_count; i++)
        release_file(&p->held[i]);
    sim_say(p->host->sim, "process %d of host %s ends with %d", p->pid, p->host->name, status);
    for (size_t fd = 0; fd < p->host->fd_cap; fd++) {
        struct sim_file *f = p->host->fds[fd].file;
        if (f && strcmp(f->ops->name, "pidfd") == 0 && SIM_OF(f, struct pidfd, file)->process == p)
            sim_wake(f, SIM_IN);
    }
}

static void soon(struct plait_sim_process *p)
{
    if (!p->exited && p->event.pos == 0)
        (void)sim_event_add(p->host->sim, &p->event, p->host->sim->now);
}

static void file_woken(struct sim_file *f, uint32_t key, void *ctx)
{
    (void)f;
    (void)key;
    soon(ctx);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void flush(struct plait_sim_process *p, struct held *h)
{
    while (h->file && h->out.len) {
        struct iovec iov = {.iov_base = h->out.ptr + h->out.at, .iov_len = h->out.len};
        struct sim_io io;
        (void)sim_io_begin(&io, &iov, 1, PLAIT_SYS_write);
        ssize_t res = h->file->ops->write ? h->file->ops->write(h->file, &io) : -EBADF;
        if (res == -EAGAIN)
            return;
        if (res < 0) {
            end(p, res == -EPIPE ? -SIGPIPE : 1);
            return;
        }
        sim_ring_drop(&h->out, (size_t)res);
    }
    if (h->closing)
        release_file(h);
}

static void read_input(struct plait_sim_process *p, struct held *h)
{
    uint8_t bytes[4096];
    bool reads = p->program->input && h->file && h->file->ops->read && (h->file->flags & O_ACCMODE) != O_WRONLY;
    while (reads && h->file && !h->input_over && !p->exited && !p->exiting) {
        struct iovec iov = {.iov_base = bytes, .iov_len = sizeof bytes};
        struct sim_io io;
        (void)sim_io_begin(&io, &iov, 1, PLAIT_SYS_read);
        ssize_t res = h->file->ops->read(h->file, &io);
        if (res == -EAGAIN)
            return;
        h->input_over = res <= 0;
        p->program->input(p, h->fd, plait_slice_of(bytes, res > 0 ? (size_t)res : 0), p->ctx);
    }
}

static void run(struct plait_sim *sim, struct sim_event *event)
{
    struct plait_sim_process *p = SIM_OF(event, struct plait_sim_process, event);
    bool waits = false;
    (void)sim;
    p->refs++;
    if (!p->started && p->program->start)
        p->program->start(p, p->ctx);
    p->started = true;
    for (size_t i = 0; i < p->held_count && !p->exited; i++) {
        read_input(p, &p->held[i]);
        flush(p, &p->held[i]);
    }
    for (size_t i = 0; i < p->held_count; i++)
        waits = waits || p->held[i].out.len;
    if (p->exiting && !waits)
        end(p, p->status);
    process_unref(p);
}

/* --- spawn -------------------------------------------------------------------------------------------------------- */

static bool copy_texts(struct plait_sim_process *p, const char *const *from)
{
    struct plait_budget *budget = &p->host->sim->budget;
    for (; from && *from; from++) {
        char **fresh = plait_mem_resize(budget, p->texts, (p->text_count + 1) * sizeof *fresh);
        if (!fresh)
            return false;
        p->texts = fresh;
        p->texts[p->text_count] = plait_mem_text(budget, *from, strlen(*from));
        if (!p->texts[p->text_count])
            return false;
        p->text_count++;
    }
    return true;
}

static int map_files(struct plait_sim_process *p, const struct plait_sys_spawn *spawn)
{
    p->held = plait_mem_new(&p->host->sim->budget, (spawn->map_count + 1) * sizeof *p->held);
    if (!p->held)
        return -ENOMEM;
    for (size_t i = 0; i < spawn->map_count; i++) {
        struct sim_file *f = sim_fd_file(p->host, spawn->map[i].parent_fd);
        if (spawn->map[i].parent_fd < 0)
            continue; /* /dev/null: says nothing, keeps nothing */
        if (!f)
            return -EBADF;
        f->refs++;
        if (!f->woken) {
            f->woken = file_woken;
            f->woken_ctx = p;
        }
        p->held[p->held_count++] = (struct held){.file = f, .fd = spawn->map[i].child_fd};
    }
    return 0;
}

static uint32_t pidfd_poll(struct sim_file *f)
{
    return SIM_OF(f, struct pidfd, file)->process->exited ? SIM_IN : 0;
}

static void pidfd_release(struct sim_file *f)
{
    struct pidfd *own = SIM_OF(f, struct pidfd, file);
    process_unref(own->process);
    plait_mem_free(own);
}

static const struct sim_file_ops pidfd_ops = {
    .name = "pidfd", .polls = true, .poll = pidfd_poll, .release = pidfd_release};

static int pidfd_new(struct plait_sim_process *p)
{
    struct pidfd *own = plait_mem_new(&p->host->sim->budget, sizeof *own);
    if (!own)
        return -ENOMEM;
    sim_file_init(&own->file, p->host, &pidfd_ops, O_RDWR);
    own->process = p;
    p->refs++;
    int fd = sim_fd_new(p->host, &own->file, true);
    if (fd < 0)
        sim_file_unref(&own->file);
    return fd;
}

int sim_do_spawn(struct plait_host *host, const struct plait_sys_spawn *spawn, int *pid)
{
    struct sim_place place;
    int err = sim_path_find(host, AT_FDCWD, spawn->path, 0, &place);
    if (!err && !place.inode)
        err = -ENOENT;
    if (!err && !place.inode->program)
        err = -EACCES;
    struct plait_sim_process *p = err ? NULL : plait_mem_new(&host->sim->budget, sizeof *p);
    if (!p)
        return err ? err : -ENOMEM;
    p->host = host;
    p->program = place.inode->program;
    p->ctx = place.inode->program_ctx;
    p->refs = 1;
    p->pid = ++host->next_pid;
    p->event.fire = run;
    sim_list_init(&p->link);
    bool copied = copy_texts(p, spawn->argv);
    p->arg_count = p->text_count;
    copied = copied && copy_texts(p, spawn->env);
    err = copied ? map_files(p, spawn) : -ENOMEM;
    int fd = err ? err : pidfd_new(p);
    if (fd < 0) {
        end(p, 127);
        process_unref(p);
        return fd;
    }
    sim_list_add(&host->processes, &p->link);
    soon(p);
    *pid = p->pid;
    return fd;
}

static struct plait_sim_process *process_of(struct plait_host *host, int fd, int *err)
{
    struct sim_file *f = sim_fd_file(host, fd);
    *err = !f ? -EBADF : f->ops != &pidfd_ops ? -EINVAL : 0;
    return *err ? NULL : SIM_OF(f, struct pidfd, file)->process;
}

int sim_do_reap(struct plait_host *host, int pidfd, int *status)
{
    int err;
    struct plait_sim_process *p = process_of(host, pidfd, &err);
    if (err)
        return err;
    if (!p->exited)
        return -EAGAIN;
    if (sim_list_empty(&p->link))
        return -ECHILD;
    *status = p->status;
    sim_list_del(&p->link);
    process_unref(p);
    return 0;
}

static void hear(struct plait_sim_process *p, int signo)
{
    if (signo == 0 || p->exited)
        return;
    if (signo != SIGKILL && p->program->signal)
        p->program->signal(p, signo, p->ctx);
    else
        end(p, -signo);
}

int sim_do_pidfd_signal(struct plait_host *host, int pidfd, int signo)
{
    int err;
    struct plait_sim_process *p = process_of(host, pidfd, &err);
    if (err)
        return err;
    if (signo < 0 || signo > 64)
        return -EINVAL;
    if (sim_list_empty(&p->link))
        return -ESRCH;
    hear(p, signo);
    return 0;
}

/* A process here makes no others, so its group is itself. */
int sim_do_group_signal(struct plait_host *host, int leader, int signo)
{
    if (signo < 0 || signo > 64)
        return -EINVAL;
    for (struct sim_link *at = host->processes.next; at != &host->processes; at = at->next) {
        struct plait_sim_process *p = SIM_OF(at, struct plait_sim_process, link);
        if (p->pid == leader) {
            hear(p, signo);
            return 0;
        }
    }
    return -ESRCH;
}

void sim_processes_free(struct plait_host *host)
{
    while (!sim_list_empty(&host->processes)) {
        struct plait_sim_process *p = SIM_OF(host->processes.next, struct plait_sim_process, link);
        end(p, -SIGKILL);
        sim_list_del(&p->link);
        process_unref(p);
    }
}

/* --- what a program may do ---------------------------------------------------------------------------------------- */

static struct held *held_of(struct plait_sim_process *p, int fd)
{
    for (size_t i = 0; i < p->held_count; i++) {
        if (p->held[i].fd == fd && p->held[i].file && !p->held[i].closing)
            return &p->held[i];
    }
    return NULL;
}

void plait_sim_process_write(struct plait_sim_process *process, int fd, plait_slice bytes)
{
    struct held *h = held_of(process, fd);
    if (h && !process->exited && !sim_ring_put(process->host->sim, &h->out, bytes.ptr, bytes.len))
        sim_out_of_memory(process->host->sim);
    soon(process);
}

void plait_sim_process_close(struct plait_sim_process *process, int fd)
{
    struct held *h = held_of(process, fd);
    if (h)
        h->closing = true;
    soon(process);
}

void plait_sim_process_exit(struct plait_sim_process *process, int status)
{
    if (process->exited)
        return;
    process->exiting = true;
    process->status = status;
    soon(process);
}

const char *plait_sim_process_arg(const struct plait_sim_process *process, size_t index)
{
    return index < process->arg_count ? process->texts[index] : NULL;
}

const char *plait_sim_process_env(const struct plait_sim_process *process, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = process->arg_count; i < process->text_count; i++) {
        if (strncmp(process->texts[i], name, len) == 0 && process->texts[i][len] == '=')
            return process->texts[i] + len + 1;
    }
    return NULL;
}

static void cat_input(struct plait_sim_process *process, int fd, plait_slice bytes, void *ctx)
{
    (void)ctx;
    if (fd != 0)
        return;
    if (bytes.len)
        plait_sim_process_write(process, 1, bytes);
    else
        plait_sim_process_exit(process, 0);
}

const struct plait_sim_program *plait_sim_program_cat(void)
{
    static const struct plait_sim_program cat = {.input = cat_input};
    return &cat;
}

plait_err plait_host_add_program(struct plait_host *host, const char *path, const struct plait_sim_program *program,
                                 void *ctx)
{
    struct sim_inode *inode;
    PLAIT_TRY(sim_host_write(host, path, PLAIT_LIT("#!"), &inode));
    inode->mode = S_IFREG | 0755;
    inode->program = program;
    inode->program_ctx = ctx;
    return PLAIT_OK;
}
