/* Pre-tokenizers: a table of rows, each a chain of stages.
 *
 * A stage cuts a piece of text into pieces; each of these goes through the next
 * stage, those of the last are the words.  A stage is a pattern (its matches,
 * and the gaps between them, are the pieces) or, for the shapes that nearly all
 * models have, a scanner written by hand: it looks each character's class up in
 * a table of two bits and is some ten times as fast as the pattern.  The
 * patterns of all rows stand in the tests' golden data and are the truth that
 * the scanners are compared with.
 *
 * Patterns write white space out as Unicode's White_Space: \s of PCRE2 also
 * takes U+180E, which the tokenizers' own libraries do not. */
#include "engine/vocab_split.h"

#include <string.h>

#include "harness/base/mem.h"
#include "harness/base/pattern.h"

enum class { OTHER, LETTER, NUMBER, SPACE };

/* No letter, number or space stands beyond this plane's end; table in bytes. */
#define CLASS_RUNES 0x34000
struct classes {
    unsigned char two_bits[CLASS_RUNES / 4];
};

/* End of the piece that begins at `at` (at < s.n). */
typedef size_t cut_fn(const struct classes *c, struct str s, size_t at);

#define SPLIT_STAGES 6
struct stage {
    cut_fn *cut; /* one of the two */
    const char *pattern;
};

struct split_row {
    const char *name;
    bool ignore_merges; /* a word that is a token is not merged from bytes */
    bool add_bos;       /* default of tokenizer.ggml.add_bos_token */
    struct stage stage[SPLIT_STAGES + 1]; /* ended by an empty one */
};

struct split {
    const struct split_row *row;
    struct classes *classes;
    struct pattern *pattern[SPLIT_STAGES];
};

/* --- scanners ------------------------------------------------------------- */

static void fill_classes(struct classes *c)
{
    for (int32_t r = 0; r < CLASS_RUNES; r++) {
        enum class k = text_is_letter(r)   ? LETTER
                       : text_is_number(r) ? NUMBER
                       : text_is_space(r)  ? SPACE
                                           : OTHER;

        c->two_bits[r / 4] |= (unsigned char)(k << r % 4 * 2);
    }
}

static enum class class_of(const struct classes *c, int32_t rune) {
    if (rune < 0 || rune >= CLASS_RUNES) return OTHER;
    return (enum class)(c->two_bits[rune / 4] >> rune % 4 * 2 & 3);
}

/* The character at `at`; past the end its class is SPACE and its length 0. */
struct at {
    int32_t rune;
    size_t len;
    enum class k;
};

static struct at look(const struct classes *c, struct str s, size_t at)
{
    struct at x = { .rune = -1, .k = SPACE };

    if (at < s.n) {
        x.rune = text_rune(s, at, &x.len);
        x.k = class_of(c, x.rune);
    }
    return x;
}

/* End of the run of class k from `at`, of at most `most` characters. */
static size_t run_end(const struct classes *c, struct str s, size_t at,
                      enum class k, size_t most)
{
    struct at x = look(c, s, at);

    for (; x.len && x.k == k && most > 0; most--, x = look(c, s, at))
        at += x.len;
    return at;
}

/* Length of 's 't 're 've 'm 'll 'd at `at`, 0 if there is none; of any case
 * (and with U+017F, which folds to s) if `fold`. */
static size_t contraction(struct str s, size_t at, bool fold)
{
    static const char *const list[] = { "s", "t", "re", "ve", "m", "ll", "d" };
    struct str rest = str_sub(s, at + 1, s.n);

    if (s.p[at] != '\'')
        return 0;
    if (fold && str_starts(rest, STR("\xC5\xBF")))
        return 3;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        size_t k = 0;

        while (list[i][k] && k < rest.n &&
               (rest.p[k] | (fold && rest.p[k] < 'a' ? 0x20 : 0)) == list[i][k])
            k++;
        if (!list[i][k])
            return 1 + k;
    }
    return 0;
}

