/* SPDX-License-Identifier: MIT
 *
 * plait fetch: gets what URLs name, to standard output or files, several at once; sends bodies and files. A progress
 * line is shown where somebody watches, and with --trace each step.
 *
 * Invariant: bytes go out as they come; nothing of a body is kept. A file that did not arrive whole is said to be so.
 * What goes to standard output goes there one URL after the other. Test: tests/program/clients.py.
 */
#include "program/fetch_proxy.h"
#include "program/fetch_show.h"
#include "program/program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIELDS_MAX = 32, URLS_MAX = 100, PARALLEL = 4, PATH_BYTES = 256, DATA_MAX = 16 << 20 };

struct fetches;

/* One URL. */
struct one {
    struct fetches *all;
    const char *url;
    FILE *out;
    char path[PATH_BYTES]; /* empty: standard output */
    uint64_t got, length;
    plait_time began;
    bool unwritable;
};

struct fetches {
    const struct command *command;
    struct plait_reactor *r;
    struct plait_http_client *client;
    struct one one[URLS_MAX];
    size_t count, next, running, parallel;
    const char *path; /* of --output */
    bool own_names;   /* each goes to a file of its URL's last name */
    bool show_head, steps;
    bool resumes; /* --continue */
    int status;
    int upload; /* file to send; -1: none */
    uint64_t upload_bytes;
    struct plait_buf data; /* of --data, read from a file */
    char json[2][40];      /* fields of --json */
    char user[512];        /* of --user; `options` has its two halves */
    const char *jar;
    const char *proxy; /* of --proxy */
    struct proxies proxies;
    struct progress progress;
    struct plait_http_field field[FIELDS_MAX];
    struct plait_upload_source source;
    struct plait_fetch_options options;
};

/* --- what a fetch tells ------------------------------------------------------------------------------------------ */

static void print_head(const struct plait_response *response, void *ctx)
{
    struct one *o = ctx;
    o->length = plait_response_length(response);
    if (o->all->progress.total != PLAIT_LENGTH_UNKNOWN)
        o->all->progress.total = o->length == PLAIT_LENGTH_UNKNOWN ? o->length : o->all->progress.total + o->length;
    if (!o->all->show_head)
        return;
    fprintf(o->out, "%d %s\n", plait_response_status(response), plait_http_reason(plait_response_status(response)));
    for (size_t i = 0; i < plait_response_field_count(response); i++) {
        plait_slice name;
        plait_slice value;
        plait_response_field_at(response, i, &name, &value);
        fprintf(o->out, "%.*s: %.*s\n", PLAIT_ARG(name), PLAIT_ARG(value));
    }
    fputc('\n', o->out);
}

static plait_err note_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct one *o = ctx;
    (void)response;
    o->got += piece.len;
    o->all->progress.got += piece.len;
    show_progress(&o->all->progress, plait_now(o->all->r), false);
    return PLAIT_OK;
}

static plait_err take_piece(const struct plait_response *response, plait_slice piece, void *ctx)
{
    struct one *o = ctx;
    if (fwrite(piece.ptr, 1, piece.len, o->out) != piece.len || fflush(o->out) != 0) {
        o->unwritable = true;
        return PLAIT_ENOSPACE;
    }
    return note_piece(response, piece, ctx);
}

static void note_step(const struct plait_fetch_step *step, void *ctx)
{
    const struct one *o = ctx;
    show_step(step, plait_now(o->all->r) - o->began);
}

static void nothing_to_release(void *ctx)
{
    (void)ctx;
}

static void send_file(struct plait_upload *upload, void *ctx)
{
    const struct fetches *all = ctx;
    plait_upload_file(upload, all->upload, 0, all->upload_bytes, nothing_to_release, NULL);
    plait_upload_end(upload);
}

static bool rewind_file(void *ctx)
{
    (void)ctx;
    return true; /* it is read by offsets */
}

/* --- one after the other, or several at once --------------------------------------------------------------------- */

static void start_more(struct fetches *all);

/* Returns whether all of the output is where it belongs. */
static bool finish_output(struct one *o)
{
    if (o->all->resumes)
        return true; /* the library says it */
    const bool written = fflush(o->out) == 0 && !ferror(o->out) && !o->unwritable;
    return (o->path[0] == '\0' || fclose(o->out) == 0) && written;
}

