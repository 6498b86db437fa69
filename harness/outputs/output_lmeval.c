/* lm-evaluation-harness: samples_TASK_DATE.jsonl (--log_samples).
 *
 * A line is an item and a filter; only one filter's lines count, since they
 * hold the same answer.  Options are scored by log-likelihood: one pair
 * [log-probability, is it greedy] each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/outputs/output.h"

#define QUESTION                                                               \
    "doc.question doc.Question doc.query doc.problem doc.instruction doc.input"

/* "samples_cmmlu_agronomy_2026-11-23T00-12-08.459234.jsonl" -> the task. */
static const char *task_of(const char *path, struct arena *a)
{
    const char *stem = output_stem(path, a), *date, *task = stem;

    if (stem && str_starts(str_of(stem), STR("samples_")))
        task = stem + strlen("samples_");
    date = task ? strrchr(task, '_') : NULL;
    if (date && strchr(date, 'T') && strchr(date, '-'))
        return arena_dup(a, task, (size_t)(date - task));
    return task;
}

/* The file results_*.json beside the samples names the model. */
static const char *model_of(struct outputs *out)
{
    const char *slash = strrchr(out->file, '/');
    const char *dir =
        slash ? arena_dup(out->arena, out->file, (size_t)(slash - out->file))
              : ".";
    const char *model = NULL;
    struct err e;
    char **names;
    size_t n;

    if (!dir || io_list(dir, out->arena, &names, &n, &e))
        return NULL;
    for (size_t i = n; i-- > 0 && !model;) {
        struct json *j = NULL;
        struct buf text;
        if (!str_starts(str_of(names[i]), STR("results_")))
            continue;
        buf_init(&text, (size_t)256 << 20);
        if (!io_read(io_join(out->arena, dir, names[i]), &text, &e) &&
            !json_parse(&j, buf_view(&text), &e))
            model = output_field(j, "model_name config.model", out->arena);
        json_free(j);
        buf_free(&text);
    }
    return model;
}

/* {"gen_args_0":{"arg_0":..}} or [[..]]: the context, a text or a chat as JSON
 * in a text. */
static enum err_code take_prompt(const struct json *j, struct outputs *out,
                                 struct output *o, struct err *e)
{
    const struct json *first = json_child(json_get(j, "arguments"));
    const struct json *arg = output_member(first, "arg_0");
    struct json *chat = NULL;
    const char *text;
    enum err_code rc = ERR_OK;

    if (!arg)
        arg = json_child(first);
    if (arg && json_type(arg) == JSON_ARRAY)
        arg = json_child(arg);
    text = output_text(arg, out->arena);
    if (text && text[0] == '[' && !json_parse(&chat, str_of(text), e))
        rc = output_messages(chat, out, o, e);
    json_free(chat);
    if (!rc && o->n_messages == 0)
        o->prompt = text;
    return rc;
}

static bool is_pair(const struct json *resp)
{
    const struct json *pair = json_child(resp);

    return json_type(resp) == JSON_ARRAY && pair &&
           json_type(pair) == JSON_ARRAY && json_len(pair) == 2;
}

static double number_of(const struct json *j)
{
    const char *s = j ? json_string(j) : NULL;

    return s ? strtod(s, NULL) : json_number(j);
}

static enum err_code take_logprobs(const struct json *resps,
                                   struct outputs *out, struct output *o,
                                   struct err *e)
{
    double *lp = arena_array(out->arena, o->n_choices, sizeof *lp);
    size_t i = 0;

    if (!lp)
        return err_set(e, ERR_NOMEM, "no memory for log-probabilities");
    for (const struct json *r = json_child(resps); r; r = json_next(r)) {
        lp[i] = number_of(json_child(json_child(r)));
        if (isnan(lp[i++]))
            return err_set(e, ERR_FORMAT,
                           "resps: option %zu has no log-probability", i);
    }
    o->logprobs = lp;
    o->finish = FINISH_SCORED;
    return ERR_OK;
}

