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
 *   BOLD     **B. 北京**                                     must agree
 *   (code)   option text quoted instead of its letter
 *   (code)   only: a short answer with one letter in it
 *
 * Within STATED the last hit wins, because models correct themselves and put
 * the conclusion last.  In the other tiers hits that disagree leave the tier
 * without a result.  What no tier can tell is unparsable: never a guess.
 *
 * A hit counts only if its letters are choices of the item, stand at word
 * borders, and are neither denied before (不选, 排除, 如果是) nor after (错误,
 * 吗, ?).  Those guards are patterns of their own, held against the few bytes
 * before and after a hit, so that every rule has them. */
#include <string.h>

#include "harness/match/match_parts.h"

enum tier { STATED, ALONE, WHICH, RIGHT, BOLD, N_TIERS };
enum {
    FLAGS = TEXT_NFKC | TEXT_SIMPLE,
    LOOKS_AT = 1 << 17, /* bytes of an answer, from its end */
    BEFORE = 48,        /* bytes a guard sees */
    AFTER = 64,
    LIST_NEAR = 600 /* bytes in which a list goes on to B */
};

/* ---- the rules ---- */

/* What may stand around a letter and says nothing: quotes, brackets, Markdown,
 * LaTeX.  Possessive, so that a failed match does not try again without. */
#define DECO                                                                   \
    "(?:[\\s\"'“”‘’「」『』《〈<(\\[{【〖*_`$:#]|\\\\[,;!( ]|" \
    "\\\\(?:text|textbf|textit|mathrm|mathbf|mathsf|mathbb|rm|bf)\\b){0,16}+"
#define CLOSE "[\\s\"'“”‘’」』》〉>)\\]}】〗*_`$]{0,16}+"
/* A letter is not part of a Latin word or of a number. */
#define EDGE "(?![A-Za-z0-9_'’]|\\+\\+)"
#define ONE "(?<![A-Za-z0-9_'’\\\\])[A-Za-z]" EDGE
/* One letter, or several that are listed: AC, A、C, A and C, A C.  After a
 * comma or space the next letter must not begin a clause (B, C项错误). */
#define LIST                                                                   \
    "(?:[)]?\\s*(?:[、/&+]|和|与|及|以及|或者?|and|or)\\s*[(]?[A-Z][)]?" EDGE  \
    "|[)]?[ \\t]*[,;]?[ \\t]*[(]?[A-Z][)]?" EDGE                               \
    "(?!\\s*[\\p{sc:Han}.:、-]|[ \\t]+(?!and\\b|or\\b)[a-z]))*+"
#define LETTERS "((?<![A-Za-z0-9_'’\\\\])[A-Z]{2,26}" EDGE "|" ONE LIST ")"
#define OPT "(?:选项|选择|选|第|(?i:options?|choices?|letters?)\\b)?+"
#define ITEM "\\s*(?:选?项|选项)?+"
/* Up to n characters inside a clause, without a word that denies. */
#define GAP(n) "[^。!?！？;；\\n不非没未吗A-Za-z]{0," #n "}?"
#define IS                                                                     \
    "(?:应该是|应当是|应该为|应是|应为|应该选择?|应选|只能是|就是|是|为|选择|选|填|在于)"
#define END "(?=" CLOSE "(?:选?项)?\\s*(?:[。.,，;；!！、<]|才|吧|了|更|$))"