/* An answer of 4xx or 5xx is a failure, told after its body was shown. */
static int judge(const struct one *o, const struct plait_fault *fault, int answered)
{
    const struct command *command = o->all->command;
    char why[WHY_BYTES];
    if (fault->err != PLAIT_OK) {
        plait_fault_format(fault, why, sizeof why);
        return failed(command, "%s: %s%s", o->url, why, o->got > 0 ? "; it did not arrive whole" : "");
    }
    if (answered >= 400 && !(o->all->resumes && answered == 416)) /* 416: all was there already */
        return failed(command, "%s: %d %s", o->url, answered, plait_http_reason(answered));
    return EXIT_DONE;
}

static void on_end(struct plait_result *result, void *ctx)
{
    struct one *o = ctx;
    struct fetches *all = o->all;
    const struct plait_fault fault = result->fault;
    const struct plait_response *response = result->value.ptr;
    const int answered = fault.err == PLAIT_OK ? plait_response_status(response) : 0;
    if (!all->client) { /* the program was told to stop */
        (void)finish_output(o);
        plait_result_set(result, plait_value_num(0));
        return;
    }
    all->running--;
    all->progress.done++;
    show_progress(&all->progress, plait_now(all->r), all->progress.done == all->count);
    const bool written = finish_output(o);
    int status = EXIT_DONE;
    if (!written)
        status = failed(all->command, "%s: the output could not be written", o->url);
    else
        status = judge(o, &fault, answered);
    if (status != EXIT_DONE)
        all->status = status;
    plait_result_set(result, plait_value_num(0));
    start_more(all);
}

static bool open_output(struct one *o)
{
    if (o->all->resumes) {
        o->out = stdout; /* for heads */
        return true;
    }
    o->out = o->path[0] ? fopen(o->path, "wb") : stdout;
    if (!o->out)
        failed(o->all->command, "the file '%s' cannot be made: %s", o->path, strerror(errno));
    return o->out != NULL;
}

/* Begins one; where there is no memory for that its end comes at once. */
static void start_one(struct one *o)
{
    struct plait_fetch_options options = o->all->options;
    options.ctx = o;
    options.proxy = proxy_for(&o->all->proxies, o->url);
    o->began = plait_now(o->all->r);
    o->all->running++;
    struct plait_http_client *client = o->all->client;
    if (plait_then(o->all->resumes ? plait_http_download(client, o->url, o->path, &options)
                                   : plait_http_fetch(client, o->url, &options),
                   on_end, o) == PLAIT_OK)
        return;
    struct plait_result none = {.fault = plait_fault_make(PLAIT_ENOMEM, "http")}; /* uncovered: the heap is large */
    on_end(&none, o);                                                             /* uncovered: as above */
}

static void start_more(struct fetches *all)
{
    while (all->next < all->count && all->running < all->parallel) {
        struct one *o = &all->one[all->next++];
        if (!open_output(o)) {
            all->status = EXIT_FAILED;
            all->progress.done++;
            continue;
        }
        start_one(o);
    }
    if (all->running == 0)
        plait_reactor_stop(all->r);
}

/* --- the command line -------------------------------------------------------------------------------------------- */

static bool add_field(struct fetches *f, char *text)
{
    char *colon = strchr(text, ':');
    if (!colon || colon == text || f->options.field_count == FIELDS_MAX)
        return false;
    *colon++ = '\0';
    colon += strspn(colon, " ");
    f->field[f->options.field_count++] = (struct plait_http_field){.name = text, .value = colon};
    return true;
}

/* The text itself, or the file that is named behind '@'. */
static int take_data(struct fetches *f, const char *text)
{
    f->options.body = plait_slice_text(text);
    if (text[0] != '@')
        return EXIT_DONE;
    uint8_t piece[4096];
    size_t len;
    FILE *file = fopen(text + 1, "rb");
    if (!file)
        return failed(f->command, "the file '%s' cannot be read: %s", text + 1, strerror(errno));
    while ((len = fread(piece, 1, sizeof piece, file)) > 0)
        plait_buf_put(&f->data, plait_slice_of(piece, len));
    const bool failed_to_read = ferror(file);
    fclose(file);
    if (failed_to_read)
        return failed(f->command, "the file '%s' cannot be read: %s", text + 1, strerror(errno));
    if (f->data.err)
        return failed(f->command, "the file '%s' has more than 16 MiB: --upload-file sends it", text + 1);
    f->options.body = plait_buf_slice(&f->data);
    return EXIT_DONE;
}

