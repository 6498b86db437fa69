/* What came of the asks -> JSON: whole answers, events of a stream, errors, the
 * list of models.  Text, tokens and offsets agree: a token's text_offset counts
 * the characters of `text` before it; a token that spells no whole character is
 * written as its bytes ("bytes:\xe4\xbd"). */
#include <math.h>
#include <string.h>

#include "engine/stream.h"
#include "harness/serve/serve_openai.h"

/* What the API says for a probability of nothing: JSON has no infinity. */
#define NO_CHANCE (-9999.0)

/* --- errors, models --------------------------------------------------------- */

static const char *or_null(const char *s)
{
    return s && *s ? s : NULL;
}

void api_write_error(const struct api_error *x, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_object(&w, "error");
    jw_str(&w, "message", x->message);
    jw_str(&w, "type", x->type);
    jw_str(&w, "param", or_null(x->param));
    jw_str(&w, "code", x->code);
    jw_end(&w);
    jw_end(&w);
}

static void put_model(struct jw *w, const struct api_model *m)
{
    jw_object(w, NULL);
    jw_str(w, "id", m->id);
    jw_str(w, "object", "model");
    jw_int(w, "created", m->created);
    jw_str(w, "owned_by", "mokao");
    jw_int(w, "max_model_len", (int64_t)m->context);
    jw_end(w);
}

void api_write_models(const struct api_model *m, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_str(&w, "object", "list");
    jw_array(&w, "data");
    put_model(&w, m);
    jw_end(&w);
    jw_end(&w);
}

bool api_write_model(const struct api_model *m, struct str id, struct buf *out,
                     struct api_error *x)
{
    struct jw w;

    if (!str_is(id, m->id))
        return api_refuse(x, 404, "model", "model_not_found",
                          "there is no model \"%.*s\" here, only \"%.80s\"",
                          (int)(id.n < 80 ? id.n : 80), id.p, m->id);
    jw_init(&w, out, false);
    put_model(&w, m);
    return true;
}

/* --- tokens ----------------------------------------------------------------- */

struct bytes {
    char v[512];
    size_t n;
};

static struct bytes token_bytes(const struct api_call *c, int32_t id)
{
    struct bytes b;

    b.n = mk_token_bytes(c->model->model, id, true, b.v, sizeof b.v);
    b.n = b.n < sizeof b.v ? b.n : sizeof b.v;
    return b;
}

/* Its text, or its bytes spelled out. */
static void token_text(const struct api_call *c, int32_t id, struct buf *out)
{
    struct bytes b = token_bytes(c, id);

    buf_clear(out);
    if (text_check((struct str){ b.v, b.n }, NULL)) {
        buf_add(out, b.v, b.n);
        return;
    }
    buf_str(out, "bytes:");
    for (size_t i = 0; i < b.n; i++)
        buf_printf(out, "\\x%02x", (unsigned char)b.v[i]);
}

static double shown(double logprob)
{
    return isfinite(logprob) ? logprob : NO_CHANCE;
}

static const struct top *tops_of(const struct marks *m, size_t i)
{
    return m->tops + i * m->n_top;
}

/* --- the tokenizer ---------------------------------------------------------- */

void api_write_ids(const struct api_call *c, struct buf *out)
{
    const struct api_prompt *p = c->prompts;
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_int(&w, "count", (int64_t)p->n);
    jw_int(&w, "max_model_len", (int64_t)c->model->context);
    jw_array(&w, "tokens");
    for (size_t i = 0; i < p->n; i++)
        jw_int(&w, NULL, p->ids[i]);
    jw_end(&w);
    jw_end(&w);
}

void api_write_text(const struct api_call *c, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_text(&w, "prompt", c->prompts->text);
    jw_end(&w);
}

static void put_control(struct jw *w, const char *key,
                        const struct api_model *m, int32_t id)
{
    const struct api_call c = { .model = m };
    struct bytes b;

    if (id < 0) {
        jw_null(w, key);
        return;
    }
    b = token_bytes(&c, id);
    jw_text(w, key, (struct str){ b.v, b.n });
}

void api_write_tokenizer(const struct api_model *m, struct buf *out)
{
    const struct mk_model_info *info = mk_model_info(m->model);
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_str(&w, "tokenizer_class", info->tokenizer);
    put_control(&w, "bos_token", m, info->bos);
    put_control(&w, "eos_token", m, info->eos);
    jw_bool(&w, "add_bos_token", info->add_bos);
    jw_int(&w, "model_max_length", (int64_t)m->context);
    jw_str(&w, "chat_template", info->chat_source);
    jw_end(&w);
}