static const struct match_rule rules[] = {
    { "boxed", "\\\\f?box(?:ed)?\\b" DECO OPT DECO LETTERS, 0, STATED },
    { "answer-tag", "<(?i:answer|答案)>" DECO OPT DECO LETTERS, 0, STATED },
    { "answer-mark",
      "(?:答案|(?i:answer)|选项)\\s*[\\]】〗)〕]" DECO IS
      "?" DECO OPT DECO LETTERS,
      0, STATED },
    { "answer-is", "答案" GAP(14) IS DECO OPT DECO LETTERS, 0, STATED },
    { "answer-colon",
      "答案[\"'”’*_`)\\s]*+(?:[:=]|->|→|\\n)" DECO OPT DECO LETTERS, 0,
      STATED },
    { "answer-letter",
      "答案" OPT DECO LETTERS "(?=" CLOSE ITEM "\\s*(?:[。.,，;；!！<]|$))", 0,
      STATED },
    { "reply-colon",
      "(?:^|[\\n。;；])[\\s*#]*(?:答|解答|回答|选择|选项|结论|我的选择|最终选择|"
      "Choice|Option)[*\\s]*:" DECO OPT DECO LETTERS,
      0, STATED },
    { "choose",
      "(?<![备候精当筛可初入文评竞挑])(?:选择|选取|选定|选|选用)(?:了|的是|的|为|出|"
      "答案|选项|第)?+" DECO OPT DECO LETTERS
      "(?!\\s*选?项?的(?!是|正确|答案)|\\s*(?:会|时|后|则|就|还是|是因为))",
      0, STATED },
    { "right-option",
      "正确(?:的)?(?:选项|选择|一项|一个|回答|判断|结论)" GAP(
          8) "(?:是|为|有|:|选)" DECO OPT DECO LETTERS,
      0, STATED },
    { "option-is", "选项\\s*(?:应该?)?(?:是|为)" DECO LETTERS END, 0, STATED },
    { "should-be",
      "(?:应该|应当|应|而|便|就|那么|我认为|我觉得|我选的)(?:是|为|选择|选)" DECO
          OPT DECO LETTERS END,
      0, STATED },
    { "not-but",
      "不(?:是|选)" DECO OPT DECO "[A-Z]" EDGE ITEM CLOSE
      "[,，、]?\\s*(?:而|应|应该)?(?:是|选)" DECO OPT DECO LETTERS,
      0, STATED },
    { "corrected",
      "(?:更正|纠正|改为|改成|改选|修正|改答|订正)(?:为|成|是|后|答案)*" DECO
          OPT DECO LETTERS
      "|(?:不对|错了|有误)[^A-Za-z\\n]{0,16}?(?:是|为|选)" DECO OPT DECO "(?1)",
      0, STATED },
    { "therefore",
      "(?:因此|所以|故|综上所述|综上|由此可知|由此可见|可见|可知|总之|最终|最后)"
      "[,，:\\s]*(?:本题|此题|答案|应该|应)?(?:是|为)?" DECO OPT DECO LETTERS
      "(?=" CLOSE ITEM "\\s*(?:[。.!！;；<]|$))",
      0, STATED },
    { "answer-is-en",
      "\\b(?i:(?:final|correct|best|right|my)\\s+(?:answer|choice|option)"
      "|answers?|ans)\\b[*_\"']*+"
      "(?i:(?:(?!\\bnot\\b|n['’]t|\\bnever\\b|\\bif\\b)[^.,\\n?!:]){0,40}?"
      "\\b(?:is|be|are)\\b|\\s*[:=\\n(])" DECO
      "(?i:(?:indeed|clearly|therefore|likely|probably|definitely|most likely|"
      "actually|thus|simply)[\\s,]+)?" OPT DECO LETTERS,
      0, STATED },
    { "choose-en",
      "\\b(?i:choose|chose|pick|picked|select|selected|go(?:ing)? with|"
      "go(?:ing)? for|opt for|stick with)\\b" DECO
      "(?i:the )?" OPT DECO LETTERS,
      0, STATED },

    { "head",
      "\\A(?:[\\s\"'“‘「『《<(\\[{【*_`$#>]|\\\\(?:text|textbf|mathrm|mathbf)\\b|"
      "好的[,，。!]|嗯[,，。])*+" OPT DECO LETTERS "(?:选?项)?" CLOSE
      "(?=[.。,，、:;!！<(—\\n-]|\\z|(?<=\\s)[^a-z]|因为)",
      0, ALONE },
    { "tail",
      "(?:\\A|\\n)(?:[\\s\"'“‘「<(\\[{【*_`$#>:-]|\\\\(?:text|textbf|mathrm)\\b)*+" OPT
          DECO LETTERS ITEM "[\\s\"'”’」)\\]}】*_`$.。!！]*+"
      "(?:</?[|\\w]{1,20}>\\s*)*+\\z",
      0, ALONE },

    { "which",
      "(?:正确|错误|有误|不当|恰当|符合|属于|合适|成立|合理|无关|最佳|不同|一致)"
      "[^。!?！？,，;；\\n]{0,12}?(?:的|项|选项|说法)[^。!?！？,，;；\\nA-Za-z是]{0,8}?"
      "(?:是|为|:|有)" DECO OPT DECO LETTERS,
      0, WHICH },

    { "right",
      LETTERS ITEM CLOSE GAP(
          10) "(?:正确|符合题意|符合题干|最佳|最合适|最恰当|最准确|最符合|最为准确|最为合适|更合适|"
              "更准确|更恰当|是对的|无误)(?!率|与否|地|[^。,，\\n]{0,3}[吗?？])",
      0, RIGHT },
    { "right-only", "只有" DECO OPT DECO LETTERS ITEM, 0, RIGHT },
    { "right-en",
      "(?:\\b(?i:option|choice|answer)\\s+)?" DECO LETTERS CLOSE
      "\\s*(?:\\b(?i:is|seems|appears|looks)\\b)(?i: to be)?(?i:\\s+(?:the|most|"
      "indeed|clearly|likely|also|only))*\\s+(?i:correct|right|best|true|"
      "accurate|appropriate|suitable|answer)",
      0, RIGHT },

    { "bold",
      "\\*\\*" DECO OPT DECO LETTERS "(?:\\s*选?项|[.。、:)]?[^*\\n]{0,80}?)?+"
      "\\*\\*",
      0, BOLD },
};
static struct match_rules choice_rules = MATCH_RULES(rules);

