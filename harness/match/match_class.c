/* Classification: which label of a table the answer names, by one of its
 * synonyms.
 *
 * The longest synonym at a place counts (不满意 is not 满意), and one that is
 * negated does not (并非消极).  Where it is looked for, most explicit first: a
 * first or last line that is nothing but a label; what is stated as the class;
 * all of the text.  Two labels in one place are no answer, unless several are
 * asked for. */
#include <string.h>

#include "harness/match/match_parts.h"

enum {
    FORM = TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT | TEXT_SPACE,
    LINES = TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT,
    LOOKS_AT = 1 << 16,
    LABELS_MOST = 128,
    WORDS_MOST = 1024
};

struct word {
    struct str text; /* folded */
    size_t label;
};

struct look {
    const struct match_in *in;
    struct arena *a;
    struct match_text t;
    struct word *words; /* the longest first */
    size_t n_words;
    bool begins[256]; /* bytes that some word begins with */
    const char *labels[LABELS_MOST];
    size_t n_labels;
    /* What was found. */
    bool has[LABELS_MOST];
    size_t found, at, end;
};

/* ---- the table ---- */

static enum err_code add_word(struct look *l, const char *s, size_t label,
                              struct err *e)
{
    struct word w = { .label = label };
    size_t i = l->n_words;
    enum err_code rc = match_fold(str_of(s), FORM, l->a, &w.text, e);

    if (rc || !w.text.n || l->n_words == WORDS_MOST)
        return rc;
    for (; i && l->words[i - 1].text.n < w.text.n; i--)
        l->words[i] = l->words[i - 1];
    l->words[i] = w;
    l->n_words++;
    l->begins[(unsigned char)w.text.p[0]] = true;
    return ERR_OK;
}

/* {"label": ["synonym"]} or ["label"]; a label is a synonym of itself. */
static enum err_code read_labels(struct look *l, struct err *e)
{
    const struct json *table = json_get(l->in->options, "labels");
    bool plain = json_type(table) == JSON_ARRAY;
    const struct json *m = json_child(table), *s;
    enum err_code rc = ERR_OK;

    l->words = arena_array(l->a, WORDS_MOST, sizeof(*l->words));
    if (!l->words)
        return match_no_memory(e);
    for (; m && !rc; m = json_next(m)) {
        size_t label = l->n_labels++;

        l->labels[label] = plain ? json_string(m) : json_key(m);
        rc = add_word(l, l->labels[label], label, e);
        for (s = json_child(m); s && !rc; s = json_next(s))
            rc = add_word(l, json_string(s), label, e);
    }
    return rc;
}

/* ---- labels in a stretch of text ---- */

static bool is_word_byte(char c)
{
    return match_is_latin(c) || (c >= '0' && c <= '9');
}

static bool is_at(struct str s, size_t at, struct str word)
{
    size_t end = at + word.n;

    if (!str_starts(str_sub(s, at, s.n), word))
        return false;
    if (at && is_word_byte(word.p[0]) && is_word_byte(s.p[at - 1]))
        return false;
    return end >= s.n || !is_word_byte(word.p[word.n - 1]) ||
           !is_word_byte(s.p[end]);
}

static const struct word *word_at(const struct look *l, struct str s, size_t at)
{
    if (!l->begins[(unsigned char)s.p[at]])
        return NULL;
    for (size_t i = 0; i < l->n_words; i++)
        if (is_at(s, at, l->words[i].text))
            return &l->words[i];
    return NULL;
}

/* What makes of the label before which it stands another one. */
static const struct match_rule negation_rules[] = {
    { "negated",
      "(?:不是|并不|并非|不属于|不算|不能算|不应(?:该)?(?:是|属于)?|而非|绝非|"
      "没有|不|非|无|未|排除|除了|"
      "\\bnot(?: an?| the)?|n't(?: an?| the)?|\\bnever|\\bno|\\brather than|"
      "\\bneither)(?:是|很|太|一种|一个|属于|任何)?[\\s\"'“”‘’「『*]*\\z",
      0, 0 },
};
static struct match_rules negations = MATCH_RULES(negation_rules);

enum { NEGATION_BYTES = 40 };

static enum err_code is_negated(struct str s, size_t at, bool *yes,
                                struct err *e)
{
    size_t from = at > NEGATION_BYTES ? at - NEGATION_BYTES : 0;
    struct pattern_hit h;

    while (from < at && ((unsigned char)s.p[from] & 0xC0) == 0x80)
        from++;
    return match_rules_find(&negations, 0, str_sub(s, from, at), 0, &h, yes, e);
}

/* Notes the labels of s, which lies in the folded text. */
static enum err_code find_labels(struct look *l, struct str s, struct err *e)
{
    size_t base = (size_t)(s.p - l->t.text.p), len;
    enum err_code rc = ERR_OK;
    bool negated;