/* --- logprobs of a completion ----------------------------------------------- */

/* The marks of the prompt, if there are any, then those of the answer. */
struct both {
    const struct marks *part[2];
};

static struct both both_of(const struct api_choice *ch)
{
    return (struct both){ { &ch->news.prompt, &ch->news.marks } };
}

static void put_tokens(struct jw *w, const struct api_call *c, struct both b,
                       struct buf *text)
{
    jw_array(w, "tokens");
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < b.part[k]->n; i++) {
            token_text(c, b.part[k]->v[i].id, text);
            jw_text(w, NULL, buf_view(text));
        }
    jw_end(w);
}

static void put_token_logprobs(struct jw *w, struct both b)
{
    jw_array(w, "token_logprobs");
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < b.part[k]->n; i++) {
            double v = b.part[k]->v[i].logprob;

            if (isnan(v))
                jw_null(w, NULL);
            else
                jw_num(w, NULL, shown(v));
        }
    jw_end(w);
}

/* An object has a key once: of tokens with the same text the likeliest. */
static bool same_text(const struct api_call *c, int32_t a, int32_t b)
{
    struct bytes x = token_bytes(c, a), y = token_bytes(c, b);
    return x.n == y.n && !memcmp(x.v, y.v, x.n);
}

static bool is_new(const struct api_call *c, const struct top *tops, size_t n,
                   int32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (tops[i].id == id || same_text(c, tops[i].id, id))
            return false;
    return true;
}

/* The likeliest ones, and the token itself if it is none of them. */
static void put_top_object(struct jw *w, const struct api_call *c,
                           const struct marks *m, size_t i, struct buf *text)
{
    const struct mark *mark = &m->v[i];
    const struct top *tops = tops_of(m, i);

    jw_object(w, NULL);
    for (size_t k = 0; k < mark->n_top; k++)
        if (is_new(c, tops, k, tops[k].id)) {
            token_text(c, tops[k].id, text);
            jw_num(w, text->p, shown(tops[k].logprob));
        }
    if (is_new(c, tops, mark->n_top, mark->id)) {
        token_text(c, mark->id, text);
        jw_num(w, text->p, shown(mark->logprob));
    }
    jw_end(w);
}

static void put_top_logprobs(struct jw *w, const struct api_call *c,
                             struct both b, struct buf *text)
{
    jw_array(w, "top_logprobs");
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < b.part[k]->n; i++) {
            if (isnan(b.part[k]->v[i].logprob))
                jw_null(w, NULL);
            else
                put_top_object(w, c, b.part[k], i, text);
        }
    jw_end(w);
}

/* Some tokenizers put a blank in front that is no part of the text. */
static size_t blank_in_front(const struct api_call *c, const struct mark *first,
                             struct str text)
{
    struct bytes b = token_bytes(c, first->id);
    return b.n > 0 && b.v[0] == ' ' && !(text.n > 0 && text.p[0] == ' ');
}

static void prompt_offsets(struct jw *w, const struct api_call *c,
                           const struct marks *m, struct str text)
{
    struct stream s;
    char bytes[512];
    size_t chars = 0, counted = 0, blank = 0;

    stream_init(&s, NULL, 0);
    for (size_t i = 0; i < m->n; i++) {
        size_t n = mk_token_bytes(c->model->model, m->v[i].id, false, bytes,
                                  sizeof bytes);

        if (s.text.n == 0 && n > 0)
            blank = blank_in_front(c, &m->v[i], text);
        jw_int(w, NULL, (int64_t)(chars > blank ? chars - blank : 0));
        stream_push(&s, bytes, n < sizeof bytes ? n : sizeof bytes);
        chars += text_count(str_sub(buf_view(&s.text), counted, s.text.n));
        counted = s.text.n;
    }
    w->out->failed |= s.text.failed;
    stream_free(&s);
}

static struct str echoed(const struct api_call *c, size_t choice)
{
    return c->echo ? c->prompts[choice / c->n].text : (struct str){ "", 0 };
}

static void put_offsets(struct jw *w, const struct api_call *c, size_t choice,
                        struct both b)
{
    struct str text = echoed(c, choice);
    size_t before = text_count(text);

