/* SPDX-License-Identifier: MIT
 *
 * The helpers of tests/support/test.h. Test code only: it calls the system and the C library's heap directly, which
 * src/ may not.
 */
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ftw.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void test_assert_err(plait_err got, plait_err expected, const char *expr, const char *file, int line)
{
    if (got == expected)
        return;
    print_error("%s gave %s, expected %s\n", expr, plait_err_name(got), plait_err_name(expected));
    _fail(file, line);
}

static void print_escaped(const char *label, plait_slice s)
{
    print_error("%s (%zu bytes): \"", label, s.len);
    for (size_t i = 0; i < s.len && i < 512; i++) {
        if (s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f)
            print_error("%c", s.ptr[i]);
        else
            print_error("\\x%02x", s.ptr[i]);
    }
    print_error("\"%s\n", s.len > 512 ? " ..." : "");
}

void test_assert_slice(plait_slice got, plait_slice expected, const char *expr, const char *file, int line)
{
    if (got.len == expected.len && (got.len == 0 || memcmp(got.ptr, expected.ptr, got.len) == 0))
        return;
    print_escaped(expr, got);
    print_escaped("expected", expected);
    _fail(file, line);
}

uint64_t test_seed(void)
{
    const char *text = getenv("TEST_SEED");
    return text ? strtoull(text, NULL, 10) : 1;
}

uint64_t test_seeds(uint64_t usual)
{
    const char *text = getenv("TEST_SEEDS");
    return text ? strtoull(text, NULL, 10) : usual;
}

struct test_random test_random_of(uint64_t seed)
{
    struct test_random random = {seed};
    return random;
}

/* splitmix64 */
uint64_t test_random_u64(struct test_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t test_random_below(struct test_random *random, uint64_t below)
{
    return test_random_u64(random) % below;
}

size_t test_cut_next(struct test_cut *cut)
{
    size_t left = cut->total - cut->at;
    size_t piece = cut->fixed;
    if (left == 0)
        return 0;
    if (piece == 0) {
        /* mostly short pieces, now and then a long one */
        uint64_t most = test_random_below(&cut->random, 4) == 0 ? left : 8;
        piece = 1 + test_random_below(&cut->random, most);
    }
    if (piece > left)
        piece = left;
    cut->at += piece;
    return piece;
}

static void run_cut(plait_slice input, size_t fixed, uint64_t seed, test_cut_fn run, void *ctx)
{
    struct test_cut cut = {.total = input.len, .fixed = fixed, .random = test_random_of(seed)};
    if (fixed == 1)
        (void)snprintf(cut.name, sizeof(cut.name), "byte by byte");
    else if (fixed)
        (void)snprintf(cut.name, sizeof(cut.name), "whole");
    else
        (void)snprintf(cut.name, sizeof(cut.name), "split with seed %" PRIu64, seed);
    run(input, &cut, ctx);
    if (cut.at != cut.total)
        fail_msg("%s: the codec was fed %zu of %zu bytes", cut.name, cut.at, cut.total);
}

void test_every_cut(plait_slice input, unsigned rounds, test_cut_fn run, void *ctx)
{
    run_cut(input, input.len ? input.len : 2, 0, run, ctx);
    run_cut(input, 1, 0, run, ctx);
    for (unsigned i = 0; i < rounds; i++)
        run_cut(input, 0, test_seed() + i, run, ctx);
}

static bool heap_refuses(struct test_heap *heap)
{
    heap->calls++;
    if (heap->fail_at == 0)
        return false;
    return heap->calls == heap->fail_at || (heap->fail_after && heap->calls > heap->fail_at);
}

static void *heap_resize(void *ptr, size_t bytes, void *ctx)
{
    struct test_heap *heap = ctx;
    if (bytes == 0) {
        heap->live -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    if (heap_refuses(heap))
        return NULL;
    void *fresh = realloc(ptr, bytes);
    heap->live += fresh && !ptr;
    return fresh;
}

void test_heap_init(struct test_heap *heap, uint64_t fail_at)
{
    *heap = (struct test_heap){.allocator = {heap_resize, heap}, .fail_at = fail_at};
}

size_t test_open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count - 1; /* the folder itself */
}

void test_folder_make(char *path)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(path, TEST_PATH_BYTES, "%s/plait-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        fail_msg("mkdtemp %s: %s", path, strerror(errno));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void test_folder_remove(const char *path)
{
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void test_file_write(const char *folder, const char *name, plait_slice content)
{
    char path[TEST_PATH_BYTES * 2];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    if (!out)
        fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(fwrite(content.ptr, 1, content.len, out), content.len);
    assert_int_equal(fclose(out), 0);
}

uint16_t test_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}