    memset(l->has, 0, sizeof(l->has));
    l->found = 0;
    for (size_t at = 0; at < s.n && !rc; at += len) {
        const struct word *w = word_at(l, s, at);

        (void)text_rune(s, at, &len);
        if (!w)
            continue;
        len = w->text.n;
        rc = is_negated(s, at, &negated, e);
        if (rc || negated)
            continue;
        l->at = l->found ? l->at : base + at;
        l->end = base + at + len;
        l->found += !l->has[w->label];
        l->has[w->label] = true;
    }
    return rc;
}

/* ---- where ---- */

static bool is_multi(const struct look *l)
{
    return json_bool(json_get(l->in->options, "multi"));
}

static bool is_answer(const struct look *l)
{
    return l->found == 1 || (l->found && is_multi(l));
}

static bool has_letters(struct str s)
{
    size_t len;

    for (size_t at = 0; at < s.n; at += len) {
        int32_t rune = text_rune(s, at, &len);

        if (text_is_letter(rune) || text_is_number(rune))
            return true;
    }
    return false;
}

/* Whether a line has labels and, but for them, no letter. */
static bool is_bare(const struct look *l, struct str line)
{
    size_t labels = 0, len;

    for (size_t at = 0; at < line.n; at += len) {
        const struct word *w = word_at(l, line, at);
        int32_t rune = text_rune(line, at, &len);

        if (w) {
            labels++;
            len = w->text.n;
        } else if (text_is_letter(rune) || text_is_number(rune)) {
            return false;
        }
    }
    return labels > 0;
}

static struct str line_of(struct str s, bool last)
{
    struct str line = STR("");

    while (s.n) {
        size_t nl = str_find(s, STR("\n"), 0);
        struct str next = str_sub(s, 0, nl);

        s = str_sub(s, nl == (size_t)-1 ? s.n : nl + 1, s.n);
        if (!has_letters(next))
            continue;
        line = next;
        if (!last)
            break;
    }
    return line;
}

static enum err_code by_line(struct look *l, bool *done, struct err *e)
{
    struct str text = buf_view(&l->t.text);
    enum err_code rc = ERR_OK;

    *done = false;
    for (int last = 0; last < 2 && !rc && !*done; last++) {
        struct str line = line_of(text, last);

        if (!is_bare(l, line))
            continue;
        rc = find_labels(l, line, e);
        *done = !rc && is_answer(l);
    }
    return rc;
}

static const struct match_rule statement_rules[] = {
    { "stated",
      "(?:答案|类别|分类|类型|种类|标签|情感|情绪|倾向|态度|立场|结论|结果|判断|"
      "意图|主题|领域|关系|选择)[^。\\n!?;]{0,12}?(?:是|为|:|属于)()",
      0, 0 },
    { "stated",
      "(?:属于|归为|归入|归类为|分类为|判断为|判定为|应(?:该)?为|"
      "应(?:该)?是|可以?认为是)()",
      0, 0 },
    { "stated",
      "\\b(?:answer|label|category|class|sentiment|type|classified as|"
      "classification)\\b[^.\\n]{0,20}?(?:\\bis\\b|:|\\bas\\b)()",
      0, 0 },
};
static struct match_rules statements = MATCH_RULES(statement_rules);

/* To the end of the line or sentence. */
static struct str sentence_at(struct str s, size_t at)
{
    size_t to = at;

    while (to < s.n && !strchr("\n;!?", s.p[to]) &&
           !(s.p[to] == '.' && (to + 1 == s.n || strchr(" \n", s.p[to + 1]))) &&
           !match_starts_at(s, to, "。"))
        to++;
    return str_sub(s, at, to);
}

/* The last statement of any form that names one label. */
static enum err_code by_statement(struct look *l, bool *done, struct err *e)
{
    struct str text = buf_view(&l->t.text), best = STR("");
    enum err_code rc = ERR_OK;
    size_t last = 0;

    *done = false;
    for (size_t i = 0; i < statements.n && !rc; i++) {
        struct pattern_hit h;
        bool found = true;
        size_t from = 0;

        while (!rc && found) {
            struct str s;

            rc = match_rules_find(&statements, i, text, from, &h, &found, e);
            if (rc || !found)
                break;
            from = h.g[1].at;
            s = sentence_at(text, from);
            rc = find_labels(l, s, e);
            if (!rc && is_answer(l) && from >= last) {
                last = from;
                best = s;
            }
            from = from + s.n > from ? from + s.n : from + 1;
        }
    }
    *done = best.n > 0;
    return rc || !*done ? rc : find_labels(l, best, e);
}

static enum err_code find_answer(struct look *l, const char **rule,
                                 struct err *e)
{
    bool done;
    enum err_code rc = by_line(l, &done, e);

    *rule = "line";
    if (rc || done)
        return rc;
    *rule = "stated";
    rc = by_statement(l, &done, e);
    if (rc || done)
        return rc;
    *rule = "text";
    rc = find_labels(l, buf_view(&l->t.text), e);
    if (!rc && l->found > 1 && !is_multi(l))
        *rule = "several";
    return rc;
}

/* ---- judging ---- */

static bool is_wanted(const struct look *l, size_t label)
{
    const char *want;

    for (size_t i = 0; (want = match_accepted(l->in->expected, i)); i++)
        if (!strcmp(want, l->labels[label]))
            return true;
    return false;
}