    jw_array(w, "text_offset");
    prompt_offsets(w, c, b.part[0], text);
    for (size_t i = 0; i < b.part[1]->n; i++)
        jw_int(w, NULL, (int64_t)(before + b.part[1]->v[i].chars));
    jw_end(w);
}

static void put_completion_logprobs(struct jw *w, const struct api_call *c,
                                    size_t choice)
{
    struct both b = both_of(&c->choices[choice]);
    struct buf text;

    buf_init(&text, 1 << 20);
    jw_object(w, "logprobs");
    put_tokens(w, c, b, &text);
    put_token_logprobs(w, b);
    put_top_logprobs(w, c, b, &text);
    put_offsets(w, c, choice, b);
    jw_end(w);
    w->out->failed |= text.failed;
    buf_free(&text);
}

/* --- logprobs of a chat ----------------------------------------------------- */

static void put_chat_token(struct jw *w, const struct api_call *c, int32_t id,
                           double logprob, struct buf *text)
{
    struct bytes b = token_bytes(c, id);

    token_text(c, id, text);
    jw_text(w, "token", buf_view(text));
    jw_num(w, "logprob", shown(logprob));
    jw_array(w, "bytes");
    for (size_t i = 0; i < b.n; i++)
        jw_int(w, NULL, (unsigned char)b.v[i]);
    jw_end(w);
}