/* Held against the text before a hit: words that take it back. */
#define TO_DO                                                                                                         \
    "(?:能|能够|要|应|该|应该|可|可以|会|宜|得|建议|是|再|太|必|用|考虑|推荐|准备|打算|" \
    "倾向于?|直接|符合|选择?|属于)*\\s*"
static const struct match_rule before_rules[] = {
    { "denied",
      "(?:不|没有?|未|别|勿|切勿|并非|绝非|决非|而非|无法|不宜)" TO_DO "\\z", 0,
      0 },
    { "left-out", "(?:排除|否定|剔除|误|错|多|漏|去掉)(?:了|掉)?\\s*\\z", 0,
      0 },
    { "supposed",
      "(?:如果|假如|假设|假定|要是|倘若|若是|若|万一|是否|为什么|为何|怎么|凭什么|有人|"
      "同学|学生|考生|容易|会被|误以为|原以为|以为|起初|一开始|最初|先前|之前)"
      "(?:本题|此题|我们|你|他们?|把|会|能|可能|也|是|认为|觉得|就|都|正确|的|答案|将|的话|"
      "我|说)*\\s*\\z",
      0, 0 },
    { "denied-en",
      "(?i:\\b(?:not|never|if|whether|why|than|cannot|initially|first)|n['’]t)"
      "(?i:\\s+(?:the|be|to|a|an|i|you|we|would|think|thought|correct|right|"
      "option|choose|pick))*\\s*\\z",
      0, 0 },
};
static struct match_rules before = MATCH_RULES(before_rules);

