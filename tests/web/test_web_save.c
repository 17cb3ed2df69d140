/* SPDX-License-Identifier: MIT
 *
 * Files that are written as they come: names, whole or nothing, disks that fail, uploads of forms.
 */
#include "tests/web/http_world.h"

#include "engine/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct peer p;
static char folder[TEST_PATH_BYTES];

/* A kernel whose jobs run in the loop, and whose calls on files fail as told. */
struct disk {
    struct plait_sys sys;
    struct plait_sys_ops ops;
    bool no_write, full, no_sync, no_rename, no_random, short_writes;
    int no_open; /* the n-th from now on */
};

static struct disk disk;

static ssize_t disk_pwrite(struct plait_sys *sys, int fd, const void *buf, size_t len, off_t offset)
{
    (void)sys;
    if (disk.no_write)
        return -EIO;
    if (disk.full)
        return 0;
    if (disk.short_writes && len > 1000)
        len = 1000;
    return plait__sys_kernel()->ops->pwrite(plait__sys_kernel(), fd, buf, len, offset);
}

static int disk_fsync(struct plait_sys *sys, int fd)
{
    (void)sys;
    return disk.no_sync ? -EIO : plait__sys_kernel()->ops->fsync(plait__sys_kernel(), fd);
}

static int disk_renameat(struct plait_sys *sys, int from_dir, const char *from, int to_dir, const char *to)
{
    (void)sys;
    return disk.no_rename ? -EACCES
                          : plait__sys_kernel()->ops->renameat(plait__sys_kernel(), from_dir, from, to_dir, to);
}

static int disk_openat2(struct plait_sys *sys, int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
    (void)sys;
    if (disk.no_open > 0 && --disk.no_open == 0)
        return -EACCES;
    return plait__sys_kernel()->ops->openat2(plait__sys_kernel(), dirfd, path, flags, mode, resolve);
}

static ssize_t disk_getrandom(struct plait_sys *sys, void *buf, size_t len)
{
    (void)sys;
    return disk.no_random ? -EIO : plait__sys_kernel()->ops->getrandom(plait__sys_kernel(), buf, len);
}

static int64_t soon_enough(struct plait_sys *sys)
{
    (void)sys;
    return 1;
}

static void disk_open(struct world *w)
{
    static const struct plait_log_options quiet = {.level = PLAIT_LOG_OFF, .sink = quiet_line};
    memset(&disk, 0, sizeof(disk));
    disk.ops = *plait__sys_kernel()->ops;
    disk.sys.ops = &disk.ops;
    disk.ops.pwrite = disk_pwrite;
    disk.ops.fsync = disk_fsync;
    disk.ops.renameat = disk_renameat;
    disk.ops.openat2 = disk_openat2;
    disk.ops.getrandom = disk_getrandom;
    disk.ops.job_delay = soon_enough;
    test_folder_make(folder);
    test_heap_init(&w->heap, 0);
    const struct plait_reactor_options options = {.sys = &disk.sys, .allocator = &w->heap.allocator, .log = &quiet};
    w->r = plait_reactor_new(&options);
    assert_non_null(w->r);
    w->root = plait_resource_new(w->r);
    w->service = NULL;
}

static size_t files_in_folder(void)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static void disk_close(struct world *w)
{
    plait_resource_unref(&w->root);
    if (w->service)
        plait__http_service_unref(w->service);
    plait_reactor_free(&w->r);
    assert_int_equal(w->heap.live, 0);
    test_folder_remove(folder);
}

static void wait_a_while(struct world *w)
{
    for (int i = 0; i < 40; i++)
        assert_ok(plait_reactor_step(w->r, plait_millis(1)));
}

struct ending {
    plait_err err;
    int64_t bytes;
    int calls;
};

static void on_end(struct plait_result *result, void *ctx)
{
    struct ending *e = ctx;
    e->calls++;
    e->err = result->fault.err;
    e->bytes = result->value.num;
    plait_result_set(result, plait_value_num(0));
}

/* Saves `len` bytes under a name, to the end. */
static struct ending save(struct world *w, const char *name, size_t len, bool overwrite)
{
    static char bytes[300000];
    struct ending e = {PLAIT_OK, -1, 0};
    struct plait_save *s;
    memset(bytes, 'x', sizeof(bytes));
    assert_ok(plait_save_begin(w->r, folder, plait_slice_text(name), overwrite, &s));
    plait_save_write(s, plait_slice_of(bytes, len / 2));
    wait_a_while(w);
    plait_save_write(s, plait_slice_of(bytes, len - len / 2));
    assert_ok(plait_then(plait_save_end(&s), on_end, &e));
    assert_null(s);
    wait_a_while(w);
    assert_int_equal(e.calls, 1);
    return e;
}

