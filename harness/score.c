/* What a verdict is made of: the item's side, the response's side, a matcher. */
#include "harness/score.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "harness/base/digest.h"
#include "harness/base/json.h"
#include "harness/match/match.h"
#include "harness/score_parts.h"

/* On three real models int8 activations changed the likeliest option of 17 in
 * 384 CMMLU questions, compared with float32; the margins of these were 0.073
 * nats and less.  Margins moved by 0.1 (Qwen2.5-Coder-0.5B) to 0.29
 * (SmolLM2-135M), but only large ones by that much: below this bound the choice
 * may be the other one in float32. */
#define NEAR_TIE_NATS 0.2
/* The rule of picking the likeliest option: raised when verdicts or near ties
 * could change. */
enum { LOGPROB_VERSION = 2, SETTINGS_CHARS = 16 };

void scorer_free(struct scorer *j)
{
    json_free(j->options);
    *j = (struct scorer){ 0 };
}

static enum err_code use_matcher(struct scorer *j, const char *text,
                                 struct err *e)
{
    const char *name, *nearest;

    if (j->text && (j->text == text || strcmp(j->text, text) == 0))
        return ERR_OK;
    scorer_free(j);
    if (json_parse(&j->options, str_of(text), e) ||
        json_get_str(j->options, "name", &name, e))
        return err_wrap(e, "matcher");
    j->kind = match_find(name, &nearest);
    if (!j->kind) {
        err_set(e, ERR_FORMAT, "unknown matcher \"%s\"; the nearest is \"%s\"",
                name, nearest);
        return ERR_FORMAT;
    }
    if (j->kind->outside && j->kind->outside(j->options, &j->outside, e) &&
        e->code != ERR_NOENV)
        return e->code;
    j->text = text;
    return ERR_OK;
}

/* Hash of what else decides the verdict: fields with their lengths, so that
 * they cannot run together.  What stands outside of the suite is added only
 * where there is something. */
static const char *settings_hash(const struct scorer *j,
                                 const struct score_in *in, struct arena *a)
{
    const char *choices = in->choices ? in->choices : "";
    char *all =
        arena_printf(a, "%zu:%s%zu:%s%zu:%s%s", strlen(in->answer), in->answer,
                     strlen(choices), choices, strlen(in->matcher), in->matcher,
                     j->outside ? j->outside : "");
    char hex[DIGEST_HEX];

    if (!all)
        return NULL;
    digest_hex(str_of(all), hex);
    return arena_dup(a, hex, SETTINGS_CHARS);
}

enum err_code scorer_prepare(struct scorer *j, const struct score_in *in,
                             struct arena *a, struct store_score *out,
                             struct err *e)
{
    *out = (struct store_score){ .matcher = "logprob",
                                 .version = LOGPROB_VERSION };
    if (!in->matcher)
        return err_set(e, ERR_FORMAT, "the item has no matcher");
    if (use_matcher(j, in->matcher, e))
        return e->code;
    if (!in->logprobs_json) {
        out->matcher = j->kind->name;
        out->version = j->kind->version;
    }
    out->settings_hash = settings_hash(j, in, a);
    return out->settings_hash ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

static void set_verdict(struct store_score *out, enum verdict v)
{
    out->verdict = verdict_name(v);
}

/* ---- By log-likelihood ---- */

/* Whether the answer, a string or a list of them, names the key. */
static bool names_key(const struct json *answer, const char *key)
{
    const char *s = json_string(answer);

    if (s)
        return strcmp(s, key) == 0;
    for (const struct json *j = json_child(answer); j; j = json_next(j)) {
        s = json_string(j);
        if (s && strcmp(s, key) == 0)
            return true;
    }
    return false;
}

/* What an option's log-probability is divided by, as the matcher's
 * "normalise" says. */
struct norm {
    const char *by; /* the option's member; NULL: nothing */
    const char *rule, *tie;
};

static const struct norm norms[] = {
    { NULL, "logprob", "logprob-tie" },
    { "bytes", "logprob-bytes", "logprob-bytes-tie" },
    { "tokens", "logprob-tokens", "logprob-tokens-tie" },
};

static const struct norm *norm_of(const struct json *matcher)
{
    const char *by = json_string(json_get(matcher, "normalise"));

    for (size_t i = 1; by && i < sizeof norms / sizeof *norms; i++)
        if (strcmp(by, norms[i].by) == 0)
            return &norms[i];
    return &norms[0];
}

/* An option, comparable with the others. */
struct option {
    const char *key;
    double value;  /* log-probability over length; NaN: none */
    double length; /* 1 where nothing is divided, or it is not known */
};

static struct option read_option(const struct json *j, const struct norm *norm)
{
    struct option o = { json_key(j), NAN, 1 };
    const struct json *p = j, *length = NULL;

