/* EvalScope: reviews/MODEL/DATASET_SUBSET.jsonl, one line an item with the
 * expected answer and the verdict; the answer as it came stands there too. */
#include <math.h>
#include <string.h>

#include "harness/outputs/output.h"

#define SCORE "sample_score.score."

static const char *last_user(const struct output *o)
{
    for (size_t i = o->n_messages; i-- > 0;)
        if (strcmp(o->messages[i].role, "user") == 0)
            return o->messages[i].content;
    return NULL;
}

/* {"value":{"accuracy":1.0},"main_score_name":"accuracy"} */
static double score_of(const struct json *j, struct arena *a)
{
    const struct json *values = output_member(j, SCORE "value");
    const char *name = output_field(j, SCORE "main_score_name", a);

    if (name && values)
        return output_score(values, name);
    return values ? output_score(values, "acc accuracy AverageAccuracy") : NAN;
}

/* The answer is no part of what was asked. */
static void drop_answer(struct output *o)
{
    if (o->n_messages &&
        strcmp(o->messages[o->n_messages - 1].role, "assistant") == 0)
        o->n_messages--;
}

static enum err_code on_line(const struct json *j, size_t line,
                             struct outputs *out, struct err *e)
{
    struct arena *a = out->arena;
    struct output *o = output_new(out, e);
    int64_t trial = output_int(j, "sample_score.generation_index");
    enum err_code rc;

    if (!o)
        return e->code;
    o->line = line;
    o->suite = output_stem(out->file, a);
    o->model = output_parent(out->file, a);
    o->trial = trial > 0 ? (size_t)trial : 0;
    o->id = output_field(j, "index sample_score.sample_id", a);
    o->texts[0] = output_field(
        j, SCORE "prediction model_output.choices.message.content", a);
    o->error = output_field(j, "model_output.error", a);
    o->theirs = score_of(j, a);
    if ((rc = output_messages(json_get(j, "messages"), out, o, e)) ||
        (rc = output_choices(j, output_member(j, "choices metadata.choices"),
                             out, o, e)) ||
        (rc = output_answer(json_get(j, "target"), out, o, e)))
        return rc;
    drop_answer(o);
    o->questions[0] = last_user(o);
    if (o->id && o->questions[0] && (o->texts[0] || o->error))
        return ERR_OK;
    return err_set(e, ERR_FORMAT,
                   "expected a line of reviews/: \"index\", \"messages\" and "
                   "\"sample_score\" with its prediction");
}

static enum err_code read_one(struct outputs *out, struct err *e)
{
    return output_lines(out, on_line, e);
}

static bool is_reviews(const char *path)
{
    return strstr(path, "reviews") != NULL;
}

static enum err_code read_reviews(struct outputs *out, struct err *e)
{
    return is_reviews(out->file) ? read_one(out, e) : ERR_OK;
}

/* A folder of a whole run holds predictions/ beside reviews/: the same answers,
 * without what was expected. */
static enum err_code read_evalscope(const char *path, struct outputs *out,
                                    struct err *e)
{
    size_t before = out->n;
    enum err_code rc = output_files(path, "", ".jsonl", out, read_reviews, e);

    if (!rc && out->n == before)
        rc = err_set(e, ERR_FORMAT, "%s: no reviews/MODEL/DATASET.jsonl in it",
                     path);
    return rc;
}

const struct output_format output_evalscope = {
    .name = "evalscope",
    .doc = "EvalScope: a run's folder, or files of its reviews/",
    .read = read_evalscope,
};