/* \s+(?!\S)|\s+ : the last space of a run goes with the word that follows. */
static size_t cut_space(const struct classes *c, struct str s, size_t at)
{
    size_t last = at, end = at;

    for (struct at x = look(c, s, at); x.len && x.k == SPACE;
         x = look(c, s, end)) {
        last = end;
        end += x.len;
    }
    return end == s.n || last == at ? end : last;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t cut_gpt2(const struct classes *c, struct str s, size_t at)
{
    size_t n = contraction(s, at, false);
    struct at x = look(c, s, at + (s.p[at] == ' '));

    if (n)
        return at + n;
    if (x.k == SPACE)
        return cut_space(c, s, at);
    return run_end(c, s, at + (s.p[at] == ' '), x.k, SIZE_MAX);
}

/* \s*[\r\n]+ : end of the last line break of the run, 0 if there is none. */
static size_t line_end(const struct classes *c, struct str s, size_t at)
{
    size_t end = 0;

    for (struct at x = look(c, s, at); x.len && x.k == SPACE;
         x = look(c, s, at)) {
        at += x.len;
        if (x.rune == '\r' || x.rune == '\n')
            end = at;
    }
    return end;
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,most}|
 *  ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t cut_llama3(const struct classes *c, struct str s, size_t at,
                         size_t most)
{
    size_t n = contraction(s, at, true), end;
    struct at x = look(c, s, at), next = look(c, s, at + x.len);

    if (n)
        return at + n;
    if (x.k == NUMBER)
        return run_end(c, s, at, NUMBER, most);
    if (x.k == LETTER)
        return run_end(c, s, at, LETTER, SIZE_MAX);
    if (next.len && next.k == LETTER && x.rune != '\r' && x.rune != '\n')
        return run_end(c, s, at + x.len, LETTER, SIZE_MAX);
    if (x.k == OTHER || (x.rune == ' ' && next.len && next.k == OTHER)) {
        end = run_end(c, s, x.k == OTHER ? at : at + 1, OTHER, SIZE_MAX);
        while (end < s.n && (s.p[end] == '\r' || s.p[end] == '\n'))
            end++;
        return end;
    }
    end = line_end(c, s, at);
    return end ? end : cut_space(c, s, at);
}

static size_t cut_llama3_1(const struct classes *c, struct str s, size_t at)
{
    return cut_llama3(c, s, at, 1);
}

static size_t cut_llama3_3(const struct classes *c, struct str s, size_t at)
{
    return cut_llama3(c, s, at, 3);
}

/* \p{N}{1,most} and the gaps */
static size_t cut_numbers(const struct classes *c, struct str s, size_t at,
                          size_t most)
{
    struct at x = look(c, s, at);

    if (x.k == NUMBER)
        return run_end(c, s, at, NUMBER, most);
    for (; x.len && x.k != NUMBER; x = look(c, s, at))
        at += x.len;
    return at;
}

static size_t cut_digit(const struct classes *c, struct str s, size_t at)
{
    return cut_numbers(c, s, at, 1);
}

static size_t cut_digits_3(const struct classes *c, struct str s, size_t at)
{
    return cut_numbers(c, s, at, 3);
}

static size_t cut_digits(const struct classes *c, struct str s, size_t at)
{
    return cut_numbers(c, s, at, SIZE_MAX);
}

/* --- the table ------------------------------------------------------------ */

/* clang-format off */
#define WS "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}" \
    "\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define SPACES "[" WS "]*[\\r\\n]+|[" WS "]+(?![^" WS "])|[" WS "]+"
#define CASELESS_TAIL "(?:'[sS\\x{17F}]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|" \
    "'[lL][lL]|'[dD])"
#define HAN_HANGUL "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}" \
    "\\x{AC00}-\\x{D7FF}]+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
/* Of DeepSeek-LLM: cased letters of an older Unicode.  To be kept in numbers:
 * normalising the text would turn ranges round. */
#define LATIN_GREEK_CYRILLIC \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}" \
    "\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}" \
    "\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}" \
    "\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}" \
    "\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}" \
    "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}" \
    "\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}" \
    "\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}" \
    "\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}" \
    "\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}" \
    "\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}" \
    "\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}" \
    "\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}" \
    "\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}" \
    "\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}" \
    "\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}" \
    "\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}" \
    "\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}" \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}" \
    "\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}" \
    "\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}" \
    "\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}" \
    "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"

