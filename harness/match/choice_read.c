/* How the matcher `choice` reads letters with its rules: which hits count, what
 * the rules of a tier read together, where every option is judged, a single
 * letter in a short answer. */
#include "harness/match/choice.h"

#include <string.h>

enum {
    BEFORE = 48, /* bytes a guard sees */
    AFTER = 64,
    LIST_NEAR = 600 /* bytes in which a list goes on to B */
};

/* ---- letters ---- */

uint32_t choice_bit(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    return c >= 'A' && c <= 'Z' ? (uint32_t)1 << (c - 'A') : 0;
}

size_t choice_count(uint32_t set)
{
    return (size_t)__builtin_popcount(set);
}

/* The letters of a list, without the words between them (and, or). */
uint32_t choice_letters(struct str s)
{
    uint32_t set = 0;

    for (size_t i = 0; i < s.n; i++) {
        bool word =
            match_is_latin(s.p[i]) &&
            ((i && s.p[i - 1] >= 'a' && s.p[i - 1] <= 'z') ||
             (s.p[i] >= 'a' && i + 1 < s.n && match_is_latin(s.p[i + 1])));

        if (!word)
            set |= choice_bit(s.p[i]);
    }
    return set;
}

/* Words after which a single A is a letter and not an article. */
static bool ends_article(struct str word)
{
    static const char *const words[] = { "because", "since", "as",    "is",
                                         "and",     "or",    "for",   "due",
                                         "but",     "which", "option" };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (str_is(word, words[i]))
            return true;
    return false;
}

static bool is_article(struct str s, size_t at, size_t end)
{
    size_t from = end + 1, to;

    if (end - at != 1 || (s.p[at] != 'A' && s.p[at] != 'a'))
        return false;
    if (from >= s.n || s.p[end] != ' ' || s.p[from] < 'a' || s.p[from] > 'z')
        return false;
    for (to = from; to < s.n && s.p[to] >= 'a' && s.p[to] <= 'z'; to++)
        ;
    return !ends_article(str_sub(s, from, to));
}

/* ---- guards ---- */

/* The clause before `at`, at most BEFORE bytes of it. */
static struct str clause_before(struct str s, size_t at)
{
    size_t from = at > BEFORE ? at - BEFORE : 0;

    while (from < at && ((unsigned char)s.p[from] & 0xC0) == 0x80)
        from++;
    return str_sub(s, from, at);
}

static struct str text_after(struct str s, size_t at)
{
    struct str rest = str_sub(s, at, at + AFTER);

    return str_sub(rest, 0, text_whole(rest));
}

/* A at `end` begins a list of all choices: 下列正确的是：A：…；B：…；C：… */
static bool begins_list(const struct choice_look *l, uint32_t set, size_t end)
{
    static const char *const marks[] = { ".", ":", "、", ")" };
    struct str near = str_sub(l->text, end, end + LIST_NEAR);

    if (set != 1)
        return false;
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        struct str mark = str_of(marks[i]);
        size_t at = 0;

        if (!str_starts(near, mark))
            continue;
        while ((at = str_find(near, STR("B"), at + 1)) != (size_t)-1)
            if (strchr("\n ;(", near.p[at - 1]) || at == mark.n ||
                str_ends(str_sub(near, 0, at), STR("。")))
                if (str_starts(str_sub(near, at + 1, near.n), mark))
                    return true;
    }
    return false;
}

enum err_code choice_denied(struct str s, size_t from, size_t end, bool firm,
                            bool *denied, struct err *e)
{
    enum err_code rc =
        match_rules_any(&choice_before, clause_before(s, from), denied, e);

    if (!rc && !*denied && !firm)
        rc = match_rules_any(&choice_after, text_after(s, end), denied, e);
    return rc;
}

/* `set` and the letters that are listed right before it: A,B,C,D中. */
static uint32_t with_list_before(const struct choice_look *l, uint32_t set,
                                 size_t at)
{
    static const char mark[] = "、";
    size_t i = at;

    while (i) {
        struct str s = str_sub(l->text, 0, i);

        if (str_ends(s, str_of(mark)))
            i -= sizeof(mark) - 1;
        else if (strchr(" ,/", s.p[i - 1]))
            i--;
        else
            break;
        if (i && l->text.p[i - 1] >= 'A' && l->text.p[i - 1] <= 'Z')
            set |= choice_bit(l->text.p[--i]);
    }
    return set;
}

