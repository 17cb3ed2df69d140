/* SPDX-License-Identifier: MIT
 *
 * epoll, as the kernel's eventpoll.c does it: a wake-up puts an item on the ready list if its key meets the item's
 * events; waiting takes items off the list, asks the file what holds now, and puts level-triggered ones back. Edges,
 * levels and EPOLLONESHOT follow from that alone, the odd cases too (an edge for input reports output as well when
 * there is room).
 *
 * Invariant: an item is known by file and descriptor; it goes with the last reference to the file, not with the
 * descriptor. Tests: tests/sim/test_epoll.c, and the differential test.
 */
#include "sim/sim_epoll.h"

#include <fcntl.h>

#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

struct sim_epoll {
    struct sim_file file;
    struct sim_link items, ready;
};

struct item {
    struct sim_link in_epoll, in_ready, in_watchers;
    struct sim_epoll *epoll;
    struct sim_file *file;
    int fd;
    bool queued;
    struct epoll_event event;
};

static uint32_t epoll_poll(struct sim_file *f);
static void epoll_release(struct sim_file *f);

static const struct sim_file_ops epoll_ops = {
    .name = "epoll",
    .polls = true,
    .poll = epoll_poll,
    .release = epoll_release,
};

bool sim_is_epoll(const struct sim_file *f)
{
    return f->ops == &epoll_ops;
}

static struct sim_epoll *epoll_of(struct sim_file *f)
{
    return SIM_OF(f, struct sim_epoll, file);
}

static void enqueue(struct item *item)
{
    if (item->queued)
        return;
    item->queued = true;
    sim_list_add(&item->epoll->ready, &item->in_ready);
    sim_wake(&item->epoll->file, SIM_IN);
    sim_host_touch(item->epoll->file.host);
}

static void dequeue(struct item *item)
{
    item->queued = false;
    sim_list_del(&item->in_ready);
}

void sim_wake(struct sim_file *f, uint32_t key)
{
    for (struct sim_link *at = f->watchers.next; at != &f->watchers; at = at->next) {
        struct item *item = SIM_OF(at, struct item, in_watchers);
        if (!(item->event.events & ~PRIVATE_BITS))
            continue; /* used up by EPOLLONESHOT */
        if (key && !(key & item->event.events))
            continue;
        enqueue(item);
    }
    if (f->woken)
        f->woken(f, key, f->woken_ctx);
}

static uint32_t item_now(const struct item *item)
{
    return item->file->ops->poll(item->file) & item->event.events;
}

static void item_free(struct item *item)
{
    sim_list_del(&item->in_epoll);
    sim_list_del(&item->in_watchers);
    sim_list_del(&item->in_ready);
    plait_mem_free(item);
}

void sim_epoll_forget(struct sim_file *f)
{
    while (!sim_list_empty(&f->watchers))
        item_free(SIM_OF(f->watchers.next, struct item, in_watchers));
}

static void epoll_release(struct sim_file *f)
{
    struct sim_epoll *ep = epoll_of(f);
    while (!sim_list_empty(&ep->items))
        item_free(SIM_OF(ep->items.next, struct item, in_epoll));
    plait_mem_free(ep);
}

/* Whether one item on the ready list is ready indeed; those that are not leave the list, as the kernel has them do. */
static uint32_t epoll_poll(struct sim_file *f)
{
    struct sim_epoll *ep = epoll_of(f);
    uint32_t ready = 0;
    while (!ready && !sim_list_empty(&ep->ready)) {
        struct item *item = SIM_OF(ep->ready.next, struct item, in_ready);
        if (item_now(item))
            ready = SIM_IN;
        else
            dequeue(item);
    }
    return ready;
}

bool sim_epoll_is_ready(struct sim_file *f)
{
    return epoll_poll(f) != 0;
}

int sim_do_epoll_create1(struct plait_host *host, int flags)
{
    if (flags & ~EPOLL_CLOEXEC)
        return -EINVAL;
    struct sim_epoll *ep = plait_mem_new(&host->sim->budget, sizeof *ep);
    if (!ep)
        return -ENOMEM;
    sim_file_init(&ep->file, host, &epoll_ops, O_RDWR);
    sim_list_init(&ep->items);
    sim_list_init(&ep->ready);
    int fd = sim_fd_new(host, &ep->file, (flags & EPOLL_CLOEXEC) != 0);
    if (fd < 0)
        sim_file_unref(&ep->file);
    return fd;
}

static struct item *find(struct sim_epoll *ep, const struct sim_file *f, int fd)
{
    for (struct sim_link *at = f->watchers.next; at != &f->watchers; at = at->next) {
        struct item *item = SIM_OF(at, struct item, in_watchers);
        if (item->epoll == ep && item->fd == fd)
            return item;
    }
    return NULL;
}

/* What already holds is reported: ADD and MOD look at once. */
static void look(struct item *item)
{
    if (item_now(item))
        enqueue(item);
}