/* Held against the text after a hit. */
static const struct match_rule after_rules[] = {
    { "asked", "\\A" CLOSE ITEM "\\s*(?:[?？]|吗|呢|还是)", 0, 0 },
    { "called-wrong",
      "\\A" CLOSE ITEM
      "\\s*:\\s*(?:错误?|不正确|不对|不成立|不符合|有误)(?![\\p{Han}])",
      0, 0 },
    { "denied",
      "\\A" CLOSE ITEM CLOSE "[^。.!?！？;；,，:、\\nA-Za-z]{0,8}?"
      "(?:错误?|不对|不正确|不成立|不符|有误|不合|不是|不选|不准确|不妥|不当|不可能|不属于|"
      "排除|不够|不行|不能选|不全面)(?!的一?项|的是|的选|的说|的叙|的答)",
      0, 0 },
    { "one-of-several",
      "\\A[.、][^。\\n,，;；A-Z]{1,60}(?:和|与|及|、|以及|或)\\s*(?:选项)?[(]?[A-Z][)]?"
      "[.、]",
      0, 0 },
    { "denied-en",
      "\\A" CLOSE
      "\\s*(?i:(?:is|are|was|seems)\\s+(?:not|wrong|incorrect|false)|"
      "isn['’]t|can(?:not|['’]t) be)",
      0, 0 },
};
static struct match_rules after = MATCH_RULES(after_rules);

/* An option that is called wrong; only used where all options are judged. */
static const struct match_rule wrong_rules[] = {
    { "wrong",
      LETTERS ITEM CLOSE
      "[^。.!?！？;；\\nA-Za-z]{0,24}?"
      "(?:错误|不正确|不对|不符合|有误|不成立|不准确|不恰当|不合理|错)",
      0, 0 },
};
static struct match_rules wrongs = MATCH_RULES(wrong_rules);

/* Where a base model goes on and writes the next question by itself. */
static const struct match_rule next_rules[] = {
    { "next",
      "\\n[\\s*#]*(?:(?:下一题|问题|题目|单选题|多选题|选择题|例题|Question|Q|Human|User|"
      "用户|问)\\s*\\d{0,3}\\s*[:.]|以下是|<\\|im_start|<\\|user|\\[INST\\])",
      0, 0 },
};
static struct match_rules nexts = MATCH_RULES(next_rules);

/* ---- letters ---- */

/* Sets of letters are bits, A is bit 0. */
struct look {
    const struct match_in *in;
    struct match_text t;
    struct str text; /* folded, perhaps cut before a next question */
    uint32_t all;    /* the letters of the item */
    uint32_t found;
    size_t at, end; /* of the letters in text */
    const char *rule;
    bool multi; /* several letters may be right */
    bool weak;  /* found by a tier that a refusal overrules */
};

static uint32_t bit_of(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    return c >= 'A' && c <= 'Z' ? (uint32_t)1 << (c - 'A') : 0;
}

static size_t count_bits(uint32_t set)
{
    return (size_t)__builtin_popcount(set);
}

/* The letters of a list, without the words between them (and, or). */
static uint32_t letters_of(struct str s)
{
    uint32_t set = 0;

    for (size_t i = 0; i < s.n; i++) {
        bool word =
            match_is_latin(s.p[i]) &&
            ((i && s.p[i - 1] >= 'a' && s.p[i - 1] <= 'z') ||
             (s.p[i] >= 'a' && i + 1 < s.n && match_is_latin(s.p[i + 1])));

        if (!word)
            set |= bit_of(s.p[i]);
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
static bool begins_list(const struct look *l, uint32_t set, size_t end)
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
            if (strchr("\n ;(", near.p[at - 1]) ||
                str_ends(str_sub(near, 0, at), STR("。")))
                if (str_starts(str_sub(near, at + 1, near.n), mark))
                    return true;
    }
    return false;
}

/* Whether the letters at [at, end), stated from `from` on, count. */
static enum err_code counts(const struct look *l, size_t from, size_t at,
                            size_t end, bool *yes, struct err *e)
{
    uint32_t set = letters_of(str_sub(l->text, at, end));
    enum err_code rc;
    bool denied;

    *yes = false;
    if (!set || set & ~l->all || is_article(l->text, at, end))
        return ERR_OK;
    if (set == l->all && !l->multi) /* A、B、C、D四个选项中 … */
        return ERR_OK;
    if (begins_list(l, set, end))
        return ERR_OK;
    rc = match_rules_any(&before, clause_before(l->text, from), &denied, e);
    if (!rc && !denied)
        rc = match_rules_any(&after, text_after(l->text, end), &denied, e);
    *yes = !rc && !denied;
    return rc;
}