/* Of one label: whether it is accepted.  Of several: F1 of the two sets. */
static double score(const struct look *l)
{
    size_t right = 0, wanted = 0;

    for (size_t i = 0; i < l->n_labels; i++) {
        right += l->has[i] && is_wanted(l, i);
        wanted += is_wanted(l, i);
    }
    if (!is_multi(l))
        return right ? 1 : 0;
    return 2 * (double)right / (double)(l->found + wanted);
}

static enum err_code report(const struct look *l, struct match_out *out,
                            struct err *e)
{
    bool partial = json_bool(json_get(l->in->options, "partial"));
    enum err_code rc;
    struct buf b;

    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < l->n_labels; i++)
        if (l->has[i])
            buf_printf(&b, "%s%s", b.n ? " " : "", l->labels[i]);
    rc = buf_check(&b, "labels", e);
    if (!rc)
        rc = match_extract(out, buf_view(&b), l->a, e);
    buf_free(&b);
    out->score = score(l);
    out->verdict = out->score > 1 - 1e-9 ? VERDICT_CORRECT : VERDICT_WRONG;
    if (out->verdict == VERDICT_WRONG && !partial)
        out->score = 0;
    match_set_span(out, &l->t, l->at, l->end);
    return rc;
}

static enum err_code judge(struct look *l, struct match_out *out, struct err *e)
{
    enum err_code rc = match_rules_open(&negations, e);

    if (!rc)
        rc = match_rules_open(&statements, e);
    if (!rc)
        rc = read_labels(l, e);
    if (!rc)
        rc = find_answer(l, &out->rule, e);
    if (rc)
        return rc;
    if (is_answer(l))
        return report(l, out, e);
    if (!l->found)
        out->rule = "";
    match_no_answer(l->in, out);
    return ERR_OK;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct look *l = arena_alloc(a, sizeof(*l));
    enum err_code rc;

    match_begin(out);
    if (!l)
        return match_no_memory(e);
    l->in = in;
    l->a = a;
    rc = match_text_open(&l->t, in->response, LINES, LOOKS_AT, e);
    if (!rc)
        rc = judge(l, out, e);
    match_text_close(&l->t);
    return rc;
}

/* ---- check ---- */

static enum err_code check_labels(const struct json *table, struct err *e)
{
    bool plain = table && json_type(table) == JSON_ARRAY;
    const struct json *m = json_child(table);
    size_t words = json_len(table);
    enum err_code rc = ERR_OK;

    if (json_len(table) < 2 || json_len(table) > LABELS_MOST)
        return err_set(e, ERR_FORMAT,
                       "labels: expected 2 to %d of them, as a list or as "
                       "{\"label\": [\"synonym\"]}",
                       LABELS_MOST);
    if (plain)
        return match_check_strings(table, "a label", e);
    for (; m && !rc; m = json_next(m)) {
        words += json_len(m);
        if (json_type(m) != JSON_ARRAY)
            rc = err_set(e, ERR_FORMAT, "expected a list of synonyms");
        else if (json_len(m))
            rc = match_check_strings(m, "a synonym", e);
        if (rc)
            (void)err_wrap(e, "labels: %s", json_key(m));
    }
    if (!rc && words > WORDS_MOST)
        rc = err_set(e, ERR_FORMAT, "labels: %zu words, at most %d", words,
                     WORDS_MOST);
    return rc;
}

static bool is_label(const struct json *table, const char *s)
{
    const struct json *m = json_child(table);

    if (json_type(table) == JSON_OBJECT)
        return json_get(table, s) != NULL;
    while (m && strcmp(json_string(m), s) != 0)
        m = json_next(m);
    return m != NULL;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "labels", "multi", "partial",
                                         NULL };
    const struct json *table = json_get(in->options, "labels");
    enum err_code rc = json_only(in->options, known, e);
    const char *want;
    bool flag;

    if (!rc)
        rc = json_get_bool_or(in->options, "multi", false, &flag, e);
    if (!rc)
        rc = json_get_bool_or(in->options, "partial", false, &flag, e);
    if (!rc)
        rc = check_labels(table, e);
    if (!rc)
        rc = match_check_strings(in->expected, "a label", e);
    for (size_t i = 0; !rc && (want = match_accepted(in->expected, i)); i++)
        if (!is_label(table, want))
            rc = err_set(e, ERR_FORMAT, "answer: \"%s\" is no label", want);
    return rc;
}

const struct match_kind match_class = {
    .name = "class",
    .version = 1,
    .doc = "a label of a table, by its synonyms",
    .help =
        "answer: a label, or a list of labels of which each is right; with\n"
        "  multi all of them and no other\n"
        "labels: {\"积极\": [\"正面\", \"positive\"], \"消极\": [\"负面\"]}, or\n"
        "  [\"积极\", \"消极\"]; needed\n"
        "multi: true - several labels are asked for\n"
        "partial: true - the score of several is F1\n"
        "The longest synonym counts, negated ones do not; where two labels\n"
        "are named and one is asked for there is no answer.",
    .check = check,
    .run = run,
};