    if (json_type(j) == JSON_OBJECT) {
        p = json_get(j, "logprob");
        length = norm->by ? json_get(j, norm->by) : NULL;
    }
    if (length && json_number(length) > 1)
        o.length = json_number(length);
    if (p)
        o.value = json_number(p) / o.length;
    return o;
}

/* The likeliest option, and the next one. */
struct ranking {
    struct option first, second;
};

static struct ranking rank(const struct json *options, const struct norm *norm)
{
    const struct option none = { NULL, -INFINITY, 1 };
    struct ranking r = { none, none };

    for (const struct json *j = json_child(options); j; j = json_next(j)) {
        struct option o = read_option(j, norm);
        if (isnan(o.value))
            continue;
        if (!r.first.key || o.value > r.first.value) {
            r.second = r.first;
            r.first = o;
        } else if (!r.second.key || o.value > r.second.value) {
            r.second = o;
        }
    }
    return r;
}

/* What is divided by a length moves less. */
static bool is_near(const struct ranking *r)
{
    double shorter =
        r->first.length < r->second.length ? r->first.length : r->second.length;
    return r->first.value - r->second.value < NEAR_TIE_NATS / shorter;
}

static enum err_code judge_options(const struct scorer *j,
                                   const struct score_in *in,
                                   const struct json *answer, struct arena *a,
                                   struct store_score *out, struct err *e)
{
    const struct norm *norm = norm_of(j->options);
    struct json *options = NULL;
    struct ranking r;
    enum err_code rc = json_parse(&options, str_of(in->logprobs_json), e);

    if (rc)
        return err_wrap(e, "scores of the options");
    r = rank(options, norm);
    out->rule = norm->rule;
    out->extracted = "";
    set_verdict(out, VERDICT_UNPARSABLE);
    if (r.first.key) {
        bool right = names_key(answer, r.first.key);
        bool tie = !(r.first.value > r.second.value);
        set_verdict(out, right ? VERDICT_CORRECT : VERDICT_WRONG);
        out->score = right;
        out->extracted = arena_strdup(a, r.first.key);
        out->rule = tie ? norm->tie : norm->rule;
        out->near_tie = tie || (in->q8 && is_near(&r));
    }
    json_free(options);
    return out->extracted ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

/* ---- By reading the text ---- */

static enum err_code read_choices(const struct json *choices, struct arena *a,
                                  struct match_in *m, struct err *e)
{
    struct match_choice *c = arena_array(a, json_len(choices), sizeof *c);
    size_t n = 0;

