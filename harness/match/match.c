/* The table of matchers, and what they share: the answer part of a response,
 * refusals, folded texts, tables of patterns.
 *
 * A table of patterns is compiled at its first use under a lock, not with
 * pthread_once(): a compilation that ran out of memory is tried again. */
#include "harness/match/match.h"

#include <assert.h>
#include <string.h>

#include "harness/match/match_parts.h"

const struct match_kind *const match_kinds[] = {
#define MATCH_ENTRY(name) &match_##name,
    MATCH_KINDS(MATCH_ENTRY)
#undef MATCH_ENTRY
        NULL
};

static const char *const verdicts[] = { "correct", "wrong", "unparsable",
                                        "refused" };

const char *verdict_name(enum verdict v)
{
    return verdicts[v];
}

enum verdict verdict_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++)
        if (!strcmp(verdicts[i], name))
            return (enum verdict)i;
    return (enum verdict) - 1;
}

const struct match_kind *match_find(const char *name, const char **nearest)
{
    size_t least = (size_t)-1;

    for (size_t i = 0; match_kinds[i]; i++) {
        size_t d;

        if (!strcmp(match_kinds[i]->name, name))
            return match_kinds[i];
        d = text_distance(str_of(name), str_of(match_kinds[i]->name));
        if (nearest && d < least) {
            least = d;
            *nearest = match_kinds[i]->name;
        }
    }
    return NULL;
}

/* ---- the answer part ---- */

static const struct {
    const char *open, *close;
} reasoning[] = {
    { "<think>", "</think>" },
    { "<thinking>", "</thinking>" },
    { "<thought>", "</thought>" },
    { "<reasoning>", "</reasoning>" },
    { "<|begin_of_thought|>", "<|end_of_thought|>" },
    { "<seed:think>", "</seed:think>" },
    { "◁think▷", "◁/think▷" },
};

enum { REASONINGS = sizeof(reasoning) / sizeof(*reasoning) };

/* The offset behind the last `close` of each kind, (size_t)-1 without one.  One
 * pass from the end, where it stands if it stands anywhere; all of them end in
 * one of two bytes. */
static void find_ends(struct str s, size_t ends[REASONINGS])
{
    for (size_t i = 0; i < REASONINGS; i++)
        ends[i] = (size_t)-1;
    for (size_t at = s.n; at > 0; at--) {
        if (s.p[at - 1] != '>' && s.p[at - 1] != "▷"[2])
            continue;
        for (size_t i = 0; i < REASONINGS; i++)
            if (ends[i] == (size_t)-1 &&
                str_ends(str_sub(s, 0, at), str_of(reasoning[i].close)))
                ends[i] = at;
    }
}

/* A block that is not closed was cut off while the model was thinking: there is
 * no answer then.  One that only closes was opened by the chat template. */
struct str match_answer_part(struct str response)
{
    struct str s = str_trim(response);
    size_t ends[REASONINGS];

    find_ends(s, ends);
    for (size_t i = 0; i < REASONINGS; i++) {
        if (ends[i] != (size_t)-1)
            return str_trim(str_sub(s, ends[i], s.n));
        if (str_starts(s, str_of(reasoning[i].open)))
            return str_sub(s, s.n, s.n);
    }
    return s;
}

/* ---- folded text ---- */

/* The last `most` bytes of s, from the start of a character. */
static struct str tail_of(struct str s, size_t most)
{
    size_t from = !most || s.n <= most ? 0 : s.n - most;

    while (from && from < s.n && ((unsigned char)s.p[from] & 0xC0) == 0x80)
        from++;
    return str_sub(s, from, s.n);
}

enum err_code match_text_open(struct match_text *t, struct str response,
                              unsigned flags, size_t most, struct err *e)
{
    *t = (struct match_text){ .response = response };
    t->part = tail_of(match_answer_part(response), most);
    buf_init(&t->text, SIZE_MAX / 2);
    buf_init(&t->map, SIZE_MAX / 2);
    return text_fold(t->part, flags, &t->text, &t->map, e);
}

void match_text_close(struct match_text *t)
{
    buf_free(&t->text);
    buf_free(&t->map);
}

/* Offset in the response of what the folded byte `at` came from. */
static size_t raw_offset(const struct match_text *t, size_t at)
{
    size_t base = t->part.n ? (size_t)(t->part.p - t->response.p) : 0;
    uint32_t offset;

    if (at >= t->text.n)
        return base + t->part.n;
    memcpy(&offset, t->map.p + at * sizeof(offset), sizeof(offset));
    return base + offset;
}