static size_t size_of(const char *name)
{
    char path[TEST_PATH_BYTES + 300];
    struct stat info;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return stat(path, &info) == 0 ? (size_t)info.st_size : SIZE_MAX;
}

static void files_are_saved_whole(void **state)
{
    struct world w;
    (void)state;
    disk_open(&w);
    disk.short_writes = true;
    assert_int_equal(save(&w, "a.txt", 5000, false).bytes, 5000);
    assert_int_equal(size_of("a.txt"), 5000);
    assert_int_equal(save(&w, "C:\\path\\b.txt", 0, false).bytes, 0);
    assert_int_equal(save(&w, "../../c", 1, false).bytes, 1);
    assert_int_equal(size_of("c"), 1);
    assert_err(save(&w, "a.txt", 1, false).err, PLAIT_EEXISTS);
    assert_int_equal(size_of("a.txt"), 5000);
    assert_int_equal(save(&w, "a.txt", 1, true).bytes, 1);
    assert_int_equal(size_of("a.txt"), 1);
    assert_int_equal(files_in_folder(), 3);
    disk_close(&w);
}

static void names_are_judged(void **state)
{
    char name[201];
    struct plait_save *s;
    struct world w;
    static const char *const wrong[] = {"", ".", "..", ".hidden", "a/", "a/.b", "a\\", "a\nb", "a\177"};
    (void)state;
    disk_open(&w);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++)
        assert_err(plait_save_begin(w.r, folder, plait_slice_text(wrong[i]), false, &s), PLAIT_EINVAL);
    memset(name, 'n', sizeof(name));
    assert_err(plait_save_begin(w.r, folder, plait_slice_of(name, 201), false, &s), PLAIT_EINVAL);
    assert_ok(plait_save_begin(w.r, folder, plait_slice_of(name, 200), false, &s));
    assert_int_equal(strlen(plait_save_name(s)), 200);
    plait_save_abort(&s);
    assert_null(s);
    plait_save_abort(&s);
    assert_err(plait_save_begin(w.r, "/nowhere/at/all", PLAIT_LIT("a"), false, &s), PLAIT_ENOTFOUND);
    assert_null(s);
    disk.no_random = true;
    assert_err(plait_save_begin(w.r, folder, PLAIT_LIT("a"), false, &s), PLAIT_EIO);
    disk.no_random = false;
    wait_a_while(&w);
    disk_close(&w);
}

static void a_disk_that_fails_leaves_nothing(void **state)
{
    struct world w;
    (void)state;
    disk_open(&w);
    disk.no_write = true;
    assert_err(save(&w, "a", 100, false).err, PLAIT_EIO);
    disk.no_write = false;
    disk.full = true;
    assert_err(save(&w, "a", 100, false).err, PLAIT_ENOSPACE);
    disk.full = false;
    disk.no_sync = true;
    assert_err(save(&w, "a", 100, false).err, PLAIT_EIO);
    disk.no_sync = false;
    disk.no_rename = true;
    assert_err(save(&w, "a", 100, false).err, PLAIT_EACCESS);
    disk.no_rename = false;
    disk.no_open = 2;
    assert_err(save(&w, "a", 100, false).err, PLAIT_EACCESS);
    assert_int_equal(files_in_folder(), 0);
    assert_int_equal(save(&w, "a", 100, false).bytes, 100);
    disk_close(&w);
}

static int rooms;

static void on_room(void *ctx)
{
    (void)ctx;
    rooms++;
}

