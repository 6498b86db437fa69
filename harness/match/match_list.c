/* Answers of several parts: the letters of the questions below one passage, the
 * blanks of a text, things in their order, a set.
 *
 * A suite may say with "cut" how the parts are found, so that another
 * benchmark's own rule can be written down and its figures be had again.
 * Without it a cascade of rules reads the letters, most explicit first. */
#include <math.h>
#include <string.h>

#include "harness/match/match_parts.h"

enum {
    FOLD = TEXT_NFKC | TEXT_SIMPLE,
    COMPARE = TEXT_NFKC | TEXT_CASE | TEXT_SIMPLE | TEXT_PUNCT | TEXT_NOSPACE,
    PARTS_MOST = 256,
    LOOKS_AT = 128 * 1024
};

struct part {
    struct str text;
    long number; /* that stood before it; 0: none */
};

struct parts {
    const struct match_in *in;
    struct arena *a;
    size_t n_want;
    const struct json *want; /* list of strings */
    bool set;                /* order and doubles do not count */
    struct part list[PARTS_MOST];
    size_t n;
    const char *rule;
    struct str text; /* looked at */
    bool copied;     /* it is no part of the response */
    size_t at, end;  /* of what was read, in text */
};

/* --- found parts ------------------------------------------------------------ */

static void add_part(struct parts *p, struct str s, size_t at, size_t end)
{
    if (p->n == 0)
        p->at = at;
    p->end = end;
    if (p->n < PARTS_MOST)
        p->list[p->n++].text = s;
}

static void forget_parts(struct parts *p)
{
    memset(p->list, 0, sizeof p->list);
    p->n = 0;
}

/* Each hit's first group (or all of it) from `from` on. */
static enum err_code take_hits(struct parts *p, const struct pattern *pattern,
                               struct str s, struct err *e)
{
    struct pattern_hit h;
    size_t from = 0, base = (size_t)(s.p - p->text.p);
    bool found = true;
    enum err_code rc = ERR_OK;

    while (!rc && found && from <= s.n) {
        size_t g;
        rc = pattern_find(pattern, s, from, &h, &found, e);
        if (rc || !found)
            break;
        g = h.n > 1 && h.g[1].at != (size_t)-1;
        add_part(p, match_group(s, &h, g), base + h.g[g].at, base + h.g[g].end);
        from = h.g[0].end > from ? h.g[0].end : from + 1;
    }
    return rc;
}

/* --- the suite's own rules --------------------------------------------------- */

/* What a cut looks at: from a mark on, the last characters, or all. */
static bool cut_text(const struct json *cut, struct str all, struct str *out)
{
    const char *mark = json_string(json_get(cut, "from"));
    double tail = json_number(json_get(cut, "tail"));

    *out = all;
    if (mark) {
        size_t at = str_find(all, str_of(mark), 0);
        if (at == (size_t)-1)
            return false;
        *out = str_sub(all, at, all.n);
    }
    for (size_t n = text_count(*out); tail > 0 && (double)n > tail; n--) {
        size_t len = 1;
        (void)text_rune(*out, 0, &len);
        *out = str_sub(*out, len, out->n);
    }
    return true;
}

/* "first"/"last": as many as are wanted, of a set one. */
static void keep(struct parts *p, const char *take)
{
    size_t most = p->set ? 1 : p->n_want;

    if (!take || strcmp(take, "all") == 0 || p->n <= most)
        return;
    if (strcmp(take, "last") == 0)
        memmove(p->list, p->list + p->n - most, most * sizeof *p->list);
    p->n = most;
}

/* White space inside what is looked at may be dropped first. */
static enum err_code prepare(const struct json *cut, struct parts *p,
                             struct str *s, struct err *e)
{
    if (!json_bool(json_get(cut, "nospace")))
        return ERR_OK;
    return match_fold(*s, TEXT_NOSPACE, p->a, s, e);
}