static int take_upload(struct fetches *f, const char *path)
{
    struct stat info;
    f->upload = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->upload < 0 || fstat(f->upload, &info) != 0)
        return failed(f->command, "the file '%s' cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return failed(f->command, "'%s' is no plain file, and only such can be sent", path);
    f->upload_bytes = (uint64_t)info.st_size;
    f->source =
        (struct plait_upload_source){.length = f->upload_bytes, .room = send_file, .rewind = rewind_file, .ctx = f};
    f->options.upload = &f->source;
    f->options.method = f->options.method ? f->options.method : "PUT";
    return EXIT_DONE;
}

static int take_number(struct fetches *f, const char *name, const char *text, uint64_t most, uint64_t *out)
{
    if (plait_slice_to_u64(plait_slice_text(text), most, out) != PLAIT_OK || *out == 0)
        return wrong_usage(f->command, "--%s wants a number from 1 to %llu, and not '%s'", name,
                           (unsigned long long)most, text);
    return EXIT_DONE;
}

/* Options without a value. */
static bool take_switch(struct fetches *f, struct words *words)
{
    if (take_flag(words, "include", 'i')) {
        f->show_head = true;
    } else if (take_flag(words, "head", 'I')) {
        f->show_head = true;
        f->options.method = "HEAD";
    } else if (take_flag(words, "remote-name", 'O')) {
        f->own_names = true;
    } else if (take_flag(words, "continue", 'C')) {
        f->resumes = true;
    } else if (take_flag(words, "trace", 0)) {
        f->steps = true;
    } else if (take_flag(words, "http1.1", 0)) {
        f->options.version = PLAIT_HTTP_1;
    } else if (take_flag(words, "http2", 0)) {
        f->options.version = PLAIT_HTTP_ANY;
    } else if (take_flag(words, "http2-prior-knowledge", 0)) {
        f->options.version = PLAIT_HTTP_2;
    } else if (!take_flag(words, "location", 'L')) { /* redirects are followed anyway */
        return false;
    }
    return true;
}

static int want_json(struct fetches *f)
{
    static const char *const fields[] = {"Content-Type: application/json", "Accept: application/json"};
    for (size_t i = 0; i < 2; i++) {
        memcpy(f->json[i], fields[i], strlen(fields[i]) + 1);
        if (!add_field(f, f->json[i]))
            return wrong_usage(f->command, "at most %d fields", FIELDS_MAX);
    }
    return EXIT_DONE;
}

/* Options that concern the body, and numbers. *value is NULL when one lacks it; *status tells what else is wrong. */
static bool take_more(struct fetches *f, struct words *words, const char **value, int *status)
{
    uint64_t number = 0;
    if (take_option(words, "data", 'd', value)) {
        *status = *value ? take_data(f, *value) : EXIT_DONE;
    } else if (take_option(words, "json", 0, value)) {
        *status = *value ? take_data(f, *value) : EXIT_DONE;
        if (*value && *status == EXIT_DONE)
            *status = want_json(f);
    } else if (take_option(words, "upload-file", 'T', value)) {
        *status = *value ? take_upload(f, *value) : EXIT_DONE;
    } else if (take_option(words, "parallel", 'P', value)) {
        *status = *value ? take_number(f, "parallel", *value, 100, &number) : EXIT_DONE;
        f->parallel = (size_t)number;
    } else if (take_option(words, "retry", 0, value)) {
        *status = *value ? take_number(f, "retry", *value, 100, &number) : EXIT_DONE;
        f->options.retries = (unsigned)number;
    } else if (take_option(words, "max-time", 'm', value)) {
        *status = *value ? take_number(f, "max-time", *value, 1000000, &number) : EXIT_DONE;
        f->options.times.total = plait_seconds((int64_t)number);
    } else {
        return false;
    }
    return true;
}

/* NAME:PASSWORD, or a file whose first line is that, which others on this machine do not see in the list of
 * processes. */
static int take_user(struct fetches *f, const char *text)
{
    char *line = f->user;
    FILE *file = text[0] == '@' ? fopen(text + 1, "re") : NULL;
    if (text[0] == '@' && !file)
        return failed(f->command, "the file '%s' cannot be read: %s", text + 1, strerror(errno));
    const bool fits = file ? fgets(line, sizeof f->user, file) && strlen(line) < sizeof f->user - 1
                           : snprintf(line, sizeof f->user, "%s", text) < (int)sizeof f->user;
    if (file)
        fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    char *colon = strchr(line, ':');
    if (!fits || !colon)
        return wrong_usage(f->command, "--user wants a name and a password, as in ann:secret, or @FILE with them");
    *colon = '\0';
    f->options.user = line;
    f->options.password = colon + 1;
    return EXIT_DONE;
}