static void much_waits_and_is_told(void **state)
{
    static char bytes[128 << 10];
    struct ending e = {PLAIT_OK, -1, 0};
    struct plait_save *s;
    struct world w;
    (void)state;
    disk_open(&w);
    for (int heard = 0; heard < 2; heard++) {
        rooms = 0;
        assert_ok(plait_save_begin(w.r, folder, PLAIT_LIT("a"), true, &s));
        plait_save_write(s, plait_slice_of(bytes, sizeof(bytes) - 1));
        assert_false(plait_save_is_full(s));
        plait_save_write(s, PLAIT_LIT("x"));
        assert_true(plait_save_is_full(s));
        if (heard)
            plait_save_room(s, on_room, NULL);
        wait_a_while(&w);
        assert_int_equal(rooms, heard);
        assert_false(plait_save_is_full(s));
        e.calls = 0;
        assert_ok(plait_then(plait_save_end(&s), on_end, &e));
        wait_a_while(&w);
        assert_int_equal(e.bytes, sizeof(bytes));
    }
    /* aborted, cancelled, and left to the end of the reactor */
    assert_ok(plait_save_begin(w.r, folder, PLAIT_LIT("b"), false, &s));
    plait_save_write(s, PLAIT_LIT("x"));
    wait_a_while(&w);
    plait_save_abort(&s);
    wait_a_while(&w);
    assert_ok(plait_save_begin(w.r, folder, PLAIT_LIT("b"), false, &s));
    struct plait_deferred *d = plait_save_end(&s);
    assert_ok(plait_then(d, on_end, &e));
    plait_deferred_cancel(d);
    wait_a_while(&w);
    assert_err(e.err, PLAIT_ECANCELLED);
    assert_int_equal(files_in_folder(), 1);
    assert_ok(plait_save_begin(w.r, folder, PLAIT_LIT("b"), false, &s));
    plait_save_write(s, PLAIT_LIT("x"));
    for (int i = 0; i < 2; i++)
        assert_ok(plait_reactor_step(w.r, 0));
    assert_ok(plait_then(plait_save_end(&s), on_end, &e));
    disk_close(&w);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct plait_save *s;
        struct ending e = {PLAIT_OK, -1, 0};
        struct world w;
        disk_open(&w);
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        if (plait_save_begin(w.r, folder, PLAIT_LIT("a"), false, &s) == PLAIT_OK) {
            plait_save_write(s, PLAIT_LIT("hello"));
            wait_a_while(&w);
            plait_save_write(s, PLAIT_LIT("hello"));
            plait_save_write(s, PLAIT_LIT("hello"));
            struct plait_deferred *d = plait_save_end(&s);
            if (plait_then(d, on_end, &e) == PLAIT_OK)
                wait_a_while(&w);
        }
        wait_a_while(&w);
        failed = w.heap.calls >= at;
        assert_int_equal(files_in_folder(), e.calls == 1 && e.err == PLAIT_OK);
        disk_close(&w);
        assert_true(k < 100);
    }
}

/* --- uploads ------------------------------------------------------------------------------------------------------ */

static int told;

static void uploaded(struct plait_request *req, const struct plait_uploaded *file, plait_err err, void *ctx)
{
    char text[400] = "";
    (void)ctx;
    told++;
    for (; file; file = file->next) {
        const size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "%.*s=%.*s(%llu) ", PLAIT_ARG(file->field),
                       PLAIT_ARG(file->name), (unsigned long long)file->bytes);
    }
    if (err)
        plait_reply_refusal(req, err);
    else
        plait_reply_text(req, 201, text);
}

static void take_upload(struct plait_request *req, void *ctx)
{
    const struct plait_upload_options options = {.overwrite = true};
    if (ctx)
        assert_non_null(plait_request_memory(req, 512)); /* the rest comes from the heap */
    (void)plait_request_upload(req, folder, ctx ? &options : NULL, uploaded, ctx);
}

#define POST(length)                                                                                                   \
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: " length "\r\n\r"  \
    "\n"
#define PART(name) "--b\r\nContent-Disposition: form-data; name=f; filename=\"" name "\"\r\n\r\n"
#define FIELD "--b\r\nContent-Disposition: form-data; name=x\r\n\r\nvalue\r\n"

static void send_form(struct world *w, const char *body)
{
    static char text[4000];
    (void)snprintf(text, sizeof(text),
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: "
                   "%zu\r\n\r\n%s",
                   strlen(body), body);
    peer_open(w, &p);
    peer_send(w, &p, text);
    wait_a_while(w);
    peer_close(w, &p);
}

