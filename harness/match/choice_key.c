/* What choices may be keyed by: A B C, 甲乙丙丁, ①②③.
 *
 * The rules read letters.  So before an answer to an item with other keys is
 * folded, its keys are put as letters (甲 as A; folding would make ① a 1), and
 * letters that stand alone are put out of the way: A is none of its keys. */
#include <string.h>

#include "harness/match/choice.h"

static const struct choice_keys alphabets[] = {
    { "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1 },
    { "甲乙丙丁戊己庚辛壬癸", 3 },
    { "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳", 3 },
};
enum { N_ALPHABETS = sizeof alphabets / sizeof *alphabets, NO_KEY = '~' };

static struct str key_at(const struct choice_keys *k, size_t i)
{
    return (struct str){ k->keys + i * k->width, k->width };
}

uint32_t choice_key_bit(const struct choice_keys *k, struct str key)
{
    for (size_t i = 0; k->keys[i * k->width]; i++)
        if (str_eq(key, key_at(k, i)))
            return (uint32_t)1 << i;
    return 0;
}

const struct choice_keys *choice_keys_of(const struct match_in *in)
{
    for (size_t i = 0; in->n_choices && i < N_ALPHABETS; i++)
        if (choice_key_bit(&alphabets[i], in->choices[0].key))
            return &alphabets[i];
    return &alphabets[0];
}

uint32_t choice_key_set(const struct choice_keys *k, struct str s)
{
    uint32_t set = 0;

    if (k->width == 1)
        return choice_letters(s);
    for (size_t i = 0; i + k->width <= s.n; i++)
        set |= choice_key_bit(k, str_sub(s, i, i + k->width));
    return set;
}

char *choice_key_text(const struct choice_keys *k, uint32_t set,
                      struct arena *a)
{
    char text[26 * 3 + 1];
    size_t n = 0;

    for (size_t i = 0; i < 26; i++)
        if (set >> i & 1) {
            memcpy(text + n, key_at(k, i).p, k->width);
            n += k->width;
        }
    return arena_dup(a, text, n);
}

/* ---- an answer's text ---- */

/* 甲醛 and 自己 name no choice. */
static bool in_word(struct str s, size_t at, struct str key)
{
    static const char *const words[] = {
        "甲方", "乙方", "丙方", "丁方", "甲级", "乙级", "丙级", "甲型",
        "乙型", "丙型", "甲肝", "乙肝", "丙肝", "甲醛", "甲烷", "甲醇",
        "甲苯", "甲酸", "甲状", "甲板", "甲骨", "甲虫", "甲壳", "指甲",
        "盔甲", "铠甲", "装甲", "龟甲", "山甲", "乙醇", "乙烯", "乙炔",
        "乙烷", "乙酸", "乙醛", "丙酮", "丙烯", "丙烷", "丁香", "丁烷",
        "园丁", "布丁", "补丁", "壮丁", "人丁", "自己", "己方", "知己",
        "利己", "庚子", "辛苦", "辛亥", "辛勤", "辛辣", "艰辛", "戊戌",
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t in = str_find(str_of(words[i]), key, 0);
        if (in != (size_t)-1 && at >= in &&
            match_starts_at(s, at - in, words[i]))
            return true;
    }
    return false;
}

/* A letter of half or full width as ASCII, 0: none. */
static char latin(int32_t rune)
{
    if (rune >= 0xFF21 && rune <= 0xFF5A)
        rune -= 0xFEE0;
    return rune < 0x80 && match_is_latin((char)rune) ? (char)rune : 0;
}

/* Puts the rune at `at`, of len bytes, as the rules shall read it. */
static void put(const struct choice_look *l, struct str s, size_t at,
                size_t len, bool alone, struct buf *out)
{
    struct str rune = str_sub(s, at, at + len);
    uint32_t bit = choice_key_bit(l->keys, rune) & l->all;
    char letter = latin(text_rune(s, at, &len));

    if (bit && !in_word(s, at, rune))
        buf_char(out, (char)('A' + __builtin_ctz(bit)));
    else if (letter && alone && choice_bit(letter) & l->all)
        buf_char(out, NO_KEY);
    else
        buf_text(out, rune);
}

/* `from`: the place in s of each byte of *out. */
static void translate(const struct choice_look *l, struct str s,
                      struct buf *out, struct buf *from)
{
    char before = 0;

    for (size_t at = 0, len, next; at < s.n; at += len) {
        char this = latin(text_rune(s, at, &len));
        uint32_t place = (uint32_t)at;
        char after = at + len < s.n ? latin(text_rune(s, at + len, &next)) : 0;

        put(l, s, at, len, !before && !after, out);
        while (from->n < out->n * sizeof place && !from->failed)
            buf_add(from, &place, sizeof place);
        before = this;
    }
}

/* Folds what was translated; places in that become places in the answer. */
static enum err_code fold(struct match_text *t, const struct buf *translated,
                          const struct buf *from, struct err *e)
{
    enum err_code rc;
    uint32_t place;

    buf_clear(&t->text);
    buf_clear(&t->map);
    rc = text_fold(buf_view(translated), CHOICE_FLAGS, &t->text, &t->map, e);
    for (size_t i = 0; i + sizeof place <= t->map.n && !rc; i += sizeof place) {
        memcpy(&place, t->map.p + i, sizeof place);
        memcpy(t->map.p + i, from->p + place * sizeof place, sizeof place);
    }
    return rc;
}

enum err_code choice_text_open(struct choice_look *l, struct err *e)
{
    struct buf translated, from;
    enum err_code rc = match_text_open(&l->t, l->in->response, CHOICE_FLAGS,
                                       CHOICE_LOOKS_AT, e);

    if (rc || l->keys->width == 1)
        return rc;
    buf_init(&translated, SIZE_MAX / 2);
    buf_init(&from, SIZE_MAX / 2);
    translate(l, l->t.part, &translated, &from);
    rc = buf_check(&translated, "matcher", e);
    if (!rc)
        rc = buf_check(&from, "matcher", e);
    if (!rc)
        rc = fold(&l->t, &translated, &from, e);
    buf_free(&translated);
    buf_free(&from);
    return rc;
}
