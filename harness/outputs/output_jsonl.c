/* Plain JSON lines: an item and what was answered, a line each.
 *
 *   {"id":"1","question":"…","choices":{"A":"…"},"answer":"B",
 *    "response":"…","model":"…"}
 *
 * Members go by the names that are in use for them; of several the first of
 * the lists below counts. */
#include <string.h>

#include "harness/base/buf.h"
#include "harness/outputs/output.h"

#define QUESTION "question query instruction input prompt problem text"
#define ANSWER "answer gold target label reference expected ideal"
#define RESPONSE                                                               \
    "response prediction output completion model_output generated_text"

static enum err_code take_matcher(const struct json *j, struct outputs *out,
                                  struct output *o, struct err *e)
{
    const struct json *m = output_member(j, "matcher");
    struct buf b;
    enum err_code rc;

    if (!m)
        return ERR_OK;
    if (!json_string(json_get(m, "name")))
        return err_set(e, ERR_FORMAT,
                       "matcher: expected an object with a \"name\"");
    buf_init(&b, 1 << 20);
    rc = json_write(m, &b, e);
    if (!rc)
        o->matcher = arena_dup(out->arena, b.p, b.n);
    buf_free(&b);
    return rc;
}

static void take_numbers(const struct json *j, struct output *o)
{
    int64_t trial = output_int(j, "trial epoch");

    o->trial = trial > 0 ? (size_t)trial : 0;
    o->prompt_tokens = output_int(
        j, "prompt_tokens input_tokens usage.prompt_tokens usage.input_tokens");
    o->output_tokens = output_int(j, "output_tokens completion_tokens "
                                     "usage.completion_tokens "
                                     "usage.output_tokens");
    o->latency_ms = output_int(j, "latency_ms");
    o->theirs = output_score(j, "score correct is_correct acc");
}

static enum err_code check_line(const struct output *o, struct err *e)
{
    if (!o->questions[0])
        return err_set(e, ERR_FORMAT,
                       "no question: expected one of " QUESTION
                       ", or messages");
    if (!o->texts[0] && !o->error)
        return err_set(e, ERR_FORMAT,
                       "no answer: expected one of " RESPONSE ", or error");
    return ERR_OK;
}

/* The last thing that the user said. */
static const char *last_question(const struct output *o)
{
    for (size_t i = o->n_messages; i-- > 0;)
        if (strcmp(o->messages[i].role, "user") == 0)
            return o->messages[i].content;
    return NULL;
}

static enum err_code on_line(const struct json *j, size_t line,
                             struct outputs *out, struct err *e)
{
    struct arena *a = out->arena;
    struct output *o = output_new(out, e);
    const char *finish;
    enum err_code rc;

    if (!o)
        return e->code;
    o->line = line;
    o->model = output_field(j, "model model_name generator", a);
    o->suite = output_field(j, "suite task dataset", a);
    o->subset = output_field(j, "subset subject category", a);
    o->id = output_field(j, "id item_id question_id index", a);
    o->questions[0] = output_field(j, QUESTION, a);
    o->texts[0] = output_field(j, RESPONSE, a);
    o->reasoning = output_field(j, "reasoning reasoning_content", a);
    o->error = output_field(j, "error.message error", a);
    finish = output_field(j, "finish finish_reason", a);
    if (finish)
        o->finish = finish_from_name(finish);
    take_numbers(j, o);
    if ((rc = output_messages(output_member(j, "messages"), out, o, e)) ||
        (rc = output_choices(j, output_member(j, "choices options"), out, o,
                             e)) ||
        (rc = output_answer(output_member(j, ANSWER), out, o, e)) ||
        (rc = take_matcher(j, out, o, e)))
        return rc;
    if (!o->questions[0])
        o->questions[0] = last_question(o);
    return check_line(o, e);
}

static enum err_code read_one(struct outputs *out, struct err *e)
{
    return output_lines(out, on_line, e);
}

static enum err_code read_jsonl(const char *path, struct outputs *out,
                                struct err *e)
{
    return output_files(path, "", ".jsonl", out, read_one, e);
}

const struct output_format output_jsonl = {
    .name = "jsonl",
    .doc = "JSON lines: id, question, choices, answer, response, model ...",
    .read = read_jsonl,
};
