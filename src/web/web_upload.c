/* SPDX-License-Identifier: MIT
 *
 * Uploads: the files of a multipart form, each saved beneath a folder as it comes. The client is slowed to the speed
 * of the disk: nothing more is read while a file is being finished or much of one waits. What was complete stays when a
 * later part fails; what was not leaves nothing.
 *
 * Invariant: the caller's function runs once, when no job of the upload is under way. Test: tests/web/test_web_save.c.
 */
#include "base/try.h"
#include "web/http_core.h"

struct file {
    struct upload *upload;
    struct plait_deferred *saving; /* its last bytes are on their way */
    struct plait_uploaded told;
    struct file *older;
};

struct upload {
    struct plait_request *req;
    const char *folder;
    bool overwrite;
    plait_uploaded_fn fn;
    void *ctx;
    struct plait_save *save; /* of the part that is being read */
    struct file *file;       /* newest first */
    size_t saving;
    struct plait_uploaded *first; /* those that are complete, newest first */
    bool over;                    /* all parts came, or none will */
    bool left;                    /* the client has */
    plait_err err;
};

static void tell(struct upload *u)
{
    if (u->saving)
        return;
    if (u->left) {
        plait_request_drop(u->req);
    } else if (u->over) {
        plait_request_gone(u->req, NULL, NULL);
        u->fn(u->req, u->first, u->err, u->ctx);
    }
}

static void on_saved(struct plait_result *result, void *ctx)
{
    struct file *f = ctx;
    struct upload *u = f->upload;
    u->saving--;
    f->saving = NULL;
    if (result->fault.err == PLAIT_OK) {
        f->told.bytes = (uint64_t)result->value.num;
        f->told.next = u->first;
        u->first = &f->told;
    }
    u->err = u->err ? u->err : result->fault.err;
    plait_result_set(result, plait_value_num(0));
    if (!u->saving && !u->left)
        plait_request_resume(u->req);
    tell(u);
}

static void on_room(void *ctx)
{
    const struct upload *u = ctx;
    plait_request_resume(u->req);
}

static plait_err keep_text(struct plait_request *req, plait_slice text, plait_slice *out)
{
    uint8_t *copy = plait_request_memory(req, text.len + 1);
    if (!copy)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    *out = plait_slice_of(copy, text.len);
    return PLAIT_OK;
}

static plait_err begin(struct plait_request *req, const struct plait_part *part, void *ctx)
{
    struct upload *u = ctx;
    if (part->filename.len == 0)
        return PLAIT_OK; /* a field, or an input for a file that was left empty */
    struct file *f = plait_request_memory(req, sizeof(*f));
    if (!f)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    *f = (struct file){.upload = u, .older = u->file};
    PLAIT_TRY(keep_text(req, part->name, &f->told.field));
    PLAIT_TRY(plait_save_begin(req->web->reactor, u->folder, part->filename, u->overwrite, &u->save));
    plait_save_room(u->save, on_room, u);
    u->file = f;
    return keep_text(req, plait_slice_text(plait_save_name(u->save)), &f->told.name);
}

static plait_err data(struct plait_request *req, const struct plait_part *part, plait_slice piece, void *ctx)
{
    struct upload *u = ctx;
    (void)part;
    if (!u->save)
        return PLAIT_OK;
    plait_save_write(u->save, piece);
    if (plait_save_is_full(u->save))
        plait_request_pause(req);
    return PLAIT_OK;
}

static plait_err end(struct plait_request *req, const struct plait_part *part, void *ctx)
{
    struct upload *u = ctx;
    struct file *f = u->file;
    (void)part;
    if (!u->save)
        return PLAIT_OK;
    f->saving = plait_save_end(&u->save);
    if (plait_then(f->saving, on_saved, f) != PLAIT_OK)
        return PLAIT_FAIL(PLAIT_ENOMEM);
    u->saving++;
    plait_request_pause(req);
    return PLAIT_OK;
}

static void done(struct plait_request *req, plait_err err, void *ctx)
{
    struct upload *u = ctx;
    (void)req;
    plait_save_abort(&u->save);
    u->over = true;
    u->err = u->err ? u->err : err;
    tell(u);
}

static const struct plait_parts_handler upload_handler = {.begin = begin, .data = data, .end = end, .done = done};

/* The client left, or its body broke off. */
static void on_gone(struct plait_request *req, void *ctx)
{
    struct upload *u = ctx;
    if (req->carrier && u->over) { /* it only closed its side */
        plait_request_gone(req, on_gone, u);
        return;
    }
    plait_save_abort(&u->save);
    u->left = true;
    for (struct file *f = u->file; f; f = f->older) {
        if (f->saving)
            plait_deferred_cancel(f->saving);
    }
    tell(u);
}

plait_err plait_request_upload(struct plait_request *req, const char *folder,
                               const struct plait_upload_options *options, plait_uploaded_fn fn, void *ctx)
{
    static const struct plait_upload_options defaults;
    struct upload *u = plait_request_memory(req, sizeof(*u));
    if (!u) {
        plait_reply_refusal(req, PLAIT_ENOMEM);
        return PLAIT_FAIL(PLAIT_ENOMEM);
    }
    options = options ? options : &defaults;
    *u = (struct upload){.req = req, .folder = folder, .overwrite = options->overwrite, .fn = fn, .ctx = ctx};
    PLAIT_TRY(plait_request_parts(req, &options->limits, &upload_handler, u));
    plait_request_gone(req, on_gone, u);
    return PLAIT_OK;
}
