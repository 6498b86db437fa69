/* Recorded responses as a model: answers each request with what was recorded
 * for the same messages, prompt and options.  Several records of one request
 * (trials) are given in turn.  A request that was not recorded is an error of
 * that sample, never a guess. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "harness/base/io.h"
#include "runners/record.h"
#include "runners/runner.h"

struct entry { /* the responses to one request, in the order of the file */
    char key[DIGEST_HEX];
    struct response *responses;
    size_t n, cap, next;
    UT_hash_handle hh;
};

struct replay {
    struct runner base;
    struct entry *entries;
    bool scores;
    char digest[DIGEST_HEX];
    struct arena arena;
};

static void replay_close(struct runner *base)
{
    struct replay *r = (struct replay *)base;
    struct entry *it, *next;

    HASH_ITER(hh, r->entries, it, next)
    {
        HASH_DEL(r->entries, it);
        mem_free(it->responses);
        mem_free(it);
    }
    arena_free(&r->arena);
    mem_free(r);
}

static struct entry *find_entry(struct replay *r, const char *key)
{
    struct entry *it;
    HASH_FIND_STR(r->entries, key, it);
    return it;
}

static struct entry *make_entry(struct replay *r, const char *key)
{
    struct entry *it = find_entry(r, key);

    if (it)
        return it;
    it = mem_zalloc(sizeof *it);
    if (!it)
        return NULL;
    memcpy(it->key, key, sizeof it->key);
    HASH_ADD_STR(r->entries, key, it);
    if (!it->hh.tbl) { /* uthash found no memory */
        mem_free(it);
        return NULL;
    }
    return it;
}

static enum err_code add_line(struct replay *r, struct str line, struct err *e)
{
    struct request q;
    struct response res;
    char key[DIGEST_HEX];
    struct entry *it;

    if (record_read(line, &r->arena, &q, &res, e) || request_digest(&q, key, e))
        return e->code;
    it = make_entry(r, key);
    if (!it ||
        !mem_grow(&it->responses, &it->cap, it->n + 1, sizeof *it->responses))
        return err_set(e, ERR_NOMEM, "no memory for the records");
    it->responses[it->n++] = res;
    r->scores = r->scores || q.kind == REQUEST_SCORE;
    return ERR_OK;
}

static enum err_code read_file(struct replay *r, const char *path,
                               struct err *e)
{
    struct buf text;
    struct io_lines lines = { 0 };
    enum err_code rc;

    buf_init(&text, (size_t)1 << 32);
    rc = io_read(path, &text, e);
    lines.rest = io_skip_bom(buf_view(&text));
    while (!rc && io_next_line(&lines)) {
        if (str_trim(lines.line).n == 0)
            continue;
        rc = add_line(r, lines.line, e);
        if (rc)
            err_wrap(e, "%s: line %zu", path, lines.number);
    }
    if (!rc)
        digest_hex(buf_view(&text), r->digest);
    buf_free(&text);
    return rc;
}

static enum err_code replay_open(struct runner **out,
                                 const struct model_spec *m,
                                 const struct runner_params *p, struct err *e)
{
    struct replay *r = mem_zalloc(sizeof *r);

    (void)p;
    if (!r)
        return err_set(e, ERR_NOMEM, "no memory for a runner");
    r->base.kind = &runner_replay;
    arena_init(&r->arena, 0);
    if (read_file(r, m->path, e)) {
        replay_close(&r->base);
        return e->code;
    }
    *out = &r->base;
    return ERR_OK;
}

static enum err_code answer(struct replay *r, const struct request *q,
                            struct response *out, struct err *e)
{
    char key[DIGEST_HEX];
    struct entry *it;

    *out = (struct response){ .code = ERR_NOENV,
                              .message = "no recorded response to this prompt",
                              .attempts = 1,
                              .margin = NAN,
                              .prompt_tokens = -1,
                              .cached_tokens = -1,
                              .output_tokens = -1,
                              .latency_ns = -1,
                              .first_token_ns = -1 };
    if (request_digest(q, key, e))
        return e->code;
    it = find_entry(r, key);
    if (it) {
        *out = it->responses[it->next];
        it->next = (it->next + 1) % it->n;
    }
    out->started_ms = io_wall_ms();
    return ERR_OK;
}

static enum err_code replay_run(struct runner *base, const struct exchange *x,
                                struct err *e)
{
    struct replay *r = (struct replay *)base;
    const struct request *q;
    struct response res;

    while (!x->stop(x->user)) {
        q = x->next(x->user);
        if (!q)
            return ERR_OK;
        if (answer(r, q, &res, e))
            return e->code;
        x->deliver(x->user, q, &res);
    }
    return err_set(e, ERR_CANCELLED, "interrupted");
}

static enum err_code replay_fingerprint(struct runner *base, struct arena *a,
                                        const char **out, struct err *e)
{
    struct replay *r = (struct replay *)base;

    *out = arena_printf(a, "replay:%s", r->digest);
    return *out ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

static bool replay_can_score(const struct runner *base)
{
    return ((const struct replay *)base)->scores;
}

const struct runner_kind runner_replay = {
    .name = "replay",
    .doc = "recorded responses as a model: replay:FILE",
    .open = replay_open,
    .close = replay_close,
    .run = replay_run,
    .fingerprint = replay_fingerprint,
    .can_score = replay_can_score,
};
