/* suite_check(): all faults, and what is suspicious though it can be run.
 *
 * Suspicions are what has spoilt public benchmarks: doubles, examples that are
 * also questions, answers that can be had from the question or by always
 * saying the same letter, texts decoded wrongly on the way.  Each is a cheap
 * rule that names the line; a person decides. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "suites/suite_load.h"

/* --- doubles --------------------------------------------------------------- */

struct asked {
    char digest[DIGEST_HEX]; /* of the question */
    const struct item *item;
    const char *file;
    size_t rank;               /* examples before items, then by line */
    const struct asked *first; /* of a double: the one it repeats */
};

static int by_question(const void *a, const void *b)
{
    const struct asked *x = a, *y = b;
    int c = strcmp(x->digest, y->digest);

    return c ? c : (x->rank > y->rank) - (x->rank < y->rank);
}

static int by_rank(const void *a, const void *b)
{
    const struct asked *x = a, *y = b;

    return (x->rank > y->rank) - (x->rank < y->rank);
}

static enum err_code list_asked(struct loader *l, struct asked *list)
{
    const struct suite *s = l->s;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < s->n_dev + s->n_items && !rc; i++) {
        bool dev = i < s->n_dev;
        list[i].item = dev ? &s->dev[i] : &s->items[i - s->n_dev];
        list[i].file = dev ? s->shot_source : ITEMS_FILE;
        list[i].rank = i;
        rc = item_question_sum(list[i].item, list[i].digest, l->e);
    }
    return rc;
}

/* Copies the doubles to `out` in file order; how many there are. */
static size_t find_doubles(struct asked *list, size_t n, struct asked *out)
{
    size_t found = 0, first = 0;

    qsort(list, n, sizeof *list, by_question);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(list[i].digest, list[first].digest) != 0) {
            first = i;
            continue;
        }
        out[found] = list[i];
        out[found++].first = &list[first];
    }
    qsort(out, found, sizeof *out, by_rank);
    return found;
}

static void check_doubles(struct loader *l)
{
    size_t n = l->s->n_dev + l->s->n_items, found = 0;
    struct asked *list = mem_array(2 * n + 1, sizeof *list);

    if (!list) {
        suite_load_stop(l,
                        err_set(l->e, ERR_NOMEM, "no memory for %zu items", n));
        return;
    }
    suite_load_stop(l, list_asked(l, list));
    if (!l->rc)
        found = find_doubles(list, n, list + n);
    for (size_t i = 0; i < found; i++) {
        const struct asked *again = &list[n + i], *first = again->first;
        l->file = again->file;
        suite_load_warn(l, again->item->line, "question",
                        "asks the same as %s line %zu (id %s)", first->file,
                        first->item->line, first->item->id);
    }
    mem_free(list);
}

/* --- one item -------------------------------------------------------------- */

/* The answer when it is a plain text, without its quotes; in the arena. */
static const char *plain_answer(struct loader *l, const struct item *it)
{
    struct json *j = NULL;
    const char *s = NULL;

    if (!it->answer || it->answer[0] != '"')
        return NULL;
    suite_load_stop(l, json_parse(&j, str_of(it->answer), l->e));
    if (!l->rc)
        s = arena_strdup(&l->s->arena, json_string(j));
    json_free(j);
    return s;
}

static const struct choice *find_choice(const struct item *it, const char *key)
{
    for (size_t i = 0; key && i < it->n_choices; i++) {
        if (strcmp(it->choices[i].key, key) == 0)
            return &it->choices[i];
    }
    return NULL;
}

static bool holds(const char *text, const char *part)
{
    return text && str_find(str_of(text), str_of(part), 0) != (size_t)-1;
}

/* Short texts and figures stand in a question by chance. */
static bool is_telling(const char *answer)
{
    return text_count(str_of(answer)) >= 3 &&
           answer[strspn(answer, "0123456789.,-+ ")];
}

/* A choice that is named in the question gives itself away only where the
 * other choices are not named too. */
static void check_given_away(struct loader *l, const struct item *it,
                             const char *answer)
{
    const struct choice *right = find_choice(it, answer);
    const char *text = right ? right->text : answer;

    if (!it->question || !text || !is_telling(text) ||
        !holds(it->question, text))
        return;
    for (size_t i = 0; i < it->n_choices; i++) {
        if (&it->choices[i] != right &&
            holds(it->question, it->choices[i].text))
            return;
    }
    suite_load_warn(l, it->line, "answer", "stands in the question");
}