static enum err_code run_cut(struct parts *p, const struct json *cut,
                             bool *done, struct err *e)
{
    const char *source = json_string(json_get(cut, "pattern"));
    struct str all = match_answer_part(p->in->response), s;
    struct pattern *pattern;
    enum err_code rc = prepare(cut, p, &all, e);

    *done = false;
    if (rc || !cut_text(cut, all, &s))
        return rc;
    rc = pattern_open(&pattern, str_of(source), 0, e);
    if (rc)
        return rc;
    p->text = all;
    p->copied = json_bool(json_get(cut, "nospace"));
    forget_parts(p);
    rc = take_hits(p, pattern, s, e);
    pattern_close(pattern);
    keep(p, json_string(json_get(cut, "take")));
    *done = !rc && p->n &&
            (!json_bool(json_get(cut, "count")) || p->n == p->n_want);
    return rc;
}

static enum err_code run_cuts(struct parts *p, const struct json *cuts,
                              struct err *e)
{
    enum err_code rc = ERR_OK;
    bool done = false;

    p->rule = "cut";
    for (const struct json *c = json_child(cuts); c && !rc && !done;
         c = json_next(c))
        rc = run_cut(p, c, &done, e);
    if (!rc && !done)
        p->n = 0;
    return rc;
}

/* --- the cascade ------------------------------------------------------------- */

#define END "(?![A-Za-z'’])"
#define MARK "(?:【答案】|\\[答案\\]|答案(?:依次|分别)?(?:是|为)?"
#define ALL                                                                    \
    "\\s{0,100}+[:：]?\\s{0,100}+([A-Z](?:[\\s,，、;；]{0,3}[A-Z]){1,127})" END
/* The letters of one question stand behind its number, those of all behind the
 * word for answer or on a line of their own.  What is said to be the answer to
 * all comes before what is said of each one on the way. */
static const struct match_rule rules[] = {
    { "stated-run", MARK ")" ALL, PATTERN_MULTILINE, 0 },
    { "numbered",
      "(?:^|[\\s:：;；。,，、】\\]])[(（]?(?:第)?(\\d{1,3})[)）]?(?:题|小题|空)?\\s*[.、．:：)）]?\\s*+"
      "(?:\\[?【?答案】?\\]?(?:是|为)?|选|应选|故选)?\\s*+[:：]?\\s*+[(（【\\[]?"
      "([A-Z]{1,8})[)）】\\]]?" END,
      PATTERN_MULTILINE, 0 },
    { "marked",
      "(?:【答案】|\\[答案\\]|答案(?:是|为)?|故选|应选)\\s*[:：]?\\s*[(（【\\[]?"
      "([A-Z]{1,8})[)）】\\]]?" END,
      0, 0 },
    { "run", MARK "|^)" ALL, PATTERN_MULTILINE, 0 },
};
#undef MARK
#undef ALL
#undef END
enum { STATED_RUN, NUMBERED, MARKED, RUN };
static struct match_rules cascade = MATCH_RULES(rules);

/* A number that comes again is a change of mind: the later one counts. */
static void add_numbered(struct parts *p, struct str number, struct str s,
                         size_t at, size_t end)
{
    long value = 0;

    for (size_t i = 0; i < number.n; i++)
        value = value * 10 + (number.p[i] - '0');
    for (size_t i = 0; i < p->n; i++) {
        if (p->list[i].number == value) {
            p->list[i].text = s;
            return;
        }
    }
    add_part(p, s, at, end);
    p->list[p->n - 1].number = value;
}

static enum err_code read_rule(struct parts *p, size_t rule, struct err *e)
{
    size_t from = 0, group = rule == NUMBERED ? 2 : 1;
    struct pattern_hit h;
    bool found = true;
    enum err_code rc = ERR_OK;

    forget_parts(p);
    while (!rc && found && from < p->text.n && p->n < PARTS_MOST) {
        struct str s;
        rc = match_rules_find(&cascade, rule, p->text, from, &h, &found, e);
        if (rc || !found)
            break;
        s = match_group(p->text, &h, group);
        if (rule == NUMBERED)
            add_numbered(p, match_group(p->text, &h, 1), s, h.g[0].at,
                         h.g[0].end);
        else
            add_part(p, s, h.g[0].at, h.g[0].end);
        from = h.g[0].end > from ? h.g[0].end : from + 1;
    }
    return rc;
}

