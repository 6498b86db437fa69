/* The letter of a choice, read from free Chinese or English text.
 *
 * Answers come in every form between "B" and a page of reasoning that mentions
 * all letters, changes its mind and quotes options.  A cascade of tiers looks
 * for what the model itself states as its answer, the most explicit form first:
 *
 *   STATED   答案是B, \boxed{B}, 故选B, The answer is (B)   the last one wins
 *   ALONE    B. 因为…; a last line that is only a letter    must agree
 *   WHICH    错误的一项是C                                   must agree
 *   RIGHT    B项正确, option B is correct                    must agree
 *   (code)   judged: every option called right or wrong
 *   NAMED    …的情形是B: …; 综上所述，选项D不正确。          must agree
 *   BOLD     **B. 北京**                                     must agree
 *   (code)   option text quoted instead of its letter
 *   (code)   only: a short answer with one letter in it
 *
 * Within STATED the last hit wins, because models correct themselves and put
 * the conclusion last; 题目有误 or 无正确答案 said later still is the conclusion
 * that there is none.  In the other tiers hits that disagree leave the tier
 * without a result.  What no tier can tell is unparsable: never a guess.
 *
 * A hit counts only if its letters are choices of the item, stand at word
 * borders, and are neither denied before (不选, 排除, 如果是) nor after (错误,
 * 吗, ?).  Those guards are patterns of their own, held against the few bytes
 * before and after a hit, so that every rule has them (choice_rules.c). */
#include <string.h>

#include "harness/match/choice.h"

/* Letters of an accepted answer: "B", "ABD", "A,B". */
static uint32_t expected_set(const char *s)
{
    return s ? choice_letters(str_of(s)) : 0;
}

static bool wants_multi(const struct match_in *in)
{
    const char *s;
    bool multi = json_bool(json_get(in->options, "multi"));

    for (size_t i = 0; (s = match_accepted(in->expected, i)); i++)
        multi |= choice_count(expected_set(s)) > 1;
    return multi;
}

static uint32_t key_set(const struct match_in *in)
{
    uint32_t all = 0;

    for (size_t i = 0; i < in->n_choices; i++)
        if (in->choices[i].key.n == 1)
            all |= choice_bit(in->choices[i].key.p[0]);
    return all;
}

static char *letters_text(uint32_t set, struct arena *a)
{
    char text[27];
    size_t n = 0;

    for (int i = 0; i < 26; i++)
        if (set >> i & 1)
            text[n++] = (char)('A' + i);
    return arena_dup(a, text, n);
}

/* A subset of a multiple answer earns options.partial. */
static void judge(const struct match_in *in, uint32_t found,
                  struct match_out *out)
{
    double partial = json_number(json_get(in->options, "partial"));
    const char *s;

    out->verdict = VERDICT_WRONG;
    for (size_t i = 0; (s = match_accepted(in->expected, i)); i++) {
        uint32_t want = expected_set(s);

        if (found == want) {
            out->verdict = VERDICT_CORRECT;
            out->score = 1;
            return;
        }
        if (found && !(found & ~want) && partial > out->score)
            out->score = partial;
    }
}

/* ---- the cascade ---- */

static enum err_code look_open(struct choice_look *l, const struct match_in *in,
                               struct err *e)
{
    enum err_code rc;

    *l = (struct choice_look){ .in = in,
                               .all = key_set(in),
                               .multi = wants_multi(in) };
    rc = match_text_open(&l->t, in->response, CHOICE_FLAGS, CHOICE_LOOKS_AT, e);
    l->text = buf_view(&l->t.text);
    if (!rc)
        rc = match_rules_open(&choice_rules, e);
    if (!rc)
        rc = choice_cut_next(l, e);
    l->lists = rc ? 0 : choice_lists(l);
    return rc;
}

static bool is_found(const struct choice_pick *p)
{
    return p->none || (p->set && !p->clash);
}

/* Of several answers those called right by name are not all: only where every
 * option is judged. */
static enum err_code run_tier(const struct choice_look *l,
                              enum choice_tier tier, struct choice_pick *p,
                              struct err *e)
{
    enum err_code rc = ERR_OK;