#define DEEPSEEK_LLM { .pattern = "[\\r\\n]" }, \
    { .pattern = "[" WS "]?[" LATIN_GREEK_CYRILLIC "]+" }, \
    { .pattern = "[" WS "]?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}" \
                 "\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+" }, \
    { .pattern = "[" WS "]+$" }, { .pattern = HAN_HANGUL }, \
    { .cut = cut_digits }
#define DEEPSEEK_CODER { .pattern = "[\\r\\n]" }, \
    { .pattern = "[" WS "]?\\p{L}+" }, { .pattern = "[" WS "]?\\p{P}+" }, \
    { .pattern = HAN_HANGUL }, { .cut = cut_digit }
#define DEEPSEEK_V3 { .cut = cut_digits_3 }, \
    { .pattern = "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}" \
                 "\\x{30A0}-\\x{30FF}]+" }, \
    { .pattern = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|" \
                 "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" \
                 " ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACES }
#define QWEN35 { .pattern = CASELESS_TAIL "|" \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}|" \
    " ?[^" WS "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES }
#define BLOOM { .pattern = " ?[^(" WS "|.,!?\\x{2026}\\x{3002}\\x{FF0C}" \
    "\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+" }
#define GPT_4O { .pattern = \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" CASELESS_TAIL "?|" \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" CASELESS_TAIL "?|" \
    "\\p{N}{1,3}| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES }
#define DEFAULT { .pattern = "[\\p{P}\\$\\+<=>\\^~\\|]+" }, \
    { .cut = cut_gpt2 }, { .cut = cut_digits }, \
    { .pattern = "[0-9][0-9][0-9]" }
#define GPT2 { .cut = cut_gpt2 }
#define SMOLLM { .cut = cut_digit }, { .cut = cut_gpt2 }
#define LLAMA3 { .cut = cut_llama3_3 }
#define QWEN2 { .cut = cut_llama3_1 }
#define MINICPM5 { .cut = cut_digits_3 }, { .cut = cut_llama3_3 }

/* name, merges ignored, BOS by default, stages */
static const struct split_row rows[] = {
    { "default", false, false, { DEFAULT } },
    { "gpt-2", false, false, { GPT2 } },
    { "gpt2", false, false, { GPT2 } },
    { "phi-2", false, false, { GPT2 } },
    { "mpt", false, false, { GPT2 } },
    { "olmo", false, false, { GPT2 } },
    { "smollm", false, false, { SMOLLM } },
    { "starcoder", false, false, { SMOLLM } },
    { "refact", false, false, { SMOLLM } },
    { "command-r", false, false, { SMOLLM } },
    { "llama-bpe", true, true, { LLAMA3 } },
    { "llama3", true, true, { LLAMA3 } },
    { "llama-v3", true, true, { LLAMA3 } },
    { "smaug-bpe", false, false, { LLAMA3 } },
    { "dbrx", false, false, { LLAMA3 } },
    { "glm4", true, false, { LLAMA3 } },
    { "chatglm-bpe", false, false, { LLAMA3 } },
    { "qwen2", false, false, { QWEN2 } },
    { "deepseek-r1-qwen", false, false, { QWEN2 } },
    { "stablelm2", false, false, { QWEN2 } },
    { "hunyuan", false, false, { QWEN2 } },
    { "qwen35", false, false, { QWEN35 } },
    { "minicpm5", true, false, { MINICPM5 } },
    { "deepseek-llm", false, false, { DEEPSEEK_LLM } },
    { "deepseek-coder", false, false, { DEEPSEEK_CODER } },
    { "deepseek-v3", false, false, { DEEPSEEK_V3 } },
    { "bloom", false, false, { BLOOM } },
    { "gpt-4o", false, false, { GPT_4O } },
    { "llama4", false, false, { GPT_4O } },
};
/* clang-format on */

