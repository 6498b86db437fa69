/* Recorded responses as a model: answers each request with what was recorded
 * for the same messages, prompt and options.  Several records of one request
 * (trials) are given in turn.  A request that was not recorded is an error of
 * that sample, never a guess. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "runners/record.h"
#include "runners/runner.h"

struct entry {
    char key[DIGEST_HEX]; /* of the request */
    size_t line;          /* records of one request keep their order */
    struct response response;
    size_t given; /* of the first of a request's: answers given */
};

struct replay {
    struct runner base;
    struct entry *entries; /* sorted by key and line */
    size_t n, cap;
    bool scores;
    char digest[DIGEST_HEX];
    struct arena arena;
};

static void replay_close(struct runner *base)
{
    struct replay *r = (struct replay *)base;

    mem_free(r->entries);
    arena_free(&r->arena);
    mem_free(r);
}

static int by_key_and_line(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* The first entry of that key; *n is how many there are, 0 for none. */
static struct entry *find_entries(struct replay *r, const char *key, size_t *n)
{
    size_t lo = 0, hi = r->n, mid;

    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        if (strcmp(r->entries[mid].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (*n = 0; lo + *n < r->n; ++*n)
        if (strcmp(r->entries[lo + *n].key, key) != 0)
            break;
    return r->entries + lo;
}

static enum err_code add_line(struct replay *r, struct str line, size_t number,
                              struct err *e)
{
    struct entry it = { .line = number };
    struct request q;
    enum err_code rc = record_read(line, &r->arena, &q, &it.response, e);

    if (!rc)
        rc = request_digest(&q, it.key, e);
    if (rc)
        return rc;
    if (!mem_grow(&r->entries, &r->cap, r->n + 1, sizeof *r->entries))
        return err_set(e, ERR_NOMEM, "no memory for the records");
    r->entries[r->n++] = it;
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
        rc = add_line(r, lines.line, lines.number, e);
        if (rc)
            err_wrap(e, "%s: line %zu", path, lines.number);
    }
    if (!rc) {
        digest_hex(buf_view(&text), r->digest);
        if (r->n)
            qsort(r->entries, r->n, sizeof *r->entries, by_key_and_line);
    }
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
    struct entry *first;
    size_t n;

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
    first = find_entries(r, key, &n);
    if (n)
        *out = first[first->given++ % n].response;
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

static bool replay_can_score(const struct runner *base, bool chat)
{
    (void)chat;
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