/* Whether the letters at [at, end), stated from `from` on, count. */
static enum err_code counts(const struct choice_look *l, size_t from, size_t at,
                            size_t end, int flags, bool *yes, struct err *e)
{
    uint32_t set = choice_letters(str_sub(l->text, at, end));
    enum err_code rc;
    bool denied;

    *yes = false;
    if (!set || set & ~l->all || is_article(l->text, at, end))
        return ERR_OK;
    if (!l->multi && with_list_before(l, set, at) == l->all)
        return ERR_OK; /* A、B、C、D四个选项中 … */
    if (!(flags & CHOICE_MARK) && begins_list(l, set, end))
        return ERR_OK;
    rc = choice_denied(l->text, from, end, flags & CHOICE_FIRM, &denied, e);
    *yes = !rc && !denied;
    return rc;
}

/* ---- tiers ---- */

/* Who changes their mind that often has not made it up. */
enum { CHANGES_MOST = 2 };

static void take(struct choice_pick *p, const struct choice_look *l, size_t at,
                 size_t end, const char *rule, bool last_wins)
{
    uint32_t set = choice_letters(str_sub(l->text, at, end));
    size_t changes = p->changes + (p->set && p->set != set);

    if (p->set && !last_wins) {
        p->clash |= p->set != set;
        return;
    }
    *p = (struct choice_pick){
        .set = set, .at = at, .end = end, .rule = rule, .changes = changes
    };
}

/* The letter that a line begins with, 0 if none; `end` is behind the line. */
static uint32_t line_letter(const struct choice_look *l, size_t end)
{
    size_t i = end;

    while (i && l->text.p[i - 1] != '\n')
        i--;
    while (i < end && strchr(" \t*#-([", l->text.p[i]))
        i++;
    return i < end ? choice_bit(l->text.p[i]) & l->all : 0;
}

/* Whether the letter at `at` begins its line, and the line before begins with
 * the letter before it: a list of choices goes on, or begins again. */
static bool goes_on(const struct choice_look *l, size_t at)
{
    uint32_t bit = choice_bit(l->text.p[at]), before;
    size_t i = at;

    while (i && strchr(" \t*#-([", l->text.p[i - 1]))
        i--;
    if (!i || l->text.p[i - 1] != '\n')
        return false;
    while (i && strchr(" \t\n", l->text.p[i - 1]))
        i--;
    before = line_letter(l, i);
    return bit == 1 ? l->lists > 2 : before && before == bit >> 1;
}

/* Whether the letters at `at` are no answer but one more list of choices. */
static bool only_lists(const struct choice_look *l, int flags, size_t at)
{
    if (!l->lists)
        return false;
    if (flags & CHOICE_HEAD)
        return true;
    return !(flags & CHOICE_MARK) && goes_on(l, at);
}

/* The search goes on behind the letters, for hits may share their first
 * words. */
enum err_code choice_run_rule(const struct choice_look *l, size_t i,
                              struct choice_pick *p, struct err *e)
{
    const struct match_rule *r = &choice_rules.rules[i];
    bool last_wins = (r->tier & CHOICE_TIER) == CHOICE_STATED;
    bool found = true, yes;
    struct pattern_hit h;
    enum err_code rc = ERR_OK;
    size_t from = 0;

    *p = (struct choice_pick){ .set = 0 };
    if (r->tier & CHOICE_SINGLE && l->multi)
        return ERR_OK;
    while (!rc && !p->clash) {
        rc = match_rules_find(&choice_rules, i, l->text, from, &h, &found, e);
        if (rc || !found || h.n < 2)
            break;
        rc = counts(l, h.g[0].at, h.g[1].at, h.g[1].end, r->tier, &yes, e);
        if (!rc && yes && !only_lists(l, r->tier, h.g[1].at))
            take(p, l, h.g[1].at, h.g[1].end, r->name, last_wins);
        from = h.g[1].end > from ? h.g[1].end : from + 1;
    }
    p->clash |= last_wins && p->changes > CHANGES_MOST;
    return rc;
}

/* Within STATED the later statement counts, and only its own changes of mind;
 * elsewhere all must agree. */
static void join(struct choice_pick *p, const struct choice_pick *q,
                 bool last_wins)
{
    bool clash = !last_wins && (p->clash || q->clash ||
                                (p->set && q->set && p->set != q->set));

    if (!p->set || (last_wins && q->set && q->at >= p->at))
        *p = *q;
    p->clash |= clash;
}

