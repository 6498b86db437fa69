/* OpenCompass: predictions/MODEL/DATASET.json.
 *
 *   {"0":{"origin_prompt":[{"role":"HUMAN","prompt":".."}],
 *         "prediction":"..","gold":"B"}}
 *
 * LawBench writes the same with "refr" in the place of "gold". */
#include <ctype.h>
#include <string.h>

#include "harness/outputs/output.h"

/* "ceval-law_1" -> "ceval-law": parts of a split data set are one suite. */
static const char *dataset_of(const char *path, struct arena *a)
{
    const char *stem = output_stem(path, a);
    const char *end = stem ? stem + strlen(stem) : NULL;

    while (end && end > stem && isdigit((unsigned char)end[-1]))
        end--;
    if (end && end > stem && *end && end[-1] == '_')
        return arena_dup(a, stem, (size_t)(end - 1 - stem));
    return stem;
}

/* What the user said in a prompt that went out with the model's own marks. */
static const char *unwrap(const char *s, struct arena *a)
{
    static const struct {
        const char *open, *close;
    } marks[] = {
        { "<|im_start|>user\n", "<|im_end|>" },
        { "[INST]", "[/INST]" },
        { "<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>" },
        { "[Round 1]\n\n问：", "\n\n答：" },
    };

    for (size_t i = 0; s && i < sizeof marks / sizeof *marks; i++) {
        const char *at = strstr(s, marks[i].open), *end;
        if (!at)
            continue;
        at += strlen(marks[i].open);
        end = strstr(at, marks[i].close);
        return end ? arena_dup(a, at, (size_t)(end - at)) : at;
    }
    return s;
}

/* Several samples of one item are a list. */
static enum err_code take_predictions(const struct json *p, struct outputs *out,
                                      size_t at, struct err *e)
{
    size_t trial = 1;

    if (!p || json_type(p) != JSON_ARRAY) {
        out->list[at].texts[0] = output_text(p, out->arena);
        return ERR_OK;
    }
    out->list[at].texts[0] = output_text(json_child(p), out->arena);
    for (p = json_next(json_child(p)); p; p = json_next(p)) {
        struct output *more = output_new(out, e);
        const char **texts;
        if (!more)
            return e->code;
        texts = more->texts;
        *more = out->list[at];
        more->texts = texts;
        more->texts[0] = output_text(p, out->arena);
        more->trial = trial++;
    }
    return ERR_OK;
}

static const char *question_of(const struct output *o, struct arena *a)
{
    for (size_t i = o->n_messages; i-- > 0;)
        if (strcmp(o->messages[i].role, "user") == 0)
            return o->messages[i].content;
    return unwrap(o->prompt, a);
}

static enum err_code take(const struct json *x, struct outputs *out,
                          struct err *e)
{
    const struct json *asked = output_member(x, "origin_prompt");
    struct output *o = output_new(out, e);
    enum err_code rc;

    if (!o)
        return e->code;
    o->id = arena_strdup(out->arena, json_key(x));
    o->suite = dataset_of(out->file, out->arena);
    o->model = output_parent(out->file, out->arena);
    o->prompt = output_text(asked, out->arena);
    if ((rc = output_messages(asked, out, o, e)) ||
        (rc = output_choices(x, json_get(x, "choices"), out, o, e)) ||
        (rc =
             output_answer(output_member(x, "gold refr reference"), out, o, e)))
        return rc;
    o->questions[0] = question_of(o, out->arena);
    if (!o->questions[0])
        return err_set(e, ERR_FORMAT,
                       "item %s: expected \"origin_prompt\", a text or a list "
                       "of messages",
                       o->id);
    if (!json_get(x, "prediction"))
        return err_set(e, ERR_FORMAT, "item %s: no \"prediction\"", o->id);
    return take_predictions(json_get(x, "prediction"), out, out->n - 1, e);
}

/* results/ and configs/ beside predictions/ hold JSON too. */
static bool is_other(const struct json *j)
{
    return !output_member(json_child(j), "origin_prompt prediction");
}

static enum err_code on_file(const struct json *j, size_t line,
                             struct outputs *out, struct err *e)
{
    enum err_code rc = ERR_OK;

    (void)line;
    if (out->searching && is_other(j))
        return ERR_OK;
    if (json_type(j) != JSON_OBJECT)
        return err_set(e, ERR_FORMAT,
                       "expected an object {\"0\":{\"prediction\":..}}");
    for (const struct json *x = json_child(j); x && !rc; x = json_next(x))
        rc = take(x, out, e);
    return rc;
}

static enum err_code read_one(struct outputs *out, struct err *e)
{
    return output_whole(out, on_file, e);
}

static enum err_code read_opencompass(const char *path, struct outputs *out,
                                      struct err *e)
{
    size_t before = out->n;
    enum err_code rc = output_files(path, "", ".json", out, read_one, e);

    if (!rc && out->n == before)
        rc = err_set(e, ERR_FORMAT,
                     "%s: no predictions in it: {\"0\":{\"origin_prompt\":..,"
                     "\"prediction\":..}}",
                     path);
    return rc;
}

const struct output_format output_opencompass = {
    .name = "opencompass",
    .doc = "OpenCompass: files of predictions/MODEL/",
    .read = read_opencompass,
};