/* The last run has the letters, one each. */
static void split_run(struct parts *p)
{
    struct str letters;

    if (p->n == 0)
        return;
    letters = p->list[p->n - 1].text;
    forget_parts(p);
    for (size_t i = 0; i < letters.n; i++)
        if (match_is_latin(letters.p[i]))
            add_part(p, str_sub(letters, i, i + 1), p->at, p->end);
}

/* --- answers that leave a question open --------------------------------------- */

static const struct match_rule head_rules[] = {
    { "head",
      "(?:\\A|\\n)\\s{0,100}+[(（]?第?(\\d{1,3})[)）]?(?:题|小题|空)?\\s*[.、．:：)）]?",
      0, 0 },
};
static struct match_rules heads = MATCH_RULES(head_rules);
static const struct match_rule block_rules[] = {
    { "first", "\\A\\s*[(（【\\[]?([A-Z]{1,8})[)）】\\]]?(?![A-Za-z'’]| [a-z])",
      0, 0 },
    { "marked",
      "(?:【答案】|\\[答案\\]|答案(?:是|为)?|故选|应选)\\s*[:：]?\\s*[(（【\\[]?"
      "([A-Z]{1,8})[)）】\\]]?(?![A-Za-z'’])",
      0, 0 },
};
static struct match_rules blocks = MATCH_RULES(block_rules);

/* The numbers at the start of lines, if there is one for each question and they
 * go up by one: the parts are then what follows each, to the next. */
static enum err_code find_heads(struct parts *p, struct err *e)
{
    enum err_code rc = match_rules_open(&heads, e);
    struct pattern_hit h;
    size_t from = 0;
    bool found = true;

    forget_parts(p);
    while (!rc && p->n <= p->n_want && p->n < PARTS_MOST) {
        rc = match_rules_find(&heads, 0, p->text, from, &h, &found, e);
        if (rc || !found)
            break;
        add_numbered(p, match_group(p->text, &h, 1), STR(""), h.g[0].at,
                     h.g[0].end);
        p->list[p->n - 1].text = str_sub(p->text, h.g[0].end, p->text.n);
        from = h.g[0].end;
    }
    for (size_t i = 1; i < p->n; i++)
        if (p->list[i].number != p->list[0].number + (long)i)
            p->n = 0;
    return rc;
}

static enum err_code read_block(struct str block, struct str *letters,
                                struct err *e)
{
    struct pattern_hit h;
    bool found = false;
    enum err_code rc = match_rules_open(&blocks, e);

    *letters = STR("");
    for (size_t i = 0; i < blocks.n && !rc && !found; i++)
        rc = match_rules_find(&blocks, i, block, 0, &h, &found, e);
    if (!rc && found)
        *letters = match_group(block, &h, 1);
    return rc;
}

/* Question by question, where each has its number and some have no answer:
 * those stay empty. */
static enum err_code run_blocks(struct parts *p, struct err *e)
{
    enum err_code rc = find_heads(p, e);
    size_t answered = 0;

    if (p->n != p->n_want || p->n < 2)
        p->n = 0;
    for (size_t i = 0; i < p->n && !rc; i++) {
        struct str *s = &p->list[i].text;

        if (i + 1 < p->n)
            *s = str_sub(*s, 0, (size_t)(p->list[i + 1].text.p - s->p));
        rc = read_block(*s, s, e);
        answered += s->n > 0;
    }
    p->end = p->text.n;
    p->rule = "blocks";
    p->n = answered ? p->n : 0;
    return rc;
}

static bool wants_single(const struct parts *p)
{
    bool single = true;

    for (size_t i = 0; i < p->n_want; i++)
        single &= strlen(json_string(json_at(p->want, i))) == 1;
    return single;
}