    if (tier == CHOICE_RIGHT && l->multi)
        return choice_run_judged(l, p, e);
    rc = choice_run_tier(l, tier, p, e);
    if (!rc && tier == CHOICE_RIGHT && !is_found(p))
        rc = choice_run_judged(l, p, e);
    return rc;
}

static void set_span(const struct choice_look *l, const struct choice_pick *p,
                     struct match_out *out)
{
    out->span_at = p->span_at;
    out->span_len = p->span_len;
    if (!p->quoted)
        match_set_span(out, &l->t, p->at, p->end);
}

/* Where it said that no option is right, only what is quoted behind that
 * counts: 无法确定 may be an option itself. */
static enum err_code run_quoted(const struct choice_look *l, struct arena *a,
                                struct choice_pick *p, struct err *e)
{
    struct match_out none = { .span_at = 0 };
    struct choice_pick q;
    enum err_code rc = choice_run_quoted(l, a, &q, e);

    if (p->none)
        set_span(l, p, &none);
    if (!rc && (!p->none || (q.set && q.span_at >= none.span_at)))
        *p = q;
    return rc;
}

static enum err_code run_cascade(const struct choice_look *l, struct arena *a,
                                 struct choice_pick *p, struct err *e)
{
    enum err_code rc = ERR_OK;

    *p = (struct choice_pick){ .set = 0 };
    for (int t = CHOICE_STATED; t < CHOICE_TIERS && !rc && !is_found(p); t++)
        rc = run_tier(l, (enum choice_tier)t, p, e);
    if (!rc && (p->none || !is_found(p)))
        rc = run_quoted(l, a, p, e);
    if (!rc && !is_found(p))
        rc = choice_run_only(l, p, e);
    return rc;
}

static enum err_code finish(const struct choice_look *l,
                            const struct choice_pick *p, struct arena *a,
                            struct match_out *out, struct err *e)
{
    size_t at, len;

    if (p->none && !match_is_refusal(l->in->response, &at, &len)) {
        out->rule = p->rule;
        set_span(l, p, out);
        return ERR_OK;
    }
    if (!is_found(p) || p->none ||
        (p->weak && match_is_refusal(l->in->response, &at, &len))) {
        match_no_answer(l->in, out);
        return ERR_OK;
    }
    out->extracted = letters_text(p->set, a);
    if (!out->extracted)
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
    out->rule = p->rule;
    set_span(l, p, out);
    if (choice_count(p->set) > 1 && !l->multi)
        out->verdict = VERDICT_UNPARSABLE;
    else
        judge(l->in, p->set, out);
    return ERR_OK;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct choice_look l;
    struct choice_pick p;
    enum err_code rc = look_open(&l, in, e);

    *out = (struct match_out){ .verdict = VERDICT_UNPARSABLE,
                               .extracted = "",
                               .rule = "" };
    if (!rc)
        rc = run_cascade(&l, a, &p, e);
    if (!rc)
        rc = finish(&l, &p, a, out, e);
    match_text_close(&l.t);
    return rc;
}

/* ---- what each rule reads ---- */

static const char *rule(size_t i)
{
    static const char *const more[] = { "judged",
                                        "option-text",
                                        "option-text-stated",
                                        "option-text-once",
                                        "only",
                                        "refusal",
                                        NULL };

    if (i < choice_none.n)
        return choice_none.rules[i].name;
    return match_rule_name(&choice_rules, more, i - choice_none.n);
}

static enum err_code add(const struct choice_look *l,
                         const struct choice_pick *p, struct arena *a,
                         struct match_candidates *out, struct err *e)
{
    struct match_out one = { .verdict = VERDICT_UNPARSABLE };
    enum err_code rc;

    if (!is_found(p))
        return ERR_OK;
    rc = finish(l, p, a, &one, e);
    if (rc)
        return rc;
    return match_candidate_add(
        out, a,
        (struct match_candidate){ .rule = p->rule,
                                  .extracted = letters_text(p->set, a),
                                  .verdict = one.verdict },
        e);
}

static enum err_code add_all(const struct choice_look *l, struct arena *a,
                             struct match_candidates *out, struct err *e)
{
    struct choice_pick p = { .set = 0 };
    enum err_code rc = choice_run_none(l, &p, e);

