/* SPDX-License-Identifier: MIT
 *
 * The HTTP client beside libcurl's multi interface (over epoll, by its socket interface, as its fastest users have it):
 * 1,000 fetches of one small page at once, each on a connection of its own that is kept from round to round. Prints the
 * CPU time a fetch of both, in nanoseconds, for each round.
 *
 * fetch URL ROUNDS
 */
#include <plait/http.h>

#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { FETCHES = 1000 };

static double cpu_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void must(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fetch: %s\n", what);
    exit(1);
}

/* --- ours -------------------------------------------------------------------------------------------------------- */

struct ours {
    struct plait_reactor *r;
    struct plait_http_client *client;
    size_t left;
};

static plait_err drop_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    (void)response;
    *(size_t *)ctx += piece.len;
    return PLAIT_OK;
}

static void note_end(struct plait_result *result, void *ctx)
{
    struct ours *ours = ctx;
    must(result->fault.err == PLAIT_OK && plait_response_status(result->value.ptr) == 200, "a fetch of ours failed");
    ours->left--;
}

static double ours_round(struct ours *ours, const char *url)
{
    size_t bytes = 0;
    const struct plait_fetch_options options = {.data = drop_piece, .ctx = &bytes, .no_decoding = true};
    const double before = cpu_now();
    ours->left = FETCHES;
    for (size_t i = 0; i < FETCHES; i++)
        must(plait_then(plait_http_fetch(ours->client, url, &options), note_end, ours) == PLAIT_OK, "no memory");
    while (ours->left > 0)
        must(plait_reactor_step(ours->r, PLAIT_NEVER) == PLAIT_OK, "the reactor failed");
    must(bytes > 0, "nothing came");
    return (cpu_now() - before) / FETCHES;
}

/* --- libcurl's --------------------------------------------------------------------------------------------------- */

struct curls {
    CURLM *multi;
    CURL *easy[FETCHES];
    int epoll;
    long wait_ms;
    int running;
    size_t bytes;
};

static size_t drop_bytes(char *ptr, size_t size, size_t count, void *ctx)
{
    (void)ptr;
    *(size_t *)ctx += size * count;
    return size * count;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct curls *curls = ctx;
    struct epoll_event event = {.events = 0, .data = {.fd = fd}};
    (void)easy;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(curls->epoll, EPOLL_CTL_DEL, fd, NULL), 0;
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    epoll_ctl(curls->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    curl_multi_assign(curls->multi, fd, curls);
    return 0;
}

static int on_timer(CURLM *multi, long wait_ms, void *ctx)
{
    (void)multi;
    ((struct curls *)ctx)->wait_ms = wait_ms;
    return 0;
}

static void curls_open(struct curls *curls, const char *url)
{
    curls->epoll = epoll_create1(EPOLL_CLOEXEC);
    curls->multi = curl_multi_init();
    must(curls->epoll >= 0 && curls->multi, "no curl");
    curl_multi_setopt(curls->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(curls->multi, CURLMOPT_SOCKETDATA, curls);
    curl_multi_setopt(curls->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(curls->multi, CURLMOPT_TIMERDATA, curls);
    curl_multi_setopt(curls->multi, CURLMOPT_MAXCONNECTS, (long)FETCHES);
    for (size_t i = 0; i < FETCHES; i++) {
        curls->easy[i] = curl_easy_init();
        must(curls->easy[i] != NULL, "no handle of curl's");
        curl_easy_setopt(curls->easy[i], CURLOPT_URL, url);
        curl_easy_setopt(curls->easy[i], CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curls->easy[i], CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(curls->easy[i], CURLOPT_WRITEFUNCTION, drop_bytes);
        curl_easy_setopt(curls->easy[i], CURLOPT_WRITEDATA, &curls->bytes);
    }
}

static void curls_step(struct curls *curls)
{
    struct epoll_event events[64];
    const int count = epoll_wait(curls->epoll, events, 64, (int)curls->wait_ms);
    if (count == 0)
        curl_multi_socket_action(curls->multi, CURL_SOCKET_TIMEOUT, 0, &curls->running);
    for (int i = 0; i < count; i++) {
        const int what =
            (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
        curl_multi_socket_action(curls->multi, events[i].data.fd, what, &curls->running);
    }
}

static size_t curls_take_ended(struct curls *curls)
{
    size_t ended = 0;
    int left;
    for (CURLMsg *said = curl_multi_info_read(curls->multi, &left); said;
         said = curl_multi_info_read(curls->multi, &left)) {
        long status = 0;
        curl_easy_getinfo(said->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        must(said->data.result == CURLE_OK && status == 200, "a fetch of curl's failed");
        curl_multi_remove_handle(curls->multi, said->easy_handle);
        ended++;
    }
    return ended;
}

static double curls_round(struct curls *curls)
{
    const double before = cpu_now();
    size_t left = FETCHES;
    for (size_t i = 0; i < FETCHES; i++)
        curl_multi_add_handle(curls->multi, curls->easy[i]);
    curl_multi_socket_action(curls->multi, CURL_SOCKET_TIMEOUT, 0, &curls->running);
    while (left > 0) {
        curls_step(curls);
        left -= curls_take_ended(curls);
    }
    return (cpu_now() - before) / FETCHES;
}

static void curls_close(struct curls *curls)
{
    for (size_t i = 0; i < FETCHES; i++)
        curl_easy_cleanup(curls->easy[i]);
    curl_multi_cleanup(curls->multi);
    close(curls->epoll);
}

int main(int argc, char **argv)
{
    static struct curls curls;
    struct ours ours = {.r = plait_reactor_new(NULL)};
    const struct plait_http_client_options options = {.per_origin = FETCHES, .connections = FETCHES};
    must(argc == 3, "usage: fetch URL ROUNDS");
    must(ours.r != NULL, "no memory");
    ours.client = plait_http_client_new(ours.r, &options);
    must(ours.client != NULL, "no memory");
    curl_global_init(CURL_GLOBAL_ALL);
    curls_open(&curls, argv[1]);
    const long rounds = strtol(argv[2], NULL, 10);
    for (long i = 0; i <= rounds; i++) {
        const double mine = ours_round(&ours, argv[1]), theirs = curls_round(&curls);
        if (i > 0) /* the first one makes the connections */
            printf("fetch %.0f %.0f\n", mine, theirs);
    }
    curls_close(&curls);
    plait_http_client_free(&ours.client);
    plait_reactor_free(&ours.r);
    return 0;
}
