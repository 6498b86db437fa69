#include "tests/vendor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/io.h"
#include "tests/t.h"

enum { LIMIT = 1 << 20 };

void vendor_init(struct vendor *v, const char *id, const char *model,
                 const char *rows)
{
    const char *file = NULL;

    memset(v, 0, sizeof *v);
    arena_init(&v->arena, 0);
    unsetenv("MOKAO_PROVIDERS");
    setenv("XDG_CONFIG_HOME", t_tmp(), 1);
    if (rows) {
        file = arena_printf(&v->arena, "%s/rows.json", t_tmp());
        t_ok(io_replace(file, str_of(rows), &v->e), &v->e);
    }
    t_ok(providers_open(&v->table, file, &v->e), &v->e);
    v->ep.provider = providers_find(v->table, id);
    ck_assert_msg(v->ep.provider, "no row %s", id);
    v->adapter = adapter_find(v->ep.provider->shape);
    ck_assert_msg(v->adapter, "no adapter for %s", v->ep.provider->shape);
    ck_assert_uint_le(v->ep.provider->n_env, VENDOR_SECRETS);
    v->ep.model = &v->model;
    v->ep.name = model;
    v->ep.base_url = v->ep.provider->base_url;
    v->ep.secrets = v->secrets;
    v->ep.now_ms = 1700000000000;
    v->messages[0] = (struct message){ "user", "你好" };
    v->q.messages = v->messages;
    v->q.n_messages = 1;
    v->q.sampling = (struct sampling){
        .temperature = NAN, .top_p = NAN, .top_k = -1, .seed = -1
    };
    buf_init(&v->reply.text, LIMIT);
    buf_init(&v->reply.reasoning, LIMIT);
    vendor_reset(v);
}

void vendor_free(struct vendor *v)
{
    buf_free(&v->reply.text);
    buf_free(&v->reply.reasoning);
    providers_close(v->table);
    arena_free(&v->arena);
}

void vendor_secret(struct vendor *v, const char *role, const char *value)
{
    for (size_t i = 0; i < v->ep.provider->n_env; i++)
        if (strcmp(v->ep.provider->env_roles[i], role) == 0)
            v->secrets[i] = value;
}

void vendor_secrets(struct vendor *v)
{
    const struct provider *p = v->ep.provider;

    for (size_t i = 0; i < p->n_env; i++)
        v->secrets[i] = arena_printf(&v->arena, "test-%s", p->env_roles[i]);
    v->ep.token = "test-token";
}

void vendor_reset(struct vendor *v)
{
    struct reply *r = &v->reply;

    buf_clear(&r->text);
    buf_clear(&r->reasoning);
    r->finish = FINISH_OTHER;
    r->finished = r->refused = false;
    r->prompt_tokens = r->cached_tokens = r->output_tokens = -1;
    r->events = 0;
    r->fault = (struct fault){ .retry_ms = -1 };
    r->logprobs = v->logprobs;
    r->option_tokens = v->option_tokens;
    for (size_t i = 0; i < VENDOR_OPTIONS; i++) {
        v->logprobs[i] = NAN;
        v->option_tokens[i] = 0;
    }
}

void vendor_build(struct vendor *v, size_t call, struct call *c)
{
    memset(c, 0, sizeof *c);
    t_ok(v->adapter->build(&v->ep, &v->q, call, &v->arena, c, &v->e), &v->e);
}

const char *vendor_header(const struct call *c, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < c->n_headers; i++)
        if (strncasecmp(c->headers[i], name, n) == 0 && c->headers[i][n] == ':')
            return c->headers[i] + n + 2;
    return NULL;
}

struct str vendor_sample(struct vendor *v, const char *dir, const char *name)
{
    struct buf b;
    struct str s;

    t_read(arena_printf(&v->arena, "tests/golden/api/%s/%s", dir, name), &b);
    s = (struct str){ arena_dup(&v->arena, b.p, b.n), b.n };
    buf_free(&b);
    return s;
}

struct json *vendor_json(struct vendor *v, struct str text)
{
    struct json *j;

    t_ok(json_parse(&j, text, &v->e), &v->e);
    return j;
}

void vendor_answer(struct vendor *v, int status, struct str body, size_t call)
{
    struct json *j = NULL;

    vendor_reset(v);
    if (json_parse(&j, body, &v->e))
        j = NULL;
    if (status >= 300)
        v->adapter->fault(&v->ep, status, j, body, &v->reply.fault);
    else
        v->adapter->parse(&v->ep, &v->q, call, j, &v->reply);
    json_free(j);
}

static enum err_code on_event(void *user, const struct sse_event *ev,
                              struct err *e)
{
    struct vendor *v = user;
    struct json *j = NULL;

    if (!str_is(ev->data, "[DONE]") && json_parse(&j, ev->data, e))
        return e->code;
    v->adapter->event(&v->ep, &v->q, ev, j, &v->reply);
    json_free(j);
    return ERR_OK;
}

/* Frames come whole: each line of the sample is one. */
static void feed_frames(struct vendor *v, struct sse *s, struct str text)
{
    for (size_t from = 0, to; from < text.n; from = to + 1) {
        to = str_find(text, STR("\n"), from);
        if (to == (size_t)-1)
            to = text.n;
        if (to > from)
            t_ok(sse_feed(s, str_sub(text, from, to), on_event, v, &v->e),
                 &v->e);
    }
}

void vendor_stream(struct vendor *v, struct str text, enum framing framing,
                   size_t piece)
{
    struct sse s;

    vendor_reset(v);
    sse_init(&s, framing, LIMIT);
    if (framing == FRAME_SOCKET)
        feed_frames(v, &s, text);
    for (size_t at = 0; framing != FRAME_SOCKET && at < text.n;) {
        size_t n = piece && piece < text.n - at ? piece : text.n - at;
        t_ok(sse_feed(&s, str_sub(text, at, at + n), on_event, v, &v->e),
             &v->e);
        at += n;
    }
    t_ok(sse_end(&s, on_event, v, &v->e), &v->e);
    sse_free(&s);
}

static char *canonical(struct vendor *v, struct str text)
{
    struct json *j = vendor_json(v, text);
    struct buf b;
    char *out;

    buf_init(&b, LIMIT);
    t_ok(json_write_canonical(j, &b, &v->e), &v->e);
    out = arena_dup(&v->arena, b.p, b.n);
    buf_free(&b);
    json_free(j);
    return out;
}

void vendor_same(struct vendor *v, struct str got, struct str want,
                 const char *less)
{
    char *expected = canonical(v, want);
    char *hit = less ? strstr(expected, less) : NULL;

    ck_assert_msg(!less || hit, "no %s in %s", less, expected);
    if (hit)
        memmove(hit, hit + strlen(less), strlen(hit + strlen(less)) + 1);
    ck_assert_str_eq(canonical(v, got), expected);
}