/* ---- tiers ---- */

struct pick {
    uint32_t set;
    size_t at, end;
    const char *rule;
    bool clash; /* two hits that disagree */
};

static void take(struct pick *p, const struct look *l, size_t at, size_t end,
                 const char *rule, bool last_wins)
{
    uint32_t set = letters_of(str_sub(l->text, at, end));

    if (p->set && !last_wins) {
        p->clash |= p->set != set;
        return;
    }
    if (p->set && at < p->at)
        return;
    *p = (struct pick){ .set = set, .at = at, .end = end, .rule = rule };
}

/* All hits of one rule.  The search goes on behind the letters, for hits may
 * share their first words. */
static enum err_code run_rule(const struct look *l, size_t i, struct pick *p,
                              struct err *e)
{
    bool last_wins = rules[i].tier == STATED, found = true, yes;
    struct pattern_hit h;
    enum err_code rc = ERR_OK;
    size_t from = 0;

    while (!rc && !p->clash) {
        rc = match_rules_find(&choice_rules, i, l->text, from, &h, &found, e);
        if (rc || !found || h.n < 2)
            break;
        rc = counts(l, h.g[0].at, h.g[1].at, h.g[1].end, &yes, e);
        if (!rc && yes)
            take(p, l, h.g[1].at, h.g[1].end, rules[i].name, last_wins);
        from = h.g[1].end > from ? h.g[1].end : from + 1;
    }
    return rc;
}

static enum err_code run_tier(const struct look *l, enum tier tier,
                              struct pick *p, struct err *e)
{
    enum err_code rc = ERR_OK;

    *p = (struct pick){ .set = 0 };
    for (size_t i = 0; i < choice_rules.n && !rc; i++)
        if (rules[i].tier == (int)tier)
            rc = run_rule(l, i, p, e);
    return rc;
}