/* Rule i of the cascade, the last of which is the blocks: nothing, unless it
 * finds as many parts as are wanted. */
static enum err_code run_rule(struct parts *p, size_t i, struct err *e)
{
    enum err_code rc;

    p->n = 0;
    if (i == STATED_RUN && !wants_single(p))
        return ERR_OK;
    if (i == cascade.n)
        return run_blocks(p, e);
    rc = read_rule(p, i, e);
    if (!rc && (i == RUN || i == STATED_RUN))
        split_run(p);
    p->rule = rules[i].name;
    p->n = p->n == p->n_want ? p->n : 0;
    return rc;
}

static enum err_code run_cascade(struct parts *p, struct err *e)
{
    enum err_code rc = match_rules_open(&cascade, e);

    p->n = 0;
    for (size_t i = 0; i <= cascade.n && !rc && !p->n; i++)
        rc = run_rule(p, i, e);
    return rc;
}

/* Parts that are no letters: what stands between separators behind the word
 * for answer, or in all of the text. */
static enum err_code run_separated(struct parts *p, struct err *e)
{
    static const char *const marks[] = { "答案是", "答案为",   "答案:",
                                         "答案：", "【答案】", NULL };
    struct pattern *pattern;
    struct str s = p->text;
    enum err_code rc;

    for (size_t i = 0, at; marks[i]; i++)
        if ((at = str_find(s, str_of(marks[i]), 0)) != (size_t)-1)
            s = str_sub(s, at + strlen(marks[i]), s.n);
    rc = pattern_open(
        &pattern, STR("(?:\\d{1,2}[.、)）]\\s*)?([^\\s,，、;；。→>|]+)"), 0, e);
    if (rc)
        return rc;
    rc = take_hits(p, pattern, s, e);
    pattern_close(pattern);
    p->rule = "separated";
    if (!p->set && p->n != p->n_want)
        p->n = 0;
    return rc;
}

/* --- comparing --------------------------------------------------------------- */

static const char *want_at(const struct parts *p, size_t i)
{
    return json_string(json_at(p->want, i));
}

static bool wants_letters(const struct parts *p)
{
    for (size_t i = 0; i < p->n_want; i++) {
        const char *s = want_at(p, i);
        if (strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(s))
            return false;
    }
    return true;
}

static enum err_code fold_all(struct parts *p, struct str *want,
                              struct str *got, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < p->n_want && !rc; i++)
        rc = match_fold(str_of(want_at(p, i)), COMPARE, p->a, &want[i], e);
    for (size_t i = 0; i < p->n && !rc; i++)
        rc = match_fold(p->list[i].text, COMPARE, p->a, &got[i], e);
    return rc;
}

static bool has(const struct str *list, size_t n, struct str s)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i], s))
            return true;
    return false;
}

static size_t count_in(const struct str *list, size_t n, const struct str *of,
                       size_t n_of)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += has(of, n_of, list[i]);
    return count;
}

/* All wanted and no other: 1.  Some of them and no other: `partial`. */
static double score_set(const struct parts *p, const struct str *want,
                        const struct str *got)
{
    double partial = json_number(json_get(p->in->options, "partial"));
    size_t right = count_in(got, p->n, want, p->n_want);
    size_t covered = count_in(want, p->n_want, got, p->n);

    if (right == p->n && covered == p->n_want)
        return 1;
    return right == p->n && covered && partial > 0 ? partial : 0;
}

/* The share of places that hold what is wanted there. */
static double score_list(const struct parts *p, const struct str *want,
                         const struct str *got)
{
    const char *how = json_string(json_get(p->in->options, "partial"));
    size_t right = 0;

    if (p->n != p->n_want)
        return 0;
    for (size_t i = 0; i < p->n; i++)
        right += str_eq(want[i], got[i]);
    if (right == p->n || (how && strcmp(how, "each") == 0))
        return (double)right / (double)p->n;
    return 0;
}