    if (!rc)
        rc = add(l, &p, a, out, e);
    for (size_t i = 0; i < choice_rules.n && !rc; i++) {
        rc = choice_run_rule(l, i, &p, e);
        if (!rc)
            rc = add(l, &p, a, out, e);
    }
    if (!rc && !(rc = choice_run_judged(l, &p, e)))
        rc = add(l, &p, a, out, e);
    if (!rc && !(rc = choice_run_quoted(l, a, &p, e)))
        rc = add(l, &p, a, out, e);
    if (!rc && !(rc = choice_run_only(l, &p, e)))
        rc = add(l, &p, a, out, e);
    return rc;
}

static enum err_code candidates(const struct match_in *in, struct arena *a,
                                struct match_candidates *out, struct err *e)
{
    struct choice_look l;
    enum err_code rc = look_open(&l, in, e);

    if (!rc)
        rc = add_all(&l, a, out, e);
    match_text_close(&l.t);
    return rc;
}

/* ---- check ---- */

static enum err_code check_keys(const struct match_in *in, struct err *e)
{
    if (in->n_choices < 2)
        return err_set(e, ERR_FORMAT, "choices: expected two or more, got %zu",
                       in->n_choices);
    for (size_t i = 0; i < in->n_choices; i++) {
        struct str key = in->choices[i].key;

        if (key.n != 1 || key.p[0] < 'A' || key.p[0] > 'Z')
            return err_set(e, ERR_FORMAT,
                           "choices: expected a capital letter as key, got "
                           "\"%.*s\"",
                           STR_FMT(key));
    }
    return ERR_OK;
}

static enum err_code check_expected(const struct match_in *in, struct err *e)
{
    enum err_code rc = match_check_strings(in->expected, "a letter", e);
    const char *s;

    for (size_t i = 0; !rc && (s = match_accepted(in->expected, i)); i++) {
        uint32_t set = expected_set(s);

        if (!set || set & ~key_set(in))
            rc = err_set(e, ERR_FORMAT,
                         "answer: expected one of %.*s-%.*s, got \"%s\"",
                         STR_FMT(in->choices[0].key),
                         STR_FMT(in->choices[in->n_choices - 1].key), s);
    }
    return rc;
}

/* For items that are asked by log-likelihood: harness/score.c does it. */
static enum err_code check_normalise(const struct match_in *in, struct err *e)
{
    const char *how;

    if (json_get_str_or(in->options, "normalise", "no", &how, e))
        return e->code;
    if (!strcmp(how, "no") || !strcmp(how, "bytes") || !strcmp(how, "tokens"))
        return ERR_OK;
    return err_set(e, ERR_FORMAT,
                   "normalise: expected \"no\", \"bytes\" or \"tokens\", got "
                   "\"%s\"",
                   how);
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "name", "multi", "partial",
                                         "normalise", NULL };
    enum err_code rc = json_only(in->options, known, e);
    double partial;
    bool multi;

    if (!rc)
        rc = json_get_bool_or(in->options, "multi", false, &multi, e);
    if (!rc)
        rc = json_get_num_or(in->options, "partial", 0, &partial, e);
    if (!rc && !(partial >= 0 && partial < 1))
        rc = err_set(e, ERR_FORMAT, "partial: expected 0 to below 1, got %g",
                     partial);
    if (!rc)
        rc = check_normalise(in, e);
    if (!rc)
        rc = check_keys(in, e);
    return rc ? rc : check_expected(in, e);
}

const struct match_kind match_choice = {
    .name = "choice",
    .version = 2,
    .doc = "the letter of a choice, read from free text",
    .help = "answer: a letter of the choices, \"B\"; a list [\"B\", \"C\"]\n"
            "  accepts any one of them; \"ABD\" wants all of these letters.\n"
            "multi: true - several letters may be right (implied by an answer\n"
            "  of several letters); else an answer of several is unparsable.\n"
            "partial: 0.5 - score of an answer that lacks some of the right\n"
            "  letters and has no wrong one; default 0.\n"
            "normalise: \"bytes\" or \"tokens\" - where options are scored by\n"
            "  log-likelihood, it is divided by the option's length first;\n"
            "  default \"no\".\n"
            "Reads the last 64 KiB of an answer.  The rule that found the\n"
            "letter is reported; what is ambiguous is unparsable.",
    .check = check,
    .run = run,
    .rule = rule,
    .candidates = candidates,
};