static void check_choices(struct loader *l, const struct item *it)
{
    for (size_t i = 1; i < it->n_choices; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(it->choices[i].text, it->choices[k].text) != 0)
                continue;
            suite_load_warn(l, it->line, "choices", "%s and %s say the same",
                            it->choices[k].key, it->choices[i].key);
            return;
        }
    }
}

/* U+FFFD is what a decoder writes for what it could not read. */
static void check_decoded(struct loader *l, const struct item *it)
{
    static const char lost[] = "\xEF\xBF\xBD";
    bool found = holds(it->question, lost) || holds(it->context, lost);

    for (size_t i = 0; i < it->n_choices; i++)
        found |= holds(it->choices[i].text, lost);
    for (size_t i = 0; i < it->n_turns; i++)
        found |= holds(it->turns[i].question, lost);
    if (found)
        suite_load_warn(l, it->line, "",
                        "holds U+FFFD: the text was decoded wrongly once");
}

/* --- all items ------------------------------------------------------------- */

#define MAX_LETTERS 16

struct letters {
    const char *key[MAX_LETTERS];
    size_t count[MAX_LETTERS], n, total;
};

static void count_letter(struct letters *t, const char *key)
{
    size_t i = 0;

    while (i < t->n && strcmp(t->key[i], key) != 0)
        i++;
    if (i == MAX_LETTERS)
        return;
    t->key[i] = key;
    t->n = i == t->n ? i + 1 : t->n;
    t->count[i]++;
    t->total++;
}

/* Skewed: half as often again as its share, and beyond what chance gives (four
 * standard deviations).  `choices` are as many as the items have on average. */
static void check_letters(struct loader *l, const struct letters *t,
                          double choices)
{
    double n = (double)t->total, mean = n / choices;
    double deviation = sqrt(mean * (1 - 1 / choices));

    l->file = ITEMS_FILE;
    if (t->n == 1 && t->total >= 5) {
        suite_load_warn(
            l, 0, "answer",
            "is \"%s\" in all %zu items: a model that always says so is "
            "right; put the choices in another order",
            t->key[0], t->total);
        return;
    }
    for (size_t i = 0; i < t->n && t->total >= 20; i++) {
        double have = (double)t->count[i];
        if (have > 1.5 * mean && have > mean + 4 * deviation)
            suite_load_warn(l, 0, "answer",
                            "is \"%s\" in %zu of %zu items, about %.0f were "
                            "expected; put the choices in another order",
                            t->key[i], t->count[i], t->total, mean);
    }
}

static void check_items(struct loader *l)
{
    struct letters letters = { .n = 0 };
    size_t choices = 0;

    l->file = ITEMS_FILE;
    for (size_t i = 0; i < l->s->n_items && !l->rc; i++) {
        const struct item *it = &l->s->items[i];
        const char *answer = plain_answer(l, it);
        const struct choice *right = find_choice(it, answer);
        check_choices(l, it);
        check_decoded(l, it);
        if (answer)
            check_given_away(l, it, answer);
        if (right) {
            count_letter(&letters, right->key);
            choices += it->n_choices;
        }
    }
    if (letters.total)
        check_letters(l, &letters, (double)choices / (double)letters.total);
}

/* A suite is found by its folder's name. */
static void check_folder(struct loader *l)
{
    struct str path = str_of(l->s->path), name;
    size_t at;

    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    for (at = path.n; at > 0 && path.p[at - 1] != '/';)
        at--;
    name = str_sub(path, at, path.n);
    l->file = SUITE_FILE;
    if (l->s->id && !str_is(name, l->s->id) && !str_is(name, ".") &&
        !str_is(name, ".."))
        suite_load_warn(
            l, 0, "id",
            "\"%s\" is not the folder's name \"%.*s\": the suite is not "
            "found by its id",
            l->s->id, STR_FMT(name));
}

static void check_suspicions(struct loader *l)
{
    check_folder(l);
    check_items(l);
    check_doubles(l);
}

enum err_code suite_check(const char *path, const struct suite_checks *checks,
                          size_t *n_faults, size_t *n_warnings, struct err *e)
{
    struct suite *s = mem_zalloc(sizeof *s);
    struct loader l = { .s = s, .e = e, .checks = checks };

    if (!s)
        return err_set(e, ERR_NOMEM, "%s: no memory", path);
    arena_init(&s->arena, 0);
    suite_load_suite(&l, path);
    if (!l.rc)
        check_suspicions(&l);
    *n_faults = l.n_faults;
    *n_warnings = l.n_warnings;
    suite_close(s);
    return l.rc;
}