static void write_parts(const struct parts *p, struct match_out *out)
{
    struct buf b;

    buf_init(&b, LOOKS_AT);
    for (size_t i = 0; i < p->n; i++) {
        if (i)
            buf_char(&b, ' ');
        buf_text(&b, p->list[i].text.n ? p->list[i].text : STR("-"));
    }
    out->extracted = b.failed ? NULL : arena_dup(p->a, b.p, b.n);
    buf_free(&b);
}

static enum err_code judge(struct parts *p, struct match_out *out,
                           struct err *e)
{
    struct str *want = arena_array(p->a, p->n_want + 1, sizeof *want);
    struct str *got = arena_array(p->a, p->n + 1, sizeof *got);
    enum err_code rc;

    if (!want || !got)
        return match_no_memory(e);
    rc = fold_all(p, want, got, e);
    if (rc)
        return rc;
    out->score = p->set ? score_set(p, want, got) : score_list(p, want, got);
    out->verdict = out->score >= 1 ? VERDICT_CORRECT : VERDICT_WRONG;
    out->rule = p->rule;
    write_parts(p, out);
    return out->extracted ? ERR_OK : match_no_memory(e);
}

/* --- run and check ----------------------------------------------------------- */

static void read_want(struct parts *p)
{
    const struct json *set = json_get(p->in->expected, "set");

    p->set = set != NULL;
    p->want = set ? set : p->in->expected;
    p->n_want = json_len(p->want);
}

static void set_raw_span(const struct parts *p, struct match_out *out)
{
    if (p->n == 0 || p->copied)
        return;
    out->span_at = (size_t)(p->text.p - p->in->response.p) + p->at;
    out->span_len = p->end - p->at;
}

static enum err_code look(struct parts *p, struct match_text *t,
                          struct match_out *out, struct err *e)
{
    const struct json *cuts = json_get(p->in->options, "cut");
    enum err_code rc;

    if (cuts) {
        rc = run_cuts(p, cuts, e);
        set_raw_span(p, out);
        return rc;
    }
    rc = match_text_open(t, p->in->response, FOLD, LOOKS_AT, e);
    p->text = buf_view(&t->text);
    if (!rc)
        rc = wants_letters(p) && !p->set ? run_cascade(p, e)
                                         : run_separated(p, e);
    if (!rc && p->n)
        match_set_span(out, t, p->at, p->end);
    return rc;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct match_text t = { 0 };
    struct parts *p = arena_alloc(a, sizeof *p);
    enum err_code rc;

    match_begin(out);
    if (!p)
        return match_no_memory(e);
    p->in = in;
    p->a = a;
    read_want(p);
    rc = look(p, &t, out, e);
    if (rc == ERR_LIMIT) {
        out->rule = "limit";
        rc = ERR_OK;
    } else if (!rc && p->n == 0) {
        match_no_answer(in, out);
    } else if (!rc) {
        rc = judge(p, out, e);
    }
    match_text_close(&t);
    return rc;
}

static const char *rule(size_t i)
{
    static const char *const more[] = { "blocks", "separated", "cut", "refusal",
                                        NULL };

    return match_rule_name(&cascade, more, i);
}

/* Where letters are wanted in their order: elsewhere there is one rule. */
static enum err_code add_rules(struct parts *p, struct match_candidates *out,
                               struct err *e)
{
    enum err_code rc = match_rules_open(&cascade, e);

    for (size_t i = 0; i <= cascade.n && !rc; i++) {
        struct match_out one = { .score = 0 };

        rc = run_rule(p, i, e);
        if (rc || !p->n)
            continue;
        rc = judge(p, &one, e);
        if (!rc)
            rc = match_candidate_add(out, p->a,
                                     (struct match_candidate){
                                         one.rule, one.extracted, one.verdict },
                                     e);
    }
    return rc;
}

static enum err_code candidates(const struct match_in *in, struct arena *a,
                                struct match_candidates *out, struct err *e)
{
    struct match_text t = { 0 };
    struct parts *p = arena_alloc(a, sizeof *p);
    enum err_code rc = ERR_OK;

