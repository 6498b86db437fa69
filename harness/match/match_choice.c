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
static uint32_t expected_set(const struct choice_keys *k, const char *s)
{
    return s ? choice_key_set(k, str_of(s)) : 0;
}

static bool wants_multi(const struct match_in *in, const struct choice_keys *k)
{
    const char *s;
    bool multi = json_bool(json_get(in->options, "multi"));

    for (size_t i = 0; (s = match_accepted(in->expected, i)); i++)
        multi |= choice_count(expected_set(k, s)) > 1;
    return multi;
}

static uint32_t key_set(const struct match_in *in, const struct choice_keys *k)
{
    uint32_t all = 0;

    for (size_t i = 0; i < in->n_choices; i++)
        all |= choice_key_bit(k, in->choices[i].key);
    return all;
}

/* A subset of a multiple answer earns options.partial. */
static void judge(const struct choice_look *l, uint32_t found,
                  struct match_out *out)
{
    const struct match_in *in = l->in;
    double partial = json_number(json_get(in->options, "partial"));
    const char *s;

    out->verdict = VERDICT_WRONG;
    for (size_t i = 0; (s = match_accepted(in->expected, i)); i++) {
        uint32_t want = expected_set(l->keys, s);

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
    const struct choice_keys *k = choice_keys_of(in);
    enum err_code rc;

    *l = (struct choice_look){
        .in = in, .keys = k, .all = key_set(in, k), .multi = wants_multi(in, k)
    };
    rc = choice_text_open(l, e);
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
    out->extracted = choice_key_text(l->keys, p->set, a);
    if (!out->extracted)
        return match_no_memory(e);
    out->rule = p->rule;
    set_span(l, p, out);
    if (choice_count(p->set) > 1 && !l->multi)
        out->verdict = VERDICT_UNPARSABLE;
    else
        judge(l, p->set, out);
    return ERR_OK;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct choice_look l;
    struct choice_pick p;
    enum err_code rc = look_open(&l, in, e);

    match_begin(out);
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
                                  .extracted =
                                      choice_key_text(l->keys, p->set, a),
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
    const struct choice_keys *k = choice_keys_of(in);
    uint32_t all = 0;

    if (in->n_choices < 2)
        return err_set(e, ERR_FORMAT, "choices: expected two or more, got %zu",
                       in->n_choices);
    for (size_t i = 0; i < in->n_choices; i++) {
        struct str key = in->choices[i].key;
        uint32_t bit = choice_key_bit(k, key);

        if (!bit || all & bit)
            return err_set(e, ERR_FORMAT,
                           "choices: expected different capital letters as "
                           "keys (or 甲 乙 丙 ..., or ① ② ③ ...), got "
                           "\"%.*s\"",
                           STR_FMT(key));
        all |= bit;
    }
    return ERR_OK;
}

static enum err_code check_expected(const struct match_in *in, struct err *e)
{
    const struct choice_keys *k = choice_keys_of(in);
    enum err_code rc = match_check_strings(in->expected, "a letter", e);
    const char *s;

    for (size_t i = 0; !rc && (s = match_accepted(in->expected, i)); i++) {
        uint32_t set = expected_set(k, s);

        if (!set || set & ~key_set(in, k))
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
            "  Choices may be keyed 甲 乙 丙 ... or ① ② ③ ... instead.\n"
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