static void keep(struct look *l, const struct pick *p)
{
    l->found = p->set;
    l->at = p->at;
    l->end = p->end;
    l->rule = p->rule;
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
static bool is_listing(const struct look *l)
{
    uint32_t first = 0, bit;
    bool start = true;

    for (size_t i = 0; i < l->text.n; i++) {
        char c = l->text.p[i];

        bit = start && c <= 'Z' ? bit_of(c) & l->all : 0;
        if (bit && is_marked(str_sub(l->text, i + 1, l->text.n))) {
            if (first)
                return first == 1 && bit == 2;
            first = bit;
        }
        start = c == '\n' || (start && strchr(" \t*#-([", c));
    }
    return false;
}

/* ---- where every option is judged ---- */

static enum err_code collect(const struct look *l, struct match_rules *r,
                             size_t rule, uint32_t *set, bool guard,
                             struct err *e)
{
    enum err_code rc = match_rules_open(r, e);
    struct pattern_hit h;
    bool found = true, yes = true;
    size_t from = 0;

    while (!rc) {
        rc = match_rules_find(r, rule, l->text, from, &h, &found, e);
        if (rc || !found)
            break;
        if (guard)
            rc = counts(l, h.g[0].at, h.g[1].at, h.g[1].end, &yes, e);
        if (yes)
            *set |= letters_of(match_group(l->text, &h, 1)) & l->all;
        from = h.g[1].end;
    }
    return rc;
}

static size_t rule_index(const char *name)
{
    size_t i = 0;

    while (i + 1 < choice_rules.n && strcmp(rules[i].name, name) != 0)
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
    if (count_bits(right) == 1)
        return right;
    return count_bits(wrong) == 1 && count_bits(all) > 2 ? wrong : 0;
}

static enum err_code run_judged(struct look *l, struct err *e)
{
    uint32_t right = 0, wrong = 0;
    enum err_code rc =
        collect(l, &choice_rules, rule_index("right"), &right, true, e);

    if (!rc)
        rc = collect(l, &wrongs, 0, &wrong, false, e);
    if (rc)
        return rc;
    l->found = judged_set(right, wrong, l->all, l->multi);
    if (l->found) {
        l->rule = "judged";
        l->at = 0;
        l->end = l->text.n;
    }
    return ERR_OK;
}

/* ---- option texts ---- */

enum { QUOTE_FLAGS = FLAGS | TEXT_CASE | TEXT_PUNCT | TEXT_NOSPACE };

/* White space is gone in this folding. */
static const char *const leads[] = {
    "答案是",   "答案为",  "答案应该是", "答案应为", "答案:",
    "选择:",    "应该是",  "应选择",     "选择",     "选项是",
    "answeris", "answer:", "应为",       "正确的是", "选",
};

static struct str strip_end(struct str s)
{
    size_t len, at;

    while (s.n) {
        for (at = s.n - 1; at && ((unsigned char)s.p[at] & 0xC0) == 0x80; at--)
            ;
        if (!text_is_punct(text_rune(s, at, &len)))
            break;
        s.n = at;
    }
    return s;
}

static struct str strip_start(struct str s)
{
    size_t len;

    while (s.n && text_is_punct(text_rune(s, 0, &len)))
        s = str_sub(s, len, s.n);
    return s;
}

/* The choice whose text begins s, the longest one; n_choices if none. */
static size_t choice_at(const struct look *l, const struct str *texts,
                        struct str s)
{
    size_t best = l->in->n_choices;

    for (size_t i = 0; i < l->in->n_choices; i++)
        if (texts[i].n && str_starts(s, texts[i]) &&
            (best == l->in->n_choices || texts[i].n > texts[best].n))
            best = i;
    return best;
}

static void quote_found(struct look *l, const struct match_text *q,
                        size_t choice, size_t at, size_t len, const char *rule,
                        struct match_out *out)
{
    l->found = bit_of(l->in->choices[choice].key.p[0]);
    l->rule = rule;
    l->weak = true;
    match_set_span(out, q, at, at + len);
}

/* The whole answer is an option's text. */
static bool quoted_whole(struct look *l, const struct match_text *q,
                         const struct str *texts, struct match_out *out)
{
    struct str s = strip_end(strip_start(buf_view(&q->text)));

    for (size_t i = 0; i < l->in->n_choices; i++)
        if (texts[i].n && str_eq(s, texts[i])) {
            quote_found(l, q, i, (size_t)(s.p - q->text.p), s.n, "option-text",
                        out);
            return true;
        }
    return false;
}

/* 答案是 or the like, directly followed by an option's text: the last one. */
static bool quoted_stated(struct look *l, const struct match_text *q,
                          const struct str *texts, struct match_out *out)
{
    struct str s = buf_view(&q->text), rest;
    size_t best = l->in->n_choices, best_at = 0;

    for (size_t k = 0; k < sizeof(leads) / sizeof(*leads); k++) {
        struct str lead = str_of(leads[k]);
        size_t at = 0;

        while ((at = str_find(s, lead, at)) != (size_t)-1) {
            size_t c;

            at += lead.n;
            rest = strip_start(str_sub(s, at, s.n));
            c = choice_at(l, texts, rest);
            if (c < l->in->n_choices && (size_t)(rest.p - s.p) >= best_at) {
                best = c;
                best_at = (size_t)(rest.p - s.p);
            }
        }
    }
    if (best == l->in->n_choices)
        return false;
    quote_found(l, q, best, best_at, texts[best].n, "option-text-stated", out);
    return true;
}

/* Where text i occurs and is not a part of a longer choice there. */
static size_t occurs(const struct look *l, const struct str *texts, size_t i,
                     struct str s)
{
    size_t at = 0;

    while ((at = str_find(s, texts[i], at)) != (size_t)-1) {
        bool part = false;

        for (size_t k = 0; k < l->in->n_choices && !part; k++) {
            size_t in = texts[k].n > texts[i].n
                            ? str_find(texts[k], texts[i], 0)
                            : (size_t)-1;

            part = in != (size_t)-1 && in <= at &&
                   str_starts(str_sub(s, at - in, s.n), texts[k]);
        }
        if (!part)
            return at;
        at += texts[i].n;
    }
    return (size_t)-1;
}

/* Where text i occurs without being denied there, (size_t)-1 if nowhere. */
static enum err_code affirmed(const struct look *l, const struct str *texts,
                              size_t i, struct str s, size_t *at, struct err *e)
{
    enum err_code rc;
    bool denied;

    *at = text_count(texts[i]) < 2 ? (size_t)-1 : occurs(l, texts, i, s);
    if (*at == (size_t)-1)
        return ERR_OK;
    rc = match_rules_any(&before, clause_before(s, *at), &denied, e);
    if (!rc && !denied)
        rc = match_rules_any(&after, text_after(s, *at + texts[i].n), &denied,
                             e);
    if (!rc && denied)
        *at = (size_t)-1;
    return rc;
}

/* One option's text, and no other's, occurs in the answer. */
static enum err_code quoted_once(struct look *l, const struct match_text *q,
                                 const struct str *texts, struct match_out *out,
                                 struct err *e)
{
    size_t hits = 0, hit = 0, hit_at = 0, at;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < l->in->n_choices && !rc; i++) {
        rc = affirmed(l, texts, i, buf_view(&q->text), &at, e);
        if (rc || at == (size_t)-1)
            continue;
        hits++;
        hit = i;
        hit_at = at;
    }
    if (!rc && hits == 1)
        quote_found(l, q, hit, hit_at, texts[hit].n, "option-text-once", out);
    return rc;
}

