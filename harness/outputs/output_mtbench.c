/* MT-Bench (FastChat): question.jsonl, and model_answer/MODEL.jsonl beside or
 * below it.  Nothing is expected, so nothing is judged. */
#include <string.h>

#include "harness/base/io.h"
#include "harness/outputs/output.h"

/* A path's folder; "." when it has none. */
static const char *folder_of(const char *path, struct arena *a)
{
    const char *slash = strrchr(path, '/');

    return slash ? arena_dup(a, path, (size_t)(slash - path)) : ".";
}

/* question.jsonl in the answers' folder or the one above it. */
static enum err_code open_questions(struct outputs *out, struct json **list,
                                    struct err *e)
{
    const char *dir = folder_of(out->file, out->arena);
    const char *file = io_join(out->arena, dir, "question.jsonl");
    struct buf text, array;
    struct io_lines l = { 0 };
    enum err_code rc;

    if (file && !io_exists(file))
        file = io_join(out->arena, dir, "../question.jsonl");
    if (!file)
        return err_set(e, ERR_NOMEM, "no memory for a name");
    buf_init(&text, (size_t)256 << 20);
    buf_init(&array, (size_t)256 << 20);
    rc = io_read(file, &text, e);
    l.rest = io_skip_bom(buf_view(&text));
    while (!rc && io_next_line(&l)) {
        if (str_trim(l.line).n == 0)
            continue;
        buf_char(&array, array.n ? ',' : '[');
        buf_text(&array, l.line);
    }
    buf_str(&array, array.n ? "]" : "[]");
    if (!rc)
        rc = buf_check(&array, "the questions", e);
    if (!rc)
        rc = json_parse(list, buf_view(&array), e);
    if (rc)
        err_wrap(e, "%s", file);
    buf_free(&text);
    buf_free(&array);
    return rc;
}

static const struct json *question_of(const struct json *list, const char *id,
                                      struct arena *a)
{
    for (const struct json *q = json_child(list); q; q = json_next(q)) {
        const char *have = output_field(q, "question_id", a);
        if (have && strcmp(have, id) == 0)
            return q;
    }
    return NULL;
}

static enum err_code take_turns(const struct json *questions,
                                const struct json *answers, struct outputs *out,
                                struct output *o, struct err *e)
{
    size_t n = json_len(questions);

    if (n == 0 || n != json_len(answers))
        return err_set(e, ERR_FORMAT, "%zu answers to %zu turns",
                       json_len(answers), n);
    o->n_turns = n;
    o->questions = arena_array(out->arena, n, sizeof *o->questions);
    o->texts = arena_array(out->arena, n, sizeof *o->texts);
    for (size_t i = 0; i < n && o->questions && o->texts; i++) {
        o->questions[i] = output_text(json_at(questions, i), out->arena);
        o->texts[i] = output_text(json_at(answers, i), out->arena);
        if (!o->questions[i] || !o->texts[i])
            return err_set(e, ERR_FORMAT, "turns[%zu]: expected a text", i);
    }
    return out->arena->failed ? err_set(e, ERR_NOMEM, "no memory for turns")
                              : ERR_OK;
}

static enum err_code take_choice(const struct json *answer,
                                 const struct json *choice,
                                 const struct json *question,
                                 struct outputs *out, struct err *e)
{
    struct output *o = output_new(out, e);
    int64_t index = output_int(choice, "index");

    if (!o)
        return e->code;
    o->suite = "mt-bench";
    o->id = output_field(answer, "question_id", out->arena);
    o->model = output_field(answer, "model_id", out->arena);
    o->subset = output_field(question, "category", out->arena);
    o->trial = index > 0 ? (size_t)index : 0;
    return take_turns(json_get(question, "turns"), json_get(choice, "turns"),
                      out, o, e);
}

static enum err_code take_answer(const struct json *j,
                                 const struct json *questions,
                                 struct outputs *out, struct err *e)
{
    const char *id = output_field(j, "question_id", out->arena);
    const struct json *q = id ? question_of(questions, id, out->arena) : NULL;
    enum err_code rc = ERR_OK;

    if (!q)
        return err_set(e, ERR_FORMAT, "no question %s in question.jsonl",
                       id ? id : "without an id");
    for (const struct json *c = json_child(json_get(j, "choices")); c && !rc;
         c = json_next(c))
        rc = take_choice(j, c, q, out, e);
    return rc;
}

static enum err_code read_lines(struct outputs *out, struct str text,
                                const struct json *questions, struct err *e)
{
    struct io_lines l = { .rest = io_skip_bom(text) };
    enum err_code rc = ERR_OK;

    while (!rc && io_next_line(&l)) {
        struct json *j = NULL;
        if (str_trim(l.line).n == 0)
            continue;
        rc = json_parse(&j, l.line, e);
        if (!rc)
            rc = take_answer(j, questions, out, e);
        json_free(j);
        if (rc)
            err_wrap(e, "line %zu", l.number);
    }
    return rc;
}

static enum err_code read_one(struct outputs *out, struct err *e)
{
    struct json *questions = NULL;
    struct buf text;
    enum err_code rc;

    if (str_ends(str_of(out->file), STR("question.jsonl")))
        return ERR_OK;
    buf_init(&text, (size_t)1 << 30);
    rc = open_questions(out, &questions, e);
    if (!rc)
        rc = io_read(out->file, &text, e);
    if (!rc)
        rc = read_lines(out, buf_view(&text), questions, e);
    json_free(questions);
    buf_free(&text);
    return rc;
}

static enum err_code read_mtbench(const char *path, struct outputs *out,
                                  struct err *e)
{
    return output_files(path, "", ".jsonl", out, read_one, e);
}

const struct output_format output_mtbench = {
    .name = "mt-bench",
    .doc = "MT-Bench: model_answer/MODEL.jsonl with question.jsonl beside it",
    .read = read_mtbench,
};