/* Where it says last that no option is right: 题目有误, 无正确答案. */
enum err_code choice_run_none(const struct choice_look *l,
                              struct choice_pick *p, struct err *e)
{
    enum err_code rc = match_rules_open(&choice_none, e);

    for (size_t i = 0; i < choice_none.n && !rc; i++) {
        struct pattern_hit h;
        bool found = true;
        size_t from = 0;

        while (!rc && found) {
            rc =
                match_rules_find(&choice_none, i, l->text, from, &h, &found, e);
            if (rc || !found)
                break;
            if (h.g[0].at >= p->at)
                *p = (struct choice_pick){ .at = h.g[0].at,
                                           .end = h.g[0].end,
                                           .rule = choice_none.rules[i].name,
                                           .none = true };
            from = h.g[0].end > from ? h.g[0].end : from + 1;
        }
    }
    return rc;
}

enum err_code choice_run_tier(const struct choice_look *l,
                              enum choice_tier tier, struct choice_pick *p,
                              struct err *e)
{
    enum err_code rc = ERR_OK;
    struct choice_pick q;

    *p = (struct choice_pick){ .set = 0 };
    for (size_t i = 0; i < choice_rules.n && !rc; i++) {
        if ((choice_rules.rules[i].tier & CHOICE_TIER) != (int)tier)
            continue;
        rc = choice_run_rule(l, i, &q, e);
        if (!rc)
            join(p, &q, tier == CHOICE_STATED);
    }
    if (!rc && tier == CHOICE_STATED)
        rc = choice_run_none(l, p, e);
    p->weak = tier == CHOICE_BOLD;
    return rc;
}

/* Whether a letter at the start of a line is followed as in a list. */
static bool is_marked(struct str rest)
{
    static const char *const marks[] = { ".",  ":",  ")",    "]",  "*",
                                         "、", "\n", "选项", "项", "：" };

    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
        if (str_starts(rest, str_of(marks[i])))
            return true;
    return !rest.n;
}

/* The choices are repeated where the first lines that begin with a letter
 * begin with A and B.  Then the A at the head is no answer. */
size_t choice_lists(const struct choice_look *l)
{
    uint32_t first = 0, second = 0, bit;
    size_t times = 0;
    bool start = true;

    for (size_t i = 0; i < l->text.n; i++) {
        char c = l->text.p[i];

        bit = start && c <= 'Z' ? choice_bit(c) & l->all : 0;
        if (bit && is_marked(str_sub(l->text, i + 1, l->text.n))) {
            second = first && !second ? bit : second;
            first = first ? first : bit;
            times += bit == 1;
        }
        start = c == '\n' || (start && strchr(" \t*#-([", c));
    }
    return first == 1 && second == 2 ? times : 0;
}

/* ---- where every option is judged ---- */

/* A、B、C、D中选出错误的 judges none of them. */
static enum err_code collect(const struct choice_look *l, struct match_rules *r,
                             size_t rule, uint32_t *set, bool guard,
                             struct err *e)
{
    enum err_code rc = match_rules_open(r, e);
    struct pattern_hit h;
    bool found = true, yes = true;
    size_t from = 0;

    while (!rc) {
        uint32_t some;

        rc = match_rules_find(r, rule, l->text, from, &h, &found, e);
        if (rc || !found)
            break;
        some = choice_letters(match_group(l->text, &h, 1)) & l->all;
        if (guard)
            rc = counts(l, h.g[0].at, h.g[1].at, h.g[1].end, 0, &yes, e);
        if (yes && (guard || some != l->all))
            *set |= some;
        from = h.g[1].end;
    }
    return rc;
}

static size_t rule_index(const char *name)
{
    size_t i = 0;

    while (i + 1 < choice_rules.n &&
           strcmp(choice_rules.rules[i].name, name) != 0)
        i++;
    return i;
}

/* Right: the ones called right; for a single answer also the one that differs
 * from all others, for a question may ask which is wrong. */
static uint32_t judged_set(uint32_t right, uint32_t wrong, uint32_t all,
                           bool multi)
{
    if (right & wrong || (right | wrong) != all)
        return 0;
    if (multi)
        return right;
    if (choice_count(right) == 1)
        return right;
    return choice_count(wrong) == 1 && choice_count(all) > 2 ? wrong : 0;
}