/* Whether an epoll watches another, or one that does. */
static bool watches(struct sim_epoll *ep, const struct sim_file *other)
{
    for (struct sim_link *at = ep->items.next; at != &ep->items; at = at->next) {
        struct sim_file *f = SIM_OF(at, struct item, in_epoll)->file;
        if (f == other || (sim_is_epoll(f) && watches(epoll_of(f), other)))
            return true;
    }
    return false;
}

static int item_add(struct sim_epoll *ep, struct sim_file *f, int fd, const struct epoll_event *event)
{
    if (sim_is_epoll(f) && watches(epoll_of(f), &ep->file))
        return -ELOOP;
    struct item *item = plait_mem_new(&ep->file.host->sim->budget, sizeof *item);
    if (!item)
        return -ENOMEM;
    item->epoll = ep;
    item->file = f;
    item->fd = fd;
    item->event = *event;
    item->event.events |= EPOLLERR | EPOLLHUP;
    sim_list_init(&item->in_ready);
    sim_list_add(&ep->items, &item->in_epoll);
    sim_list_add(&f->watchers, &item->in_watchers);
    look(item);
    return 0;
}

#define EXCLUSIVE_MAY (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

/* EPOLLEXCLUSIVE is said when a descriptor is added, with few other events, and never of an epoll. */
static bool exclusive_fits(const struct sim_file *target, int op, const struct epoll_event *event)
{
    if (op == EPOLL_CTL_DEL || !(event->events & EPOLLEXCLUSIVE))
        return true;
    return op == EPOLL_CTL_ADD && !sim_is_epoll(target) && !(event->events & ~(uint32_t)EXCLUSIVE_MAY);
}

static int item_modify(struct item *item, const struct epoll_event *event)
{
    if (item->event.events & EPOLLEXCLUSIVE)
        return -EINVAL;
    item->event = *event;
    item->event.events |= EPOLLERR | EPOLLHUP;
    look(item);
    return 0;
}

int sim_do_epoll_ctl(struct plait_host *host, int epfd, int op, int fd, const struct epoll_event *event)
{
    struct sim_file *f = sim_fd_file(host, epfd), *target = sim_fd_file(host, fd);
    if (!f || !target)
        return -EBADF;
    if (!target->ops->polls)
        return -EPERM;
    if (f == target || !sim_is_epoll(f) || !exclusive_fits(target, op, event))
        return -EINVAL;
    struct sim_epoll *ep = epoll_of(f);
    struct item *item = find(ep, target, fd);
    switch (op) {
    case EPOLL_CTL_ADD:
        return item ? -EEXIST : item_add(ep, target, fd, event);
    case EPOLL_CTL_DEL:
        if (item)
            item_free(item);
        return item ? 0 : -ENOENT;
    case EPOLL_CTL_MOD:
        return item ? item_modify(item, event) : -ENOENT;
    default:
        return -EINVAL;
    }
}

/* Reports one item, or drops it from the list. */
static bool report(struct item *item, struct epoll_event *out)
{
    uint32_t now = item_now(item);
    dequeue(item);
    if (!now)
        return false;
    uint32_t more = item->event.events & (EPOLLIN | EPOLLOUT) & ~now;
    struct plait_host *host = item->file->host;
    if (more && item->file->sock && sim_strikes_at(host->sim, host, PLAIT_SIM_SPURIOUS, 16, PLAIT_SYS_epoll_wait)) {
        sim_strike_tell(host->sim, "epoll says that %d can be %s, which nobody knows", item->fd,
                        more & EPOLLIN ? more & EPOLLOUT ? "read and written" : "read" : "written");
        now |= more;
    }
    out->events = now;
    out->data = item->event.data;
    if (item->event.events & EPOLLONESHOT)
        item->event.events &= PRIVATE_BITS;
    else if (!(item->event.events & EPOLLET))
        enqueue(item);
    return true;
}

int sim_do_epoll_wait(struct plait_host *host, int epfd, struct epoll_event *events, int max)
{
    struct sim_file *f = sim_fd_file(host, epfd);
    struct sim_link batch;
    int count = 0;
    if (!f)
        return -EBADF;
    if (!sim_is_epoll(f) || max <= 0)
        return -EINVAL;
    struct sim_epoll *ep = epoll_of(f);
    sim_list_init(&batch);
    /* Only what is on the list now is asked: level-triggered items that go back to its end come again next time. */
    while (!sim_list_empty(&ep->ready)) {
        struct sim_link *first = ep->ready.next;
        sim_list_del(first);
        sim_list_add(&batch, first);
    }
    while (count < max && !sim_list_empty(&batch))
        count += report(SIM_OF(batch.next, struct item, in_ready), &events[count]);
    /* What found no room stays in front, its order kept. */
    while (!sim_list_empty(&batch)) {
        struct sim_link *last = batch.prev;
        sim_list_del(last);
        sim_list_add(ep->ready.next, last);
    }
    return count;
}