    if (!p)
        return match_no_memory(e);
    p->in = in;
    p->a = a;
    read_want(p);
    if (json_get(in->options, "cut") || p->set || !wants_letters(p))
        return ERR_OK;
    rc = match_text_open(&t, in->response, FOLD, LOOKS_AT, e);
    p->text = buf_view(&t.text);
    if (!rc)
        rc = add_rules(p, out, e);
    match_text_close(&t);
    return rc;
}

static enum err_code check_cut(const struct json *cut, struct err *e)
{
    static const char *const known[] = { "pattern", "from",    "tail", "take",
                                         "count",   "nospace", NULL };
    const char *source, *take;
    struct pattern *p;
    enum err_code rc = json_only(cut, known, e);

    if (!rc)
        rc = json_get_str(cut, "pattern", &source, e);
    if (!rc)
        rc = json_get_str_or(cut, "take", "all", &take, e);
    if (rc)
        return err_wrap(e, "cut");
    if (strcmp(take, "all") != 0 && strcmp(take, "first") != 0 &&
        strcmp(take, "last") != 0)
        return err_set(e, ERR_FORMAT,
                       "cut: take: expected all, first or last, got \"%s\"",
                       take);
    rc = pattern_open(&p, str_of(source), 0, e);
    pattern_close(p);
    return rc ? err_wrap(e, "cut") : ERR_OK;
}

static enum err_code check_partial(const struct json *partial, bool set,
                                   struct err *e)
{
    const char *each = partial ? json_string(partial) : NULL;
    double v = partial ? json_number(partial) : 0;

    if (!partial || (!set && each && strcmp(each, "each") == 0) ||
        (set && v >= 0 && v < 1))
        return ERR_OK;
    return err_set(e, ERR_FORMAT,
                   "partial: expected \"each\" for a list, or 0 to below 1 "
                   "for a set");
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "cut", "partial", NULL };
    const struct json *set = json_get(in->expected, "set");
    const struct json *list = set ? set : in->expected;
    const struct json *cuts = json_get(in->options, "cut");
    enum err_code rc = json_only(in->options, known, e);

    if (!rc && (!list || json_type(list) != JSON_ARRAY || !json_len(list)))
        return err_set(e, ERR_FORMAT,
                       "answer: expected a list of texts, or {\"set\": [..]}");
    if (!rc)
        rc = match_check_strings(list, "a list of texts", e);
    if (!rc && json_len(list) > PARTS_MOST)
        rc = err_set(e, ERR_FORMAT, "answer: %zu parts, at most %d",
                     json_len(list), PARTS_MOST);
    if (!rc)
        rc = check_partial(json_get(in->options, "partial"), set != NULL, e);
    for (const struct json *c = json_child(cuts); c && !rc; c = json_next(c))
        rc = check_cut(c, e);
    return rc;
}

const struct match_kind match_list = {
    .name = "list",
    .version = 2,
    .doc = "an answer of several parts, in order or as a set",
    .help =
        "answer: [\"B\", \"D\", \"A\"] - the parts in their order; {\"set\":\n"
        "  [\"A\", \"C\"]} - in any order.\n"
        "partial: \"each\" - the score of a list is its share of right places;\n"
        "  0.5 - that of a set that lacks some parts and has no wrong one.\n"
        "cut: [{\"pattern\": ..}] - how the parts are found: each hit's first\n"
        "  group (or all of it); the first of the list that hits counts.\n"
        "  from: a text from which on, tail: the last so many characters,\n"
        "  nospace: true - without white space, take: all, first or last (as\n"
        "  many as are wanted), count: true - only when it hits so often.\n"
        "Without cut letters are read behind the numbers of the questions,\n"
        "behind the word for answer, or as a run; other parts between\n"
        "separators.  A question that is numbered and has no letter stays open\n"
        "(-); another number of parts is unparsable.",
    .check = check,
    .run = run,
    .rule = rule,
    .candidates = candidates,
};