/* The end is that of the last character's source: what follows it may have
 * been dropped by the folding and is no part of the span. */
void match_set_span(struct match_out *out, const struct match_text *t,
                    size_t at, size_t end)
{
    size_t last, len;

    out->span_at = raw_offset(t, at);
    out->span_len = 0;
    if (end <= at || end > t->text.n)
        return;
    last = raw_offset(t, end - 1);
    if (last >= t->response.n)
        return;
    (void)text_rune(t->response, last, &len);
    out->span_len = last + len - out->span_at;
}

void match_begin(struct match_out *out)
{
    *out = (struct match_out){ .verdict = VERDICT_UNPARSABLE,
                               .extracted = "",
                               .rule = "" };
}

enum err_code match_no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "matcher: out of memory");
}

enum err_code match_extract(struct match_out *out, struct str s,
                            struct arena *a, struct err *e)
{
    out->extracted = arena_dup(a, s.p, s.n);
    return out->extracted ? ERR_OK : match_no_memory(e);
}

enum err_code match_extract_span(struct match_out *out,
                                 const struct match_in *in, struct arena *a,
                                 struct err *e)
{
    return match_extract(
        out, str_sub(in->response, out->span_at, out->span_at + out->span_len),
        a, e);
}

enum err_code match_fold(struct str s, unsigned flags, struct arena *a,
                         struct str *out, struct err *e)
{
    struct buf b;
    enum err_code rc;
    char *copy;

    *out = STR("");
    buf_init(&b, SIZE_MAX / 2);
    rc = text_fold(s, flags, &b, NULL, e);
    if (!rc) {
        copy = arena_dup(a, b.p, b.n);
        if (copy)
            *out = (struct str){ copy, b.n };
        else
            rc = match_no_memory(e);
    }
    buf_free(&b);
    return rc;
}

/* ---- tables of patterns ---- */

static enum err_code compile(struct match_rules *r, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < r->n && !rc; i++)
        if (!r->compiled[i])
            rc = pattern_open(&r->compiled[i], str_of(r->rules[i].pattern),
                              r->rules[i].flags, e);
    return rc;
}

enum err_code match_rules_open(struct match_rules *r, struct err *e)
{
    enum err_code rc = ERR_OK;

    if (atomic_load_explicit(&r->ready, memory_order_acquire))
        return ERR_OK;
    (void)pthread_mutex_lock(&r->lock);
    if (!atomic_load(&r->ready)) {
        rc = compile(r, e);
        atomic_store(&r->ready, !rc);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return rc;
}

enum err_code match_rules_find(const struct match_rules *r, size_t i,
                               struct str s, size_t from,
                               struct pattern_hit *hit, bool *found,
                               struct err *e)
{
    enum err_code rc = pattern_find(r->compiled[i], s, from, hit, found, e);

    return rc == ERR_LIMIT ? ERR_OK : rc;
}

enum err_code match_rules_last(const struct match_rules *r, size_t i,
                               struct str s, size_t most,
                               struct match_hits *out, struct err *e)
{
    size_t ring[MATCH_HITS_MOST], n = 0, from = 0;
    struct pattern_hit hit;
    enum err_code rc;
    bool found;

    assert(most > 0 && most <= MATCH_HITS_MOST);
    for (;;) {
        rc = match_rules_find(r, i, s, from, &hit, &found, e);
        if (rc || !found)
            break;
        ring[n++ % most] = hit.g[1].at;
        from = hit.g[1].at > from ? hit.g[1].at : from + 1;
    }
    for (out->n = 0; out->n < n && out->n < most; out->n++)
        out->at[out->n] = ring[(n - 1 - out->n) % most];
    return rc;
}

enum err_code match_rules_any(struct match_rules *r, struct str s, bool *found,
                              struct err *e)
{
    enum err_code rc = match_rules_open(r, e);
    struct pattern_hit hit;

    *found = false;
    for (size_t i = 0; i < r->n && !rc && !*found; i++)
        rc = match_rules_find(r, i, s, 0, &hit, found, e);
    return rc;
}

const char *match_rule_name(const struct match_rules *r,
                            const char *const *more, size_t i)
{
    if (i < r->n)
        return r->rules[i].name;
    for (i -= r->n; i && *more; i--)
        more++;
    return *more;
}

enum err_code match_candidate_add(struct match_candidates *c, struct arena *a,
                                  struct match_candidate one, struct err *e)
{
    if (!one.extracted)
        return match_no_memory(e);
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 8;
        struct match_candidate *list = arena_array(a, cap, sizeof(*list));