/* Who we are, and the way. As take_more. */
static bool take_who(struct fetches *f, struct words *words, const char **value, int *status)
{
    if (take_option(words, "user", 'u', value))
        *status = *value ? take_user(f, *value) : EXIT_DONE;
    else if (take_option(words, "proxy", 'x', value))
        f->proxy = *value;
    else if (take_option(words, "bearer", 0, value))
        f->options.bearer = *value;
    else if (take_flag(words, "basic", 0))
        f->options.basic_at_once = true;
    else if (take_flag(words, "digest", 0))
        f->options.digest_only = true;
    else
        return false;
    return true;
}

static int add_url(struct fetches *f, const char *url)
{
    if (f->count == URLS_MAX)
        return wrong_usage(f->command, "at most %d URLs at once", URLS_MAX);
    f->one[f->count++] = (struct one){.all = f, .url = url, .length = PLAIT_LENGTH_UNKNOWN};
    return EXIT_DONE;
}

static int take_words(struct fetches *f, struct words *words)
{
    int status = EXIT_DONE;
    while (status == EXIT_DONE && words->at < words->end) {
        const char *value = "";
        if (take_switch(f, words) || take_more(f, words, &value, &status) || take_who(f, words, &value, &status)) {
        } else if (take_option(words, "output", 'o', &value)) {
            f->path = value;
        } else if (take_option(words, "cookies", 0, &value)) {
            f->jar = value;
        } else if (take_option(words, "header", 'H', &value)) {
            if (value && !add_field(f, (char *)(uintptr_t)value))
                return wrong_usage(f->command, "--header wants 'Name: value', and at most %d of them", FIELDS_MAX);
        } else if (take_option(words, "method", 'X', &value)) {
            f->options.method = value;
        } else if ((*words->at)[0] == '-') {
            return wrong_usage(f->command, "'%s' is not understood; `plait fetch --help` tells what is", *words->at);
        } else {
            status = add_url(f, next_word(words));
        }
        if (!value)
            return wrong_usage(f->command, "the last option lacks its value");
    }
    return status;
}

/* The last name of a URL's path, as a file's. */
static int name_after(struct fetches *f, struct one *o)
{
    struct plait_url url;
    plait_slice name = {NULL, 0};
    if (plait_url_parse(plait_slice_text(o->url), &url) == PLAIT_OK) {
        size_t from = url.path.len;
        while (from > 0 && url.path.ptr[from - 1] != '/')
            from--;
        name = plait_slice_sub(url.path, from, url.path.len);
    }
    if (name.len == 0 || name.len >= sizeof o->path || name.ptr[0] == '.')
        return wrong_usage(f->command, "%s has no name for a file: give one with --output", o->url);
    memcpy(o->path, name.ptr, name.len);
    return EXIT_DONE;
}

static int choose_outputs(struct fetches *f)
{
    if (f->count == 0)
        return wrong_usage(f->command, "which URL?");
    if (f->path && f->count > 1)
        return wrong_usage(f->command, "--output is for one URL; --remote-name gives each a file of its own");
    if (f->path && snprintf(f->one[0].path, PATH_BYTES, "%s", f->path) >= PATH_BYTES)
        return wrong_usage(f->command, "the name of the output is longer than %d bytes", PATH_BYTES - 1);
    int status = EXIT_DONE;
    for (size_t i = 0; f->own_names && !f->path && i < f->count && status == EXIT_DONE; i++)
        status = name_after(f, &f->one[i]);
    if (status == EXIT_DONE && f->resumes && (!f->one[0].path[0] || f->options.method || f->options.body.len > 0))
        return wrong_usage(f->command, "--continue is for what is got into a file: --output or --remote-name");
    if (!f->own_names)
        f->parallel = 1; /* standard output takes one at a time */
    return status;
}

/* --- running ----------------------------------------------------------------------------------------------------- */

static int open_jar(struct fetches *f)
{
    if (!f->jar)
        return EXIT_DONE;
    f->options.cookies = plait_cookies_new(f->r);
    const plait_err err = f->options.cookies ? plait_cookies_load(f->options.cookies, f->jar) : PLAIT_ENOMEM;
    if (err == PLAIT_OK || err == PLAIT_ENOTFOUND)
        return EXIT_DONE;
    plait_cookies_unref(&f->options.cookies); /* what could not be read is not written over */
    return failed(f->command, "the cookies in '%s' cannot be read: %s", f->jar, plait_err_text(err));
}

static int close_jar(struct fetches *f, int status)
{
    if (!f->options.cookies)
        return status;
    const plait_err err = plait_cookies_save(f->options.cookies, f->jar);
    plait_cookies_unref(&f->options.cookies);
    if (err == PLAIT_OK)
        return status;
    return failed(f->command, "the cookies cannot be written to '%s': %s", f->jar, plait_err_text(err));
}