static void forms_with_files_are_saved(void **state)
{
    struct world w;
    (void)state;
    disk_open(&w);
    struct plait_resource *again = plait_resource_new(w.r);
    assert_ok(plait_resource_on(w.root, "POST", "", take_upload, NULL));
    plait_resource_unref(&again);
    w.service = plait__http_service_new(plait_resource_ref(w.root), NULL);
    send_form(&w, PART("one") "1\r\n" FIELD PART("") "\r\n" PART("two") "22\r\n--b--");
    assert_string_equal(body_of(&p), "f=two(2) f=one(1) ");
    assert_int_equal(size_of("two"), 2);
    send_form(&w, PART("three") "3\r\n" PART("one") "1\r\n--b--");
    assert_int_equal(status_of(&p), 409);
    assert_int_equal(files_in_folder(), 3);
    send_form(&w, PART("four") "44444\r\n" PART(".five") "1\r\n--b--");
    assert_int_equal(status_of(&p), 400);
    peer_open(&w, &p);
    peer_send(&w, &p, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(status_of(&p), 415);
    peer_close(&w, &p);
    send_form(&w, PART("six") "half");
    assert_int_equal(status_of(&p), 400);
    wait_a_while(&w);
    assert_int_equal(files_in_folder(), 4);
    assert_int_equal(size_of("four"), 5);
    disk_close(&w);
}

static void much_is_slowed_to_the_disk(void **state)
{
    static char block[50000];
    struct world w;
    (void)state;
    disk_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", take_upload, &w));
    w.service = plait__http_service_new(plait_resource_ref(w.root), NULL);
    memset(block, 'x', sizeof(block) - 1);
    peer_open(&w, &p);
    peer_send(&w, &p, POST("600070") PART("big"));
    for (int i = 0; i < 12; i++) {
        if (p.stream)
            plait_write(p.stream, plait_slice_of(block, 50000));
    }
    peer_send(&w, &p, "\r\n--b--");
    for (int i = 0; i < 10 && !p.len; i++)
        wait_a_while(&w);
    assert_int_equal(size_of("big"), 600000);
    peer_close(&w, &p);
    disk_close(&w);
}

static void a_client_that_leaves_leaves_nothing(void **state)
{
    struct world w;
    (void)state;
    told = 0;
    disk_open(&w);
    assert_ok(plait_resource_on(w.root, "POST", "", take_upload, NULL));
    w.service = plait__http_service_new(plait_resource_ref(w.root), NULL);
    /* in the middle of a part */
    peer_open(&w, &p);
    peer_send(&w, &p, POST("500") PART("a") "half");
    wait_a_while(&w);
    peer_close(&w, &p);
    wait_a_while(&w);
    assert_int_equal(files_in_folder(), 0);
    /* while its last file is being finished */
    peer_open(&w, &p);
    peer_send(&w, &p, POST("69") PART("a") "1\r\n--b--");
    peer_close(&w, &p);
    wait_a_while(&w);
    assert_int_equal(files_in_folder(), 0);
    assert_int_equal(told, 0);
    /* it only closes its side: it gets its answer */
    peer_open(&w, &p);
    plait_write(p.stream, PLAIT_LIT(POST("69") PART("a") "1\r\n--b--"));
    plait_close_write(p.stream);
    spin(&w);
    wait_a_while(&w);
    assert_int_equal(status_of(&p), 201);
    peer_close(&w, &p);
    disk_close(&w);
}

static void uploads_outlive_failing_memory(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct world w;
        disk_open(&w);
        assert_ok(plait_resource_on(w.root, "POST", "", take_upload, &w));
        w.service = plait__http_service_new(plait_resource_ref(w.root), NULL);
        peer_open(&w, &p);
        const uint64_t at = w.heap.calls + k;
        w.heap.fail_at = at;
        peer_send(&w, &p, POST("219") PART("first name") "1\r\n" PART("second name") "2\r\n" PART("third") "\r\n--b--");
        wait_a_while(&w);
        failed = w.heap.calls >= at;
        w.heap.fail_at = 0;
        peer_close(&w, &p);
        wait_a_while(&w);
        disk_close(&w);
        assert_true(k < 200);
    }
}

TEST_MAIN(cmocka_unit_test(files_are_saved_whole), cmocka_unit_test(names_are_judged),
          cmocka_unit_test(a_disk_that_fails_leaves_nothing), cmocka_unit_test(much_waits_and_is_told),
          cmocka_unit_test(every_allocation_may_fail), cmocka_unit_test(forms_with_files_are_saved),
          cmocka_unit_test(much_is_slowed_to_the_disk), cmocka_unit_test(a_client_that_leaves_leaves_nothing),
          cmocka_unit_test(uploads_outlive_failing_memory))