/* Further repeats of the same item are trials. */
static enum err_code take_repeats(const struct json *list, struct outputs *out,
                                  const struct output *o, struct err *e)
{
    const struct output first = *o;
    size_t at = (size_t)(o - out->list), trial = 1;

    out->list[at].texts[0] = output_text(json_child(list), out->arena);
    for (const struct json *r = json_next(json_child(list)); r;
         r = json_next(r)) {
        struct output *more = output_new(out, e);
        const char **texts;
        if (!more)
            return e->code;
        texts = more->texts;
        *more = first;
        more->texts = texts;
        more->texts[0] = output_text(r, out->arena);
        more->trial = trial++;
        more->theirs = NAN;
    }
    return ERR_OK;
}

static enum err_code take_responses(const struct json *j, struct outputs *out,
                                    struct output *o, struct err *e)
{
    const struct json *resps = json_get(j, "resps");
    const struct json *first = json_child(resps);

    if (!first || json_type(first) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "resps: expected a list of lists");
    if (!is_pair(first))
        return take_repeats(first, out, o, e);
    if (json_len(resps) == o->n_choices)
        return take_logprobs(resps, out, o, e);
    return err_set(e, ERR_FORMAT,
                   "resps: %zu log-probabilities for %zu options",
                   json_len(resps), o->n_choices);
}

/* The first metric that the line names. */
static double score_of(const struct json *j)
{
    const char *name = json_string(json_child(json_get(j, "metrics")));
    double v = name ? output_score(j, name) : NAN;

    return isnan(v) ? output_score(j, "acc exact_match") : v;
}

/* Options that the task lists, or those that were scored. */
static enum err_code take_choices(const struct json *j, struct outputs *out,
                                  struct output *o, struct err *e)
{
    const struct json *list =
        output_member(j, "doc.choices.text doc.choices doc.options");
    enum err_code rc = output_choices(json_get(j, "doc"), list, out, o, e);

    if (!rc && o->n_choices == 0)
        rc = output_choices(j, json_get(j, "arguments"), out, o, e);
    return rc;
}

/* The first line's filter is the one whose lines count. */
static bool other_filter(const struct json *j, struct outputs *out)
{
    const char *name = json_string(json_get(j, "filter"));

    if (!name)
        return false;
    if (!out->tag)
        out->tag = arena_strdup(out->arena, name);
    return out->tag && strcmp(out->tag, name) != 0;
}

static enum err_code on_line(const struct json *j, size_t line,
                             struct outputs *out, struct err *e)
{
    struct arena *a = out->arena;
    struct output *o;
    enum err_code rc;

    if (other_filter(j, out))
        return ERR_OK;
    o = output_new(out, e);
    if (!o)
        return e->code;
    o->line = line;
    o->suite = task_of(out->file, a);
    o->id = output_field(j, "doc_id", a);
    o->theirs = score_of(j);
    if ((rc = take_prompt(j, out, o, e)) || (rc = take_choices(j, out, o, e)) ||
        (rc = output_answer(json_get(j, "target"), out, o, e)))
        return rc;
    o->questions[0] = output_field(j, QUESTION, a);
    if (!o->questions[0])
        o->questions[0] = o->prompt;
    if (!o->id || !o->questions[0])
        return err_set(e, ERR_FORMAT,
                       "expected \"doc_id\" and a question in "
                       "\"doc\" or \"arguments\"");
    return take_responses(j, out, o, e);
}

static enum err_code read_one(struct outputs *out, struct err *e)
{
    const char *model = model_of(out);
    size_t first = out->n;
    enum err_code rc;

    out->tag = NULL;
    rc = output_lines(out, on_line, e);
    for (size_t i = first; i < out->n; i++)
        out->list[i].model = model;
    return rc;
}

static enum err_code read_lmeval(const char *path, struct outputs *out,
                                 struct err *e)
{
    return output_files(path, "samples_", ".jsonl", out, read_one, e);
}

const struct output_format output_lmeval = {
    .name = "lm-eval",
    .doc = "lm-evaluation-harness: samples_TASK_DATE.jsonl (--log_samples)",
    .read = read_lmeval,
};
