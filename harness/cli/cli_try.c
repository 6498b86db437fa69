/* One token from a model: a GGUF file by the engine, all else by its runner. */
#include "harness/cli/cli_try.h"

#include <math.h>
#include <string.h>

#include "harness/base/io.h"

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the check");
}

/* --- a GGUF file ---------------------------------------------------------- */

/* Token ids of a greeting: as a chat where the model knows chats. */
static int greeting(const struct mk_model *m, int32_t *ids, size_t cap,
                    size_t *n, char *msg)
{
    static const struct mk_message hello = { "user", "你好" };

    if (*mk_model_info(m)->chat)
        return mk_chat_ids(m, NULL, &hello, 1, true, ids, cap, n, msg);
    return mk_tokenize(m, hello.content, strlen(hello.content), MK_ADD_SPECIAL,
                       ids, cap, n, msg);
}

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* One token: *id is the likeliest after a greeting. */
static enum err_code first_token(struct mk_model *m, float *logits, int32_t *id,
                                 struct err *e)
{
    const struct mk_ctx_params params = { .n_positions = 512 };
    const struct mk_sampling greedy = { .top_p = 1 };
    char msg[MK_ERR_LEN] = "";
    struct mk_ctx *ctx = NULL;
    int32_t ids[256];
    uint64_t state = 0;
    size_t n_vocab = (size_t)mk_model_info(m)->n_vocab;
    struct mk_piece p = { .tokens = ids,
                          .want = MK_WANT_LAST,
                          .logits = logits };
    int status = mk_ctx_open(&ctx, m, &params, msg);

    if (!status)
        status = greeting(m, ids, 256, &p.n, msg);
    if (!status && (!p.n || p.n > 256))
        status = MK_ELIMIT;
    if (!status)
        status = mk_seq_new(ctx, &p.seq, msg);
    if (!status)
        status = mk_compute(ctx, &p, 1, msg);
    mk_ctx_close(ctx);
    if (status)
        return cli_engine_error(status, *msg ? msg : "greeting too long", e);
    if (!all_finite(logits, n_vocab))
        return err_set(e, ERR_FORMAT, "its logits are not finite numbers");
    *id = mk_sample(logits, n_vocab, &greedy, &state);
    return ERR_OK;
}

static const char *token_text(const struct mk_model *m, int32_t id,
                              struct arena *a)
{
    char bytes[256];
    size_t n = mk_token_bytes(m, id, true, bytes, sizeof bytes);
    const char *text;
    struct buf b;

    buf_init(&b, 1 << 16);
    cli_put_valid(&b, (struct str){ bytes, n < sizeof bytes ? n : 0 });
    text = arena_printf(a, "first token %d \"%s\"", id, b.p);
    buf_free(&b);
    return text;
}

static enum err_code try_token(struct mk_model *m, struct arena *a,
                               struct check *c, struct err *e)
{
    float *logits =
        mem_array((size_t)mk_model_info(m)->n_vocab, sizeof *logits);
    int32_t id = 0;
    enum err_code rc = logits ? first_token(m, logits, &id, e) : no_memory(e);

    mem_free(logits);
    if (!rc)
        c->message = token_text(m, id, a);
    return rc;
}

static enum err_code try_file(const struct model_spec *m,
                              const struct mk_model_params *params,
                              struct arena *a, struct check *c, struct err *e)
{
    struct mk_model *model = NULL;
    enum err_code rc = cli_engine_open(&model, m->path, params, e);

    c->ask = "log-likelihood";
    if (!rc)
        rc = try_token(model, a, c, e);
    mk_model_close(model);
    return rc;
}

/* --- all else: through a runner ------------------------------------------- */

/* An exchange of one request. */
struct trial {
    struct request request;
    bool asked, answered;
    struct arena *arena;
    struct check *check;
};

static const struct request *next(void *user)
{
    struct trial *t = user;

    if (t->asked)
        return NULL;
    t->asked = true;
    return &t->request;
}

static const char *say(struct arena *a, const struct response *r)
{
    const char *text = r->text ? r->text : "";

    if (r->reasoning && !*text)
        return arena_printf(a, "thinks: \"%s\"", r->reasoning);
    return arena_printf(a, "answers \"%s\" (%s)", text, finish_name(r->finish));
}

static void deliver(void *user, const struct request *q,
                    const struct response *r)
{
    struct trial *t = user;

    (void)q;
    t->answered = true;
    t->check->code = r->code;
    t->check->message =
        r->code ? arena_strdup(t->arena, r->message) : say(t->arena, r);
}

static int never(void *user)
{
    (void)user;
    return 0;
}

static enum err_code ask(struct runner *r, enum request_kind kind,
                         struct arena *a, struct check *c, struct err *e)
{
    static const struct message hello = { "user", "你好" };
    struct trial t = { .request = { .kind = kind,
                                    .messages = &hello,
                                    .n_messages = 1,
                                    .prompt = "你好",
                                    .sampling = { .temperature = NAN,
                                                  .top_p = NAN,
                                                  .top_k = -1,
                                                  .max_tokens = 1,
                                                  .seed = -1 } },
                       .arena = a,
                       .check = c };
    const struct exchange x = { next, deliver, never, &t };

    if (kind == REQUEST_COMPLETION)
        t.request.n_messages = 0;
    else
        t.request.prompt = NULL;
    if (runner_run(r, &x, e))
        return e->code;
    if (!t.answered)
        return err_set(e, ERR_SERVER, "the runner gave no answer");
    return ERR_OK;
}

static enum err_code try_runner(const struct model_spec *m, struct arena *a,
                                struct check *c, struct err *e)
{
    const struct runner_params params = { .concurrency = 1, .retries = 1 };
    struct runner *r = NULL;
    enum err_code rc = runner_open(&r, m, &params, e);

    if (rc)
        return rc;
    c->ask = r->kind->can_score(r, true)    ? "log-likelihood"
             : r->kind->can_score(r, false) ? "log-likelihood in plain text"
                                            : "generation";
    rc = ask(r, REQUEST_CHAT, a, c, e);
    if (!rc && c->code == ERR_REJECTED) /* a base model, perhaps */
        rc = ask(r, REQUEST_COMPLETION, a, c, e);
    runner_close(r);
    if (!rc && a->failed)
        rc = no_memory(e);
    return rc;
}

void cli_try(const struct model_spec *m, const struct mk_model_params *params,
             struct arena *a, struct check *c)
{
    int64_t start = io_now_ns();
    struct err e;
    enum err_code rc = strcmp(m->kind, "gguf") == 0
                           ? try_file(m, params, a, c, &e)
                           : try_runner(m, a, c, &e);

    if (rc) {
        c->code = rc;
        c->message = arena_strdup(a, e.msg);
    }
    c->ns = io_now_ns() - start;
}