const struct split_row *split_row_at(size_t i)
{
    return i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

const struct split_row *split_row(struct str name)
{
    for (size_t i = 0; split_row_at(i); i++)
        if (str_is(name, rows[i].name))
            return &rows[i];
    return &rows[0];
}

const char *split_name(const struct split_row *r)
{
    return r->name;
}

bool split_ignores_merges(const struct split_row *r)
{
    return r->ignore_merges;
}

bool split_adds_bos(const struct split_row *r)
{
    return r->add_bos;
}

/* --- running it ----------------------------------------------------------- */

enum err_code split_open(struct split **out, const struct split_row *row,
                         struct err *e)
{
    struct split *s = mem_zalloc(sizeof *s);
    enum err_code rc = ERR_OK;

    if (s)
        s->classes = mem_zalloc(sizeof *s->classes);
    if (!s || !s->classes) {
        rc = err_set(e, ERR_NOMEM, "pre-tokenizer: out of memory");
        goto done;
    }
    s->row = row;
    fill_classes(s->classes);
    for (size_t i = 0; i < SPLIT_STAGES && !rc; i++)
        if (row->stage[i].pattern)
            rc = pattern_open(&s->pattern[i], str_of(row->stage[i].pattern), 0,
                              e);
done:
    if (rc) {
        split_close(s);
        return rc;
    }
    *out = s;
    return ERR_OK;
}

void split_close(struct split *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < SPLIT_STAGES; i++)
        pattern_close(s->pattern[i]);
    mem_free(s->classes);
    mem_free(s);
}

/* A stage at work: the piece it is in, how far it is, and the pattern's next
 * match. */
struct cursor {
    size_t end, at;
    size_t hit, hit_end;
};

static enum err_code next_piece(const struct split *s, size_t stage,
                                struct str text, struct cursor *k,
                                struct str *piece, struct err *e)
{
    struct str whole = { text.p, k->end };
    size_t from = k->at;

    if (s->row->stage[stage].cut) {
        k->at = s->row->stage[stage].cut(s->classes, whole, from);
    } else {
        if (k->hit_end <= from) {
            struct pattern_hit h = { 0 };
            bool found = false;
            enum err_code rc =
                pattern_find(s->pattern[stage], whole, from, &h, &found, e);

            if (rc)
                return rc;
            k->hit = found ? h.g[0].at : k->end;
            k->hit_end = found ? h.g[0].end : k->end;
        }
        k->at = k->hit > from ? k->hit : k->hit_end;
    }
    *piece = str_sub(text, from, k->at);
    return ERR_OK;
}

static size_t n_stages(const struct split_row *r)
{
    size_t n = 0;

    while (r->stage[n].cut || r->stage[n].pattern)
        n++;
    return n;
}

/* The chain as a stack of cursors: `view` is what the stages look at, the words
 * are the same bytes of `text`. */
static enum err_code
cut_all(const struct split *s, struct str view, struct str text,
        enum err_code (*word)(void *, struct str, struct err *), void *arg,
        struct err *e)
{
    struct cursor stack[SPLIT_STAGES] = { { .end = view.n } };
    size_t last = n_stages(s->row) - 1, depth = 0;

    for (;;) {
        struct cursor *k = &stack[depth];
        struct str piece;
        enum err_code rc;
        size_t from = k->at;

        if (k->at == k->end) {
            if (depth == 0)
                return ERR_OK;
            depth--;
            continue;
        }
        rc = next_piece(s, depth, view, k, &piece, e);
        if (!rc && depth == last)
            rc = word(arg, str_sub(text, from, k->at), e);
        else if (!rc)
            stack[++depth] =
                (struct cursor){ .at = from, .end = k->at, .hit_end = from };
        if (rc)
            return rc;
    }
}

/* Patterns want well-formed text: an ill-formed byte is shown to them as U+0001,
 * which is no letter, number or space either. */
static char *well_formed(struct str text)
{
    char *copy = mem_alloc(text.n + 1);

    for (size_t at = 0, len; copy && at < text.n; at += len) {
        if (text_rune(text, at, &len) < 0)
            copy[at] = 1;
        else
            memcpy(copy + at, text.p + at, len);
    }
    return copy;
}

enum err_code split_run(const struct split *s, struct str text,
                        enum err_code (*word)(void *arg, struct str w,
                                              struct err *e),
                        void *arg, struct err *e)
{
    char *copy = NULL;
    enum err_code rc;

    if (!text_check(text, NULL)) {
        copy = well_formed(text);
        if (!copy)
            return err_set(e, ERR_NOMEM, "tokenizer: out of memory");
    }
    rc = cut_all(s, copy ? (struct str){ copy, text.n } : text, text, word, arg,
                 e);
    mem_free(copy);
    return rc;
}
