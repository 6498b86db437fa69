/* Tokens that a provider mints: asked for before the first request, and anew
 * before they end or when one is refused. */
#include <string.h>
#include <strings.h>

#include "harness/base/io.h"
#include "runners/remote_lane.h"

/* --- tokens ---------------------------------------------------------------- */

static void mint_header(void *user, struct str name, struct str value)
{
    struct lane *l = user;
    const char *wanted = l->model->adapter->token_header;

    if (wanted && name.n == strlen(wanted) &&
        strncasecmp(name.p, wanted, name.n) == 0)
        l->mint.header = arena_dup(&l->mint.arena, value.p, value.n);
}

static bool mint_piece(void *user, struct str piece)
{
    struct lane *l = user;

    buf_add(&l->mint.body, piece.p, piece.n);
    return !l->mint.body.failed;
}

static enum err_code read_token(struct lane *l, struct err *e)
{
    struct remote *m = l->model;
    struct str body =
        l->mint.header ? str_of(l->mint.header) : buf_view(&l->mint.body);
    const char *token;
    int64_t until;

    arena_reset(&m->token_arena);
    m->minted = m->endpoint.token = NULL;
    if (m->adapter->token_parse(&m->endpoint, body, &m->token_arena, &token,
                                &until, e))
        return e->code;
    m->minted = m->endpoint.token = token;
    m->minted_until_ms = until;
    m->minted_ns = io_now_ns();
    return ERR_OK;
}

/* No token, no answers: after the usual attempts the model stops. */
static void mint_failed(struct lane *l, struct failure *f)
{
    struct mint *t = &l->mint;
    const char *m, *why = NULL;

    t->failures++;
    if (!fault_is_fatal(f->class) && t->failures <= l->model->params.retries) {
        t->due_ns = io_now_ns() +
                    pace_backoff(t->failures, f->retry_ns, lane_chance(l));
        return;
    }
    m = failure_message(l->model, f, t->failures, STOP_WORDS, &t->arena);
    if (m)
        why = arena_printf(&t->arena, "%s: stopped, there is no token: %s",
                           l->model->model.id, m);
    lane_stop(l, lane_code(f->code), why ? why : "no token");
}

static void mint_done(void *user, const struct http_result *r)
{
    struct lane *l = user;
    struct failure f = { .retry_ns = -1 };
    struct err e;

    l->mint.under_way = false;
    l->wake_ns = 0;
    if (r->end != HTTP_DONE) {
        failure_of_http(&f, r);
    } else if (read_token(l, &e)) {
        /* its words lie in the body, which token_parse has read */
        bool passing = r->status == 429 || r->status >= 500;
        failure_words(&f, passing ? FAULT_RETRY : FAULT_KEY, "token: %s",
                      e.msg);
        f.code = passing ? ERR_SERVER : ERR_AUTH;
        f.status = r->status;
    }
    if (f.class == FAULT_NONE)
        l->mint.failures = 0;
    else
        mint_failed(l, &f);
}

static const struct http_handler mint_handler = { mint_header, mint_piece,
                                                  mint_done };

/* Whether a token is there or none is needed; else one is being asked for. */
bool lane_has_token(struct lane *l, int64_t now)
{
    struct remote *m = l->model;
    struct mint *t = &l->mint;
    struct call c = { 0 };
    struct http_call h;
    struct err e;

    if (!m->adapter->token_call || m->tokenless ||
        (m->minted && io_wall_ms() < m->minted_until_ms - TOKEN_EARLY_MS))
        return true;
    if (t->under_way || t->due_ns > now || l->stopped)
        return false;
    arena_reset(&t->arena);
    buf_clear(&t->body);
    t->header = NULL;
    m->endpoint.now_ms = io_wall_ms();
    if (m->adapter->token_call(&m->endpoint, &t->arena, &c, &e)) {
        lane_stop(l, e.code, e.msg);
        return false;
    }
    m->tokenless = !c.url;
    if (m->tokenless)
        return true;
    h = lane_call(&c, m);
    h.whole_ms = h.first_ms = TOKEN_MS;
    t->under_way = !http_start(l->loop->http, &h, &mint_handler, l, &e);
    if (!t->under_way)
        lane_stop(l, e.code, e.msg);
    return false;
}