static int fetch_all(struct fetches *f)
{
    int status = open_jar(f);
    if (status == EXIT_DONE) {
        f->progress.began = plait_now(f->r);
        start_more(f);
        const plait_err err = f->running > 0 ? plait_reactor_run(f->r) : PLAIT_OK;
        status = err == PLAIT_OK ? f->status : failed(f->command, "%s", plait_err_text(err));
        if (f->running > 0)
            status = failed(f->command, "stopped before all was there");
    }
    return status;
}

static void fill_options(struct fetches *f)
{
    if (f->options.body.len > 0 && !f->options.method)
        f->options.method = "POST";
    f->options.fields = f->field;
    f->options.head = print_head;
    f->options.data = f->resumes ? note_piece : take_piece;
    f->options.trace = f->steps ? note_step : NULL;
    f->progress.shown = isatty(2) && !f->steps && (f->path || f->own_names || !isatty(1));
    f->progress.all = f->count;
}

static int run_with(struct fetches *f, struct words *words)
{
    f->r = plait_new();
    f->client = f->r ? plait_http_client_new(f->r, NULL) : NULL;
    if (!f->client)
        return failed(f->command, "%s", plait_err_text(PLAIT_ENOMEM));
    plait_buf_init(&f->data, plait_reactor_budget(f->r), DATA_MAX);
    int status = take_words(f, words);
    if (status == EXIT_DONE)
        status = choose_outputs(f);
    if (status == EXIT_DONE)
        status = proxies_open(&f->proxies, f->command, f->r, f->proxy);
    if (status == EXIT_DONE) {
        fill_options(f);
        status = fetch_all(f);
    }
    plait_http_client_free(&f->client);
    proxies_close(&f->proxies);
    status = close_jar(f, status);
    plait_buf_deinit(&f->data);
    return status;
}

static int run(const struct command *command, struct words *words)
{
    struct fetches f = {.command = command, .parallel = PARALLEL, .upload = -1};
    const int status = run_with(&f, words);
    plait_reactor_free(&f.r);
    if (f.upload >= 0)
        close(f.upload);
    return status;
}

const struct command command_fetch = {
    .name = "fetch",
    .usage = "fetch [OPTIONS] URL…",
    .help =
        "Gets what URLs name (http and https); redirects are followed, and codings undone. An answer of 400 and above\n"
        "is a failure.\n\n"
        "  plait fetch -O https://example.org/a.tar.gz https://example.org/b.tar.gz\n"
        "  plait fetch --json '{\"name\": \"ann\"}' http://127.0.0.1:8080/people\n\n"
        "  -o, --output FILE       write there and not to standard output\n"
        "  -O, --remote-name       write each to a file of its URL's last name\n"
        "  -C, --continue          with these two: the file gets its name when all is there; what breaks off stays as\n"
        "                          FILE.part, and is gone on with the next time\n"
        "  -P, --parallel N        so many at once with -O; 4\n"
        "  -H, --header FIELD      one more field of the request\n"
        "  -X, --method NAME       GET by default, POST with --data, PUT with --upload-file\n"
        "  -d, --data TEXT         body of the request; @FILE: what is in the file\n"
        "      --json TEXT         as --data, and says that it is JSON and that JSON is wanted\n"
        "  -T, --upload-file FILE  sends a file of any size\n"
        "  -I, --head              only the answer's head\n"
        "  -i, --include           print the answer's head too\n"
        "  -u, --user NAME:PASSWORD  for who asks (401); @FILE: what is in the first line of it\n"
        "      --basic, --digest   with --user: sent at once, or never but as a digest\n"
        "      --bearer TOKEN      sent to the URL's server\n"
        "  -x, --proxy URL         asks a proxy, http://proxy.example:3128; without it http_proxy, https_proxy, "
        "all_proxy\n"
        "                          and no_proxy of the environment count; '' for none\n"
        "      --cookies FILE      send and keep cookies; the file is made when it isn't there\n"
        "      --retry N           try again so often what may be tried again\n"
        "  -m, --max-time SECONDS  for each URL\n"
        "      --http2             HTTP/2 where the server chooses it over TLS; the default\n"
        "      --http1.1           HTTP/1.1 alone\n"
        "      --http2-prior-knowledge\n"
        "                          HTTP/2 alone, also without TLS\n"
        "      --trace             tell each step on standard error, with the time\n",
    .run = run,
};