    if (!c)
        return err_set(e, ERR_NOMEM, "no memory");
    for (const struct json *j = json_child(choices); j; j = json_next(j))
        c[n++] = (struct match_choice){ str_of(json_key(j)),
                                        str_of(json_string(j)) };
    m->choices = c;
    m->n_choices = n;
    return ERR_OK;
}

static bool was_refused(const char *finish)
{
    return finish &&
           (strcmp(finish, "refused") == 0 || strcmp(finish, "filter") == 0);
}

static void take_match(const struct score_in *in, const struct match_out *m,
                       struct store_score *out)
{
    out->score = m->score;
    out->extracted = m->extracted ? m->extracted : "";
    out->rule = m->rule ? m->rule : "";
    out->span_at = (int64_t)m->span_at;
    out->span_len = (int64_t)m->span_len;
    out->near_tie = in->q8 && in->margin < NEAR_TIE_NATS;
    set_verdict(out, m->verdict);
    if (m->verdict == VERDICT_UNPARSABLE && was_refused(in->finish)) {
        set_verdict(out, VERDICT_REFUSED);
        out->rule = "finish";
    }
}

static enum err_code judge_text(const struct scorer *j,
                                const struct score_in *in,
                                const struct json *answer,
                                const struct json *choices, struct arena *a,
                                struct store_score *out, struct err *e)
{
    struct match_out found = { .verdict = VERDICT_UNPARSABLE };
    struct match_in m = { .expected = answer,
                          .options = j->options,
                          .response = str_of(in->text) };
    enum err_code rc = read_choices(choices, a, &m, e);

    assert(j->kind);
    if (rc)
        return rc;
    if (!text_check(m.response, NULL)) {
        found.rule = "bad-utf8";
    } else {
        rc = j->kind->run(&m, a, &found, e);
        if (rc == ERR_LIMIT) {
            found = (struct match_out){ .verdict = VERDICT_UNPARSABLE,
                                        .rule = "limit" };
            rc = ERR_OK;
        }
    }
    if (!rc)
        take_match(in, &found, out);
    return rc;
}

enum err_code scorer_judge(const struct scorer *j, const struct score_in *in,
                           struct arena *a, struct store_score *out,
                           struct err *e)
{
    struct json *answer = NULL, *choices = NULL;
    enum err_code rc = json_parse(&answer, str_of(in->answer), e);

    if (rc)
        rc = err_wrap(e, "answer");
    else if (in->logprobs_json)
        rc = judge_options(j, in, answer, a, out, e);
    else if (in->choices && json_parse(&choices, str_of(in->choices), e))
        rc = err_wrap(e, "choices");
    else
        rc = judge_text(j, in, answer, choices, a, out, e);
    json_free(choices);
    json_free(answer);
    return rc;
}

enum err_code score_judge(const struct score_in *in, struct arena *a,
                          struct store_score *out, struct err *e)
{
    struct scorer j = { 0 };
    enum err_code rc = scorer_prepare(&j, in, a, out, e);

    if (!rc)
        rc = scorer_judge(&j, in, a, out, e);
    scorer_free(&j);
    return rc;
}

static enum err_code list_candidates(const struct scorer *j,
                                     const struct score_in *in, struct arena *a,
                                     struct match_candidates *out,
                                     struct err *e)
{
    struct json *answer = NULL, *choices = NULL;
    struct match_in m = { .options = j->options, .response = str_of(in->text) };
    enum err_code rc = json_parse(&answer, str_of(in->answer), e);

    m.expected = answer;
    if (!rc && in->choices)
        rc = json_parse(&choices, str_of(in->choices), e);
    if (!rc)
        rc = read_choices(choices, a, &m, e);
    if (!rc)
        rc = j->kind->candidates(&m, a, out, e);
    json_free(choices);
    json_free(answer);
    return rc;
}

enum err_code score_candidates(const struct score_in *in, struct arena *a,
                               struct match_candidates *out, struct err *e)
{
    struct scorer j = { 0 };
    enum err_code rc;

    *out = (struct match_candidates){ .n = 0 };
    if (!in->matcher || in->logprobs_json ||
        !text_check(str_of(in->text), NULL))
        return ERR_OK;
    rc = use_matcher(&j, in->matcher, e);
    if (!rc && j.kind->candidates)
        rc = list_candidates(&j, in, a, out, e);
    scorer_free(&j);
    return rc == ERR_LIMIT ? ERR_OK : rc;
}
