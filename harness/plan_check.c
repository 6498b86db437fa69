/* What templates and matchers have to say about a suite: the hooks of
 * suite_check(), and the gate that every planned item passes. */
#include <string.h>

#include "harness/base/json.h"
#include "harness/match/match.h"
#include "harness/plan.h"

#define MAX_CHOICES 64

/* One judgement: an answer and the matcher it is for. */
struct judged {
    const char *answer, *matcher; /* JSON */
    const struct choice *choices;
    size_t n_choices;
};

static enum err_code find_kind(const struct json *matcher,
                               const struct match_kind **out, struct err *e)
{
    const char *name = json_string(json_get(matcher, "name"));
    const char *near = "";

    *out = match_find(name, &near);
    if (*out)
        return ERR_OK;
    return err_set(e, ERR_FORMAT, "matcher: no \"%s\"; did you mean \"%s\"?",
                   name, near);
}

/* A kind says "answer: ..." of the answer; what else it names may be its own
 * option or a member of the answer's object. */
static enum err_code check_parsed(const struct judged *x,
                                  const struct json *answer,
                                  const struct json *matcher, struct err *e)
{
    struct match_choice choices[MAX_CHOICES];
    struct match_in in = { .expected = answer, .options = matcher };
    const struct match_kind *kind;
    enum err_code rc = find_kind(matcher, &kind, e);

    if (rc)
        return rc;
    if (x->n_choices > MAX_CHOICES)
        return err_set(e, ERR_FORMAT, "choices: %zu of them, at most %d",
                       x->n_choices, MAX_CHOICES);
    for (size_t i = 0; i < x->n_choices; i++)
        choices[i] = (struct match_choice){ str_of(x->choices[i].key),
                                            str_of(x->choices[i].text) };
    in.choices = choices;
    in.n_choices = x->n_choices;
    rc = kind->check(&in, e);
    if (rc == ERR_FORMAT && strncmp(e->msg, "answer", 6) != 0)
        rc = err_wrap(e, "answer and matcher");
    return rc;
}

static enum err_code check_judged(const struct judged *x, struct err *e)
{
    struct json *answer = NULL, *matcher = NULL;
    enum err_code rc = json_parse(&answer, str_of(x->answer), e);

    if (!rc)
        rc = json_parse(&matcher, str_of(x->matcher), e);
    if (!rc)
        rc = check_parsed(x, answer, matcher, e);
    json_free(answer);
    json_free(matcher);
    return rc;
}

enum err_code plan_check_suite(void *user, const struct suite *s, struct err *e)
{
    const struct match_kind *kind;
    const char *near = "";
    struct json *matcher;
    enum err_code rc;

    (void)user;
    if (!prompt_template_find(s->template, &near))
        return err_set(e, ERR_FORMAT,
                       "template: no \"%s\"; did you mean \"%s\"?", s->template,
                       near);
    rc = json_parse(&matcher, str_of(s->matcher), e);
    if (rc)
        return rc;
    rc = find_kind(matcher, &kind, e);
    json_free(matcher);
    return rc;
}

static enum err_code check_turn(const struct suite *s, const struct item *it,
                                size_t i, struct err *e)
{
    const struct turn *t = &it->turns[i];
    const struct judged x = {
        .answer = t->answer,
        .matcher = t->matcher ? t->matcher : suite_item_matcher(s, it),
    };
    enum err_code rc = t->answer ? check_judged(&x, e) : ERR_OK;

    return rc ? err_wrap(e, "turns[%zu]", i) : ERR_OK;
}

enum err_code plan_check_item(void *user, const struct suite *s,
                              const struct item *it, struct err *e)
{
    const struct judged x = {
        .answer = it->answer,
        .matcher = suite_item_matcher(s, it),
        .choices = it->choices,
        .n_choices = it->n_choices,
    };
    enum err_code rc = ERR_OK;

    (void)user;
    if (it->n_turns == 0)
        return check_judged(&x, e);
    for (size_t i = 0; i < it->n_turns && !rc; i++)
        rc = check_turn(s, it, i, e);
    return rc;
}