static void put_chat_mark(struct jw *w, const struct api_call *c,
                          const struct marks *m, size_t i, struct buf *text)
{
    const struct top *tops = tops_of(m, i);

    jw_object(w, NULL);
    put_chat_token(w, c, m->v[i].id, m->v[i].logprob, text);
    jw_array(w, "top_logprobs");
    for (size_t k = 0; k < m->v[i].n_top; k++) {
        jw_object(w, NULL);
        put_chat_token(w, c, tops[k].id, tops[k].logprob, text);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

/* The end token is no part of a message. */
static void put_chat_logprobs(struct jw *w, const struct api_call *c,
                              size_t choice)
{
    const struct marks *m = &c->choices[choice].news.marks;
    struct buf text;

    buf_init(&text, 1 << 20);
    jw_object(w, "logprobs");
    jw_array(w, "content");
    for (size_t i = 0; i < m->n; i++)
        if (!mk_token_is_stop(c->model->model, m->v[i].id))
            put_chat_mark(w, c, m, i, &text);
    jw_end(w);
    jw_null(w, "refusal");
    jw_end(w);
    w->out->failed |= text.failed;
    buf_free(&text);
}

static void put_logprobs(struct jw *w, const struct api_call *c, size_t choice)
{
    if (!c->logprobs)
        jw_null(w, "logprobs");
    else if (c->chat)
        put_chat_logprobs(w, c, choice);
    else
        put_completion_logprobs(w, c, choice);
}

/* --- answers ---------------------------------------------------------------- */

bool api_take(struct api_call *c, struct batch *b, size_t choice,
              struct api_error *x)
{
    struct news *n = &c->choices[choice].news;

    news_free(n);
    batch_take(b, &c->order.asks[choice], n);
    if (n->over && n->finish == MK_FINISH_ERROR)
        return api_refuse_err(x, &n->err);
    return true;
}

static const char *finish_reason(const struct news *n)
{
    return !n->over ? NULL : n->finish == MK_FINISH_STOP ? "stop" : "length";
}

/* A prompt counts once, however many choices it has. */
static void put_usage(struct jw *w, const struct api_call *c)
{
    size_t n_prompt = 0, n_cached = 0, n_out = 0;

    for (size_t i = 0; i < c->order.n; i++) {
        n_out += c->choices[i].news.n_tokens;
        if (i % c->n == 0) {
            n_prompt += c->order.asks[i].n_prompt;
            n_cached += c->choices[i].news.n_cached;
        }
    }
    jw_object(w, "usage");
    jw_int(w, "prompt_tokens", (int64_t)n_prompt);
    jw_int(w, "completion_tokens", (int64_t)n_out);
    jw_int(w, "total_tokens", (int64_t)(n_prompt + n_out));
    jw_object(w, "prompt_tokens_details");
    jw_int(w, "cached_tokens", (int64_t)n_cached);
    jw_end(w);
    jw_end(w);
}

static void begin_answer(struct jw *w, const struct api_call *c, bool event)
{
    const char *chat = event ? "chat.completion.chunk" : "chat.completion";

    jw_object(w, NULL);
    jw_str(w, "id", c->id);
    jw_str(w, "object", c->chat ? chat : "text_completion");
    jw_int(w, "created", c->created);
    jw_str(w, "model", c->model->id);
    jw_array(w, "choices");
}

static void put_text(struct jw *w, const struct api_call *c, size_t choice,
                     bool first)
{
    struct str said = buf_view(&c->choices[choice].news.text);
    struct str before = first ? echoed(c, choice) : (struct str){ "", 0 };
    struct buf all;

    buf_init(&all, SIZE_MAX / 2);
    buf_text(&all, before);
    buf_text(&all, said);
    w->out->failed |= all.failed;
    jw_text(w, "text", buf_view(&all));
    buf_free(&all);
}

static void put_message(struct jw *w, const struct api_choice *ch)
{
    jw_object(w, "message");
    jw_str(w, "role", "assistant");
    jw_text(w, "content", buf_view(&ch->news.text));
    jw_null(w, "refusal");
    jw_end(w);
}

static void put_choice(struct jw *w, const struct api_call *c, size_t i)
{
    const struct api_choice *ch = &c->choices[i];

    jw_object(w, NULL);
    jw_int(w, "index", (int64_t)i);
    if (c->chat)
        put_message(w, ch);
    else
        put_text(w, c, i, true);
    put_logprobs(w, c, i);
    jw_str(w, "finish_reason", finish_reason(&ch->news));
    jw_end(w);
}

void api_write_answer(struct api_call *c, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    begin_answer(&w, c, false);
    for (size_t i = 0; i < c->order.n; i++)
        put_choice(&w, c, i);
    jw_end(&w);
    put_usage(&w, c);
    jw_end(&w);
}

/* --- streams ---------------------------------------------------------------- */

static void begin_event(struct jw *w, const struct api_call *c, struct buf *out)
{
    buf_str(out, "data: ");
    jw_init(w, out, false);
    begin_answer(w, c, true);
}

static void end_event(struct jw *w, const struct api_call *c, bool last)
{
    jw_end(w);
    if (last)
        put_usage(w, c);
    else if (c->include_usage)
        jw_null(w, "usage");
    jw_end(w);
    buf_str(w->out, "\n\n");
}

enum delta { DELTA_ROLE, DELTA_TEXT, DELTA_END };

static void put_delta(struct jw *w, const struct api_call *c, size_t i,
                      enum delta what)
{
    struct buf *text = &c->choices[i].news.text;

    jw_object(w, "delta");
    if (what == DELTA_ROLE)
        jw_str(w, "role", "assistant");
    if (what != DELTA_END)
        jw_text(w, "content",
                what == DELTA_ROLE ? (struct str){ "", 0 } : buf_view(text));
    jw_end(w);
}

static void write_event(struct api_call *c, size_t i, enum delta what,
                        bool first, struct buf *out)
{
    const struct news *n = &c->choices[i].news;
    struct jw w;

    begin_event(&w, c, out);
    jw_object(&w, NULL);
    jw_int(&w, "index", (int64_t)i);
    if (c->chat)
        put_delta(&w, c, i, what);
    else
        put_text(&w, c, i, first);
    if (what == DELTA_TEXT)
        put_logprobs(&w, c, i);
    else
        jw_null(&w, "logprobs");
    jw_str(&w, "finish_reason",
           c->chat && what != DELTA_END ? NULL : finish_reason(n));
    jw_end(&w);
    end_event(&w, c, false);
}

void api_write_events(struct api_call *c, size_t choice, struct buf *out)
{
    struct api_choice *ch = &c->choices[choice];
    const struct news *n = &ch->news;
    bool first = !ch->begun, any = n->text.n || n->marks.n || n->prompt.n;

    if (ch->closed || !(any || n->over))
        return;
    if (c->chat && first)
        write_event(c, choice, DELTA_ROLE, false, out);
    if (any || !c->chat)
        write_event(c, choice, DELTA_TEXT, first, out);
    if (c->chat && n->over)
        write_event(c, choice, DELTA_END, false, out);
    ch->begun = true;
    ch->closed = n->over;
}

void api_write_last_event(struct api_call *c, struct buf *out)
{
    struct jw w;

    if (c->include_usage) {
        begin_event(&w, c, out);
        end_event(&w, c, true);
    }
    buf_str(out, "data: [DONE]\n\n");
}
