/* Lines of verse, idioms, set phrases: the words themselves, wherever they
 * stand in the answer.  Punctuation, white space, traditional and variant
 * characters do not matter; every other character does. */
#include <string.h>

#include "harness/match/match_parts.h"

enum {
    FORM = TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_NOSPACE | TEXT_NOPUNCT,
    LOOKS_AT = 1 << 17,
    SHOWN = 120
};

/* Characters that editions write one for the other and that are no matter of
 * traditional and simplified; each becomes the first of its row. */
static const char *const variants[] = {
    "着著", "唯惟", "么麽", "峰峯", "床牀", "溪谿", "沉沈", "径迳", "泪涙",
    "回廻", "袅嫋", "馆舘", "鹅鵞", "欢懽", "烟菸", "杯盃", "碗椀", "群羣",
    "村邨", "劫刦", "婿壻", "岳嶽", "雁鴈", "猿猨", "吃喫",
};
enum { N_VARIANTS = sizeof(variants) / sizeof(*variants), HAN_BYTES = 3 };

/* All of them take three bytes, so that the text keeps its length and its map.
 */
static void replace_variants(char *p, size_t n)
{
    for (size_t i = 0; i + HAN_BYTES <= n;) {
        if (((unsigned char)p[i] & 0xF0) != 0xE0) {
            i++;
            continue;
        }
        for (size_t v = 0; v < N_VARIANTS; v++)
            if (!memcmp(p + i, variants[v] + HAN_BYTES, HAN_BYTES))
                memcpy(p + i, variants[v], HAN_BYTES);
        i += HAN_BYTES;
    }
}

struct look {
    const struct match_in *in;
    struct arena *a;
    struct match_text t;
};

static enum err_code fold_line(const struct look *l, const char *line,
                               struct str *out, struct err *e)
{
    enum err_code rc = match_fold(str_of(line), FORM, l->a, out, e);
    char *copy = rc ? NULL : arena_dup(l->a, out->p, out->n);

    if (!rc && !copy)
        rc = match_no_memory(e);
    if (rc)
        return rc;
    replace_variants(copy, out->n);
    out->p = copy;
    return ERR_OK;
}

static enum err_code find_line(const struct look *l, const char *line,
                               size_t from, size_t *at, size_t *len,
                               struct err *e)
{
    struct str want;
    enum err_code rc = fold_line(l, line, &want, e);

    *len = want.n;
    *at =
        !rc && want.n ? str_find(buf_view(&l->t.text), want, from) : (size_t)-1;
    return rc;
}

/* One of the accepted lines. */
static enum err_code need_one(const struct look *l, struct match_out *out,
                              struct err *e)
{
    size_t at = (size_t)-1, len = 0;
    const char *line = NULL;
    enum err_code rc = ERR_OK;

    for (size_t i = 0;
         !rc && at == (size_t)-1 && (line = match_accepted(l->in->expected, i));
         i++)
        rc = find_line(l, line, 0, &at, &len, e);
    if (rc || at == (size_t)-1)
        return rc;
    out->score = 1;
    match_set_span(out, &l->t, at, at + len);
    return ERR_OK;
}

/* All lines, each behind the one before it. */
static enum err_code need_all(const struct look *l, const struct json *lines,
                              struct match_out *out, struct err *e)
{
    size_t from = 0, first = (size_t)-1, at, len, right = 0, n = 0;
    enum err_code rc = ERR_OK;
    const char *line;

    for (; !rc && (line = match_accepted(lines, n)); n++) {
        rc = find_line(l, line, from, &at, &len, e);
        if (rc || at == (size_t)-1)
            continue;
        right++;
        first = first == (size_t)-1 ? at : first;
        from = at + len;
    }
    if (rc || !right)
        return rc;
    out->score = (double)right / (double)n;
    match_set_span(out, &l->t, first, from);
    return ERR_OK;
}

/* What was read: the lines found, else how the answer begins. */
static enum err_code show(const struct look *l, struct match_out *out,
                          struct err *e)
{
    struct str s =
        str_sub(l->in->response, out->span_at, out->span_at + out->span_len);

    if (!out->span_len) {
        s = str_sub(l->t.part, 0, SHOWN);
        s = str_sub(s, 0, text_whole(s));
        out->span_at = (size_t)(s.p - l->in->response.p);
        out->span_len = s.n;
    }
    out->extracted = arena_dup(l->a, s.p, s.n);
    if (!out->extracted)
        return match_no_memory(e);
    return ERR_OK;
}

static enum err_code judge(const struct look *l, struct match_out *out,
                           struct err *e)
{
    const struct json *all = json_get(l->in->expected, "all");
    bool partial = json_bool(json_get(l->in->options, "partial"));
    enum err_code rc = all ? need_all(l, all, out, e) : need_one(l, out, e);
    bool right = out->score > 1 - 1e-9;

    if (rc)
        return rc;
    if (!out->span_len && match_is_refusal(l->in->response, NULL, NULL)) {
        match_no_answer(l->in, out);
        return ERR_OK;
    }
    out->rule = right ? "found" : out->span_len ? "some" : "missing";
    out->verdict = right ? VERDICT_CORRECT : VERDICT_WRONG;
    if (!right && !partial)
        out->score = 0;
    return show(l, out, e);
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct look l = { .in = in, .a = a };
    enum err_code rc;

    match_begin(out);
    rc = match_text_open(&l.t, in->response, FORM, LOOKS_AT, e);
    if (!rc && l.t.text.n) {
        replace_variants(l.t.text.p, l.t.text.n);
        rc = judge(&l, out, e);
    }
    match_text_close(&l.t);
    return rc;
}

/* A line must have something left when it is folded. */
static enum err_code check_lines(const struct json *lines, struct err *e)
{
    enum err_code rc = match_check_strings(lines, "a line", e);
    struct arena a;
    struct str s;
    const char *line;

    arena_init(&a, 0);
    for (size_t i = 0; !rc && (line = match_accepted(lines, i)); i++) {
        rc = match_fold(str_of(line), FORM, &a, &s, e);
        if (!rc && !s.n)
            rc = err_set(e, ERR_FORMAT,
                         "answer: \"%s\" has neither letter nor digit", line);
    }
    arena_free(&a);
    return rc;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "partial", NULL };
    static const char *const members[] = { "all", NULL };
    enum err_code rc = json_only(in->options, known, e);
    bool partial;

    if (!rc)
        rc = json_get_bool_or(in->options, "partial", false, &partial, e);
    if (rc)
        return rc;
    if (!in->expected || json_type(in->expected) != JSON_OBJECT)
        return check_lines(in->expected, e);
    rc = json_only(in->expected, members, e);
    return rc ? rc : check_lines(json_get(in->expected, "all"), e);
}

const struct match_kind match_verse = {
    .name = "verse",
    .version = 1,
    .doc = "a line of verse or an idiom, wherever it stands",
    .help =
        "answer: a line, a list of lines of which one must be there, or\n"
        "  {\"all\": [..]} - lines that must all be there, in this order\n"
        "partial: true - the score of several is the share that is there\n"
        "Punctuation, spaces, traditional and variant characters (著, 牀) do\n"
        "not matter; any other wrong character does.",
    .check = check,
    .run = run,
};