enum err_code choice_run_judged(const struct choice_look *l,
                                struct choice_pick *p, struct err *e)
{
    uint32_t right = 0, wrong = 0;
    enum err_code rc =
        collect(l, &choice_rules, rule_index("right"), &right, true, e);

    *p = (struct choice_pick){ .end = l->text.n, .rule = "judged" };
    if (!rc)
        rc = collect(l, &choice_wrong, 0, &wrong, false, e);
    if (!rc)
        p->set = judged_set(right, wrong, l->all, l->multi);
    return rc;
}

/* ---- a single letter in a short answer ---- */

enum { SHORT = 400 };

/* A letter of an answer has no Latin, digit or operator beside it, and no
 * Chinese but what usually stands there. */
static bool fine_beside(struct str s, size_t at, const char *const *words)
{
    size_t len;
    int32_t rune;

    if (at >= s.n)
        return true;
    rune = text_rune(s, at, &len);
    if (rune < 0x80)
        return !match_is_latin((char)rune) &&
               !strchr("0123456789_'\\+-=^", rune);
    if (!text_is_letter(rune))
        return true;
    for (; *words; words++)
        if (str_starts(str_sub(s, at, s.n), str_of(*words)))
            return true;
    return false;
}

/* A letter behind an English noun belongs to it: plan B, vitamin C. */
static bool belongs_to_noun(struct str s, size_t i)
{
    static const char *const verbs[] = {
        "is",   "be",     "say",    "answer", "option",  "choice", "letter",
        "pick", "choose", "select", "with",   "think",   "guess",  "maybe",
        "for",  "it's",   "s",      "that",   "probably"
    };
    size_t from = i ? i - 1 : 0;

    if (!i || s.p[i - 1] != ' ')
        return false;
    while (from && match_is_latin(s.p[from - 1]))
        from--;
    for (size_t k = 0; k < sizeof(verbs) / sizeof(*verbs); k++)
        if (str_is(str_sub(s, from, i - 1), verbs[k]))
            return false;
    return i - from > 2;
}

static bool stands_alone(struct str s, size_t i)
{
    static const char *const left[] = { "是", "为", "选", "项", "择", "在",
                                        "案", "于", "指", "得", NULL };
    static const char *const right[] = { "项", "选", "吧", "才", "呢", NULL };
    size_t before_i = i;

    while (before_i && ((unsigned char)s.p[before_i - 1] & 0xC0) == 0x80)
        before_i--;
    before_i = before_i ? before_i - 1 : s.n;
    return !belongs_to_noun(s, i) && fine_beside(s, before_i, left) &&
           fine_beside(s, i + 1, right) && !(i + 1 < s.n && s.p[i + 1] == '(');
}

enum err_code choice_run_only(const struct choice_look *l,
                              struct choice_pick *p, struct err *e)
{
    uint32_t set = 0;
    size_t hit = 0;
    bool yes = false;
    enum err_code rc;

    *p = (struct choice_pick){ .set = 0 };
    if (l->text.n > SHORT)
        return ERR_OK;
    for (size_t i = 0; i < l->text.n; i++) {
        uint32_t bit = l->text.p[i] <= 'Z' ? choice_bit(l->text.p[i]) : 0;

        if (!(bit & l->all) || !stands_alone(l->text, i) ||
            is_article(l->text, i, i + 1))
            continue;
        set |= bit;
        hit = i;
    }
    if (choice_count(set) != 1)
        return ERR_OK;
    rc = counts(l, hit, hit, hit + 1, 0, &yes, e);
    if (!rc && yes)
        *p = (struct choice_pick){
            .set = set, .at = hit, .end = hit + 1, .rule = "only", .weak = true
        };
    return rc;
}

/* ---- a next question ---- */

enum err_code choice_cut_next(struct choice_look *l, struct err *e)
{
    enum err_code rc = match_rules_open(&choice_next, e);
    struct choice_look first = *l;
    struct pattern_hit h;
    struct choice_pick p;
    bool found = false;

    if (!rc)
        rc = match_rules_find(&choice_next, 0, l->text, 0, &h, &found, e);
    if (rc || !found)
        return rc;
    first.text = str_sub(l->text, 0, h.g[0].at);
    rc = choice_run_tier(&first, CHOICE_STATED, &p, e);
    if (!rc && !p.set)
        rc = choice_run_tier(&first, CHOICE_ALONE, &p, e);
    if (!rc && p.set)
        l->text = first.text;
    return rc;
}