static enum err_code run_quoted(struct look *l, struct arena *a,
                                struct match_out *out, struct err *e)
{
    struct match_text q;
    struct str *texts = arena_array(a, l->in->n_choices, sizeof(*texts));
    enum err_code rc = ERR_OK;

    if (!texts)
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
    rc = match_text_open(&q, l->in->response, QUOTE_FLAGS, LOOKS_AT, e);
    for (size_t i = 0; i < l->in->n_choices && !rc; i++) {
        rc = match_fold(l->in->choices[i].text, QUOTE_FLAGS, a, &texts[i], e);
        texts[i] = strip_end(texts[i]);
    }
    if (!rc && !quoted_whole(l, &q, texts, out) &&
        !quoted_stated(l, &q, texts, out))
        rc = quoted_once(l, &q, texts, out, e);
    match_text_close(&q);
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

static bool stands_alone(struct str s, size_t i)
{
    static const char *const left[] = { "是", "为", "选", "项", "择",
                                        "在", "案", "于", "指", NULL };
    static const char *const right[] = { "项", "选", "吧", "才", "呢", NULL };
    size_t before_i = i;

    while (before_i && ((unsigned char)s.p[before_i - 1] & 0xC0) == 0x80)
        before_i--;
    before_i = before_i ? before_i - 1 : s.n;
    return fine_beside(s, before_i, left) && fine_beside(s, i + 1, right) &&
           !(i + 1 < s.n && s.p[i + 1] == '(');
}

static enum err_code run_only(struct look *l, struct err *e)
{
    uint32_t set = 0;
    size_t hit = 0;
    bool yes = false;
    enum err_code rc;

    if (l->text.n > SHORT)
        return ERR_OK;
    for (size_t i = 0; i < l->text.n; i++) {
        uint32_t bit = l->text.p[i] <= 'Z' ? bit_of(l->text.p[i]) : 0;

        if (!(bit & l->all) || !stands_alone(l->text, i) ||
            is_article(l->text, i, i + 1))
            continue;
        set |= bit;
        hit = i;
    }
    if (count_bits(set) != 1)
        return ERR_OK;
    rc = counts(l, hit, hit, hit + 1, &yes, e);
    if (!rc && yes)
        keep(l, &(struct pick){
                    .set = set, .at = hit, .end = hit + 1, .rule = "only" });
    l->weak = yes;
    return rc;
}

/* ---- the cascade ---- */

/* Drops a next question that the model asked itself, if there is an answer
 * before it. */
static enum err_code cut_next(struct look *l, struct err *e)
{
    enum err_code rc = match_rules_open(&nexts, e);
    struct look first = *l;
    struct pattern_hit h;
    struct pick p;
    bool found = false;