        if (!list)
            return match_no_memory(e);
        if (c->n)
            memcpy(list, c->list, c->n * sizeof(*list));
        c->list = list;
        c->cap = cap;
    }
    c->list[c->n++] = one;
    return ERR_OK;
}

bool match_is_latin(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool match_is_digit(struct str s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

/* Asked of every character for many words: most differ in the first byte. */
bool match_starts_at(struct str s, size_t i, const char *what)
{
    if (*what && (i >= s.n || s.p[i] != *what))
        return false;
    return i <= s.n && str_starts(str_sub(s, i, s.n), str_of(what));
}

struct str match_group(struct str s, const struct pattern_hit *hit, size_t i)
{
    if (i >= hit->n || hit->g[i].at == (size_t)-1)
        return str_sub(s, s.n, s.n);
    return str_sub(s, hit->g[i].at, hit->g[i].end);
}

/* ---- refusals ---- */

/* A refusal declines the task.  "I cannot tell which one" is an answer that
 * cannot be read, and "sorry, my first answer was wrong" none of the two: the
 * apology counts only with a verb of declining after it. */
#define CANNOT                                                                 \
    "(?:无法|不能|不便|不可以|不会|不方便|没办法|没有办法|没法|拒绝|不予|难以)"
#define DECLINE                                                                                          \
    "(?:回答|回复|提供|协助|帮助|帮|满足|完成|参与|讨论|给出|作答|继续|执行|" \
    "处理|生成|支持|回应|评论|发表|谈论|透露|编写|撰写|创作|分享|教|解答|响应)"
#define CANT                                                                   \
    "(?:can(?:no|['’])t|can not|am unable to|'m unable to|won['’]t|will not)"
static const struct match_rule refusal_rules[] = {
    { "sorry",
      "^[^。.!\\n]{0,20}?(?:抱歉|对不起|不好意思|很遗憾|请谅解|请原谅)"
      "[^。\\n]{0,40}?" CANNOT "[^。,，!\\n]{0,12}?" DECLINE,
      0, 0 },
    { "i_cannot",
      "^[^。.!\\n]{0,12}?(?:我|本人|本助手)[^。,，!\\n]{0,8}?" CANNOT
      "[^。,，!\\n]{0,12}?" DECLINE,
      0, 0 },
    { "as_an_ai",
      "^[^。.!\\n]{0,8}?(?:作为|身为|我是)[^。\\n]{0,16}?(?:AI|人工智能|语言模型|"
      "大模型|助手)[^。\\n]{0,30}?" CANNOT "[^。,，!\\n]{0,12}?" DECLINE,
      PATTERN_CASELESS, 0 },
    { "by_law",
      "^[^。.!\\n]{0,12}?(?:根据|按照|依据)[^。\\n]{0,16}?(?:法律|法规|政策|规定)"
      "[^。\\n]{0,24}?" CANNOT "[^。,，!\\n]{0,12}?" DECLINE,
      0, 0 },
    { "sensitive",
      "^[^。.!\\n]{0,12}?(?:问题|话题|内容|请求)[^。\\n]{0,12}?(?:敏感|违规|违法|"
      "不当|有害)[^。\\n]{0,40}?" CANNOT "[^。,，!\\n]{0,12}?" DECLINE,
      0, 0 },
    /* "I will not write this".  The verb alone is no refusal (小明不能写作业,
     * 我不会写字): the speaker declines, and says so of the thing asked for. */
    { "will_not_make",
      "^[^。.!\\n]{0,16}?(?:我|抱歉|对不起|不好意思)[,，]?(?:我|也|绝|决|绝对|"
      "恐怕|可|都|真的|实在|只能|是)*" CANNOT "(?:再|去|这样|[为替给帮][你您])*"
      "(?:(?:写|制作|伪造|编造)(?=[这此那你您]|任何|辱|骂|带|含|有|假|出|类|"
      "[。,，!;；\\s]|\\z)|照办|照做|配合|服从|听从|这样做|做这)",
      0, 0 },
    { "i_refuse",
      "^[^。.!\\n]{0,16}?我[^。,，!\\n]{0,6}?拒绝(?:这|该|此|你|您|写|做|按|执行|"
      "任何)",
      0, 0 },
    { "sorry_helpless",
      "^[^。.!\\n]{0,8}?(?:抱歉|对不起|不好意思|恕)[^。\\n]{0,10}?(?:帮不了|帮不上|"
      "做不到|办不到|不能照办|难以从命)",
      0, 0 },
    /* Not "I will not" but "do not", and the reason. */
    { "unlawful",
      "^\\s*(?:请不要|请勿|不要|不可以|不行|千万别)[^\\n]{0,40}?(?:违法|犯法|"
      "犯罪|违反|侵犯|触犯|法律责任|不道德)",
      0, 0 },
    { "change_topic",
      "^[^\\n]{0,60}?(?:换个|换一个|换一)(?:话题|问题|聊)[^\\n]{0,12}?(?:吧|聊|试试)",
      0, 0 },
    { "sorry_en",
      "^[^\\n]{0,20}?\\b(?:sorry|apologi[sz]e|unfortunately|regret)\\b[^\\n]{0,60}?"
      "\\b(?:I )?" CANT " (?:\\w+ ){0,3}?(?:assist|help|provide|answer|comply|"
      "fulfill|create|generate|write|discuss|do|continue|share|support|engage|reveal|disclose)\\b",
      PATTERN_CASELESS, 0 },
    { "i_cannot_en",
      "^[^.\\n]{0,30}?\\bI(?: |['’]m)?" CANT " (?:\\w+ ){0,3}?(?:assist|help|"
      "provide|answer|comply|fulfill|create|generate|write|discuss|do|"
      "continue|share|support|engage|reveal|disclose)\\b",
      PATTERN_CASELESS, 0 },
    { "as_an_ai_en",
      "^[^.\\n]{0,12}?\\bas an? (?:AI|artificial|large language|language)"
      "[^.\\n]{0,60}?(?:" CANT "|not able to|do not have|don['’]t have)",
      PATTERN_CASELESS, 0 },
};
#undef CANNOT
#undef DECLINE
#undef CANT
static struct match_rules refusals = MATCH_RULES(refusal_rules);

enum { REFUSAL_LOOKS_AT = 600 };

/* The pattern that hits first in the table gives the span. */
enum err_code match_find_refusal(struct str response, struct match_out *span,
                                 bool *found, struct err *e)
{
    struct match_text t;
    struct str head = match_answer_part(response), text;
    struct pattern_hit hit;
    enum err_code rc = match_rules_open(&refusals, e);

    *found = false;
    if (rc)
        return rc;
    head = str_sub(head, 0, REFUSAL_LOOKS_AT);
    head = str_sub(head, 0, text_whole(head));
    rc = match_text_open(&t, head, TEXT_NFKC | TEXT_SIMPLE, 0, e);
    text = buf_view(&t.text);
    for (size_t i = 0; i < refusals.n && !rc && !*found; i++)
        rc = match_rules_find(&refusals, i, text, 0, &hit, found, e);
    if (!rc && *found) {
        match_set_span(span, &t, hit.g[0].at, hit.g[0].end);
        span->span_at += (size_t)(head.p - response.p);
    }
    match_text_close(&t);
    return rc;
}

/* Without memory there is no refusal, and the caller's next step will say why. */
bool match_is_refusal(struct str response, size_t *at, size_t *len)
{
    struct match_out out = { .score = 0 };
    bool found;
    struct err e;

    if (match_find_refusal(response, &out, &found, &e) || !found)
        return false;
    if (at)
        *at = out.span_at;
    if (len)
        *len = out.span_len;
    return true;
}

void match_no_answer(const struct match_in *in, struct match_out *out)
{
    out->score = 0;
    if (match_is_refusal(in->response, &out->span_at, &out->span_len)) {
        out->verdict = VERDICT_REFUSED;
        out->rule = "refusal";
        out->extracted = "";
    } else {
        out->verdict = VERDICT_UNPARSABLE;
    }
}

/* ---- accepted answers ---- */

enum err_code match_check_strings(const struct json *expected, const char *what,
                                  struct err *e)
{
    const struct json *m;

    if (json_string(expected) && *json_string(expected))
        return ERR_OK;
    if (expected && json_type(expected) == JSON_ARRAY && json_len(expected)) {
        for (m = json_child(expected); m; m = json_next(m))
            if (!json_string(m) || !*json_string(m))
                return err_set(e, ERR_FORMAT,
                               "answer: expected %s, got %s in the list", what,
                               json_string(m) ? "an empty string"
                                              : json_type_name(json_type(m)));
        return ERR_OK;
    }
    return err_set(e, ERR_FORMAT, "answer: expected %s or a list of them",
                   what);
}

const char *match_accepted(const struct json *expected, size_t i)
{
    if (json_string(expected))
        return i ? NULL : json_string(expected);
    return json_string(json_at(expected, i));
}