    if (!rc)
        rc = match_rules_find(&nexts, 0, l->text, 0, &h, &found, e);
    if (rc || !found)
        return rc;
    first.text = str_sub(l->text, 0, h.g[0].at);
    rc = run_tier(&first, STATED, &p, e);
    if (!rc && !p.set)
        rc = run_tier(&first, ALONE, &p, e);
    if (!rc && p.set)
        l->text = first.text;
    return rc;
}

static enum err_code run_tiers(struct look *l, struct err *e)
{
    bool listing = is_listing(l);
    enum err_code rc = ERR_OK;
    struct pick p;

    for (int t = STATED; t < N_TIERS && !rc && !l->found; t++) {
        if (t == RIGHT && l->multi)
            rc = run_judged(l, e);
        if (rc || l->found || (t == RIGHT && l->multi))
            continue;
        rc = run_tier(l, (enum tier)t, &p, e);
        if (listing && t == ALONE && p.rule && !strcmp(p.rule, "head"))
            continue;
        if (!rc && p.set && !p.clash)
            keep(l, &p);
        l->weak = t == BOLD;
        if (!rc && !l->found && t == RIGHT)
            rc = run_judged(l, e);
    }
    return rc;
}

/* Letters of an accepted answer: "B", "ABD", "A,B". */
static uint32_t expected_set(const char *s)
{
    return s ? letters_of(str_of(s)) : 0;
}

static bool wants_multi(const struct match_in *in)
{
    const char *s;
    bool multi = json_bool(json_get(in->options, "multi"));

    for (size_t i = 0; (s = match_accepted(in->expected, i)); i++)
        multi |= count_bits(expected_set(s)) > 1;
    return multi;
}

static uint32_t key_set(const struct match_in *in)
{
    uint32_t all = 0;

    for (size_t i = 0; i < in->n_choices; i++)
        if (in->choices[i].key.n == 1)
            all |= bit_of(in->choices[i].key.p[0]);
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

static enum err_code finish(struct look *l, struct arena *a,
                            struct match_out *out, struct err *e)
{
    size_t at, len;

    if (!l->found ||
        (l->weak && match_is_refusal(l->in->response, &at, &len))) {
        out->span_at = out->span_len = 0;
        match_no_answer(l->in, out);
        return ERR_OK;
    }
    out->extracted = letters_text(l->found, a);
    if (!out->extracted)
        return err_set(e, ERR_NOMEM, "matcher: out of memory");
    out->rule = l->rule;
    if (!out->span_len)
        match_set_span(out, &l->t, l->at, l->end);
    if (count_bits(l->found) > 1 && !l->multi)
        out->verdict = VERDICT_UNPARSABLE;
    else
        judge(l->in, l->found, out);
    return ERR_OK;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct look l = { .in = in, .all = key_set(in), .multi = wants_multi(in) };
    enum err_code rc;

    *out = (struct match_out){ .verdict = VERDICT_UNPARSABLE,
                               .extracted = "",
                               .rule = "" };
    rc = match_text_open(&l.t, in->response, FLAGS, LOOKS_AT, e);
    l.text = buf_view(&l.t.text);
    if (!rc)
        rc = match_rules_open(&choice_rules, e);
    if (!rc)
        rc = cut_next(&l, e);
    if (!rc)
        rc = run_tiers(&l, e);
    if (!rc && !l.found)
        rc = run_quoted(&l, a, out, e);
    if (!rc && !l.found)
        rc = run_only(&l, e);
    if (!rc)
        rc = finish(&l, a, out, e);
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
    .version = 1,
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
            "Reads the last 128 KiB of an answer.  The rule that found the\n"
            "letter is reported; what is ambiguous is unparsable.",
    .check = check,
    .run = run,
};
