/* Rhymes by two modern books: a poem may follow either.  Readings come from
 * rhyme_rows.c, which is searched as it stands: a poem asks for a dozen
 * characters, and 30 KB of text are looked through in microseconds. */
#include "harness/match/rhyme.h"

#include <string.h>

#include "harness/base/text.h"

/* 中华新韵 (2005) has 支 apart from 齐 and 庚 with 东; 中华通韵 (2019) has o
 * apart from e, 儿 apart from 齐, and 英 apart from 雍. */
static const struct {
    const char *final;
    int xin, tong;
} sets[] = {
    { "a", 0, 0 },     { "ia", 0, 0 },     { "ua", 0, 0 },
    { "uo", 1, 1 },    { "o", 1, 1 },      { "io", 1, 1 },
    { "e", 1, 2 },     { "ie", 2, 2 },     { "üe", 2, 2 },
    { "er", 11, 15 },  { "-i", 12, 3 },    { "i", 11, 3 },
    { "u", 13, 4 },    { "ü", 11, 5 },     { "ai", 3, 6 },
    { "uai", 3, 6 },   { "ei", 4, 7 },     { "ui", 4, 7 },
    { "ao", 5, 8 },    { "iao", 5, 8 },    { "ou", 6, 9 },
    { "iu", 6, 9 },    { "an", 7, 10 },    { "ian", 7, 10 },
    { "uan", 7, 10 },  { "üan", 7, 10 },   { "en", 8, 11 },
    { "in", 8, 11 },   { "un", 8, 11 },    { "ün", 8, 11 },
    { "ang", 9, 12 },  { "iang", 9, 12 },  { "uang", 9, 12 },
    { "eng", 10, 13 }, { "ing", 10, 13 },  { "ueng", 10, 13 },
    { "ong", 10, 14 }, { "iong", 10, 14 },
};

static uint32_t sets_of(const char *final)
{
    for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
        if (!strcmp(sets[i].final, final))
            return (uint32_t)1 << sets[i].xin | (uint32_t)1
                                                    << (16 + sets[i].tong);
    return 0;
}

/* Whole characters of UTF-8 are only found as whole characters. */
static bool has(const struct rhyme_row *row, struct str utf8)
{
    return str_find(str_of(row->chars), utf8, 0) != (size_t)-1;
}

uint32_t rhyme_sets(int32_t rune)
{
    char utf8[4];
    struct str s = { utf8, text_encode(rune, utf8) };
    uint32_t found = 0;

    for (const struct rhyme_row *row = rhyme_rows; row->final && s.n; row++)
        if (has(row, s))
            found |= sets_of(row->final);
    return found;
}

unsigned rhyme_tones(int32_t rune)
{
    char utf8[4];
    struct str s = { utf8, text_encode(rune, utf8) };
    unsigned found = 0;

    for (const struct rhyme_row *row = rhyme_rows; row->final && s.n; row++)
        if (has(row, s))
            found |= 1u << row->tone;
    return found;
}

bool rhyme_is_level(int32_t rune)
{
    return (rhyme_tones(rune) & (1u << 1 | 1u << 2)) != 0;
}

bool rhyme_is_oblique(int32_t rune)
{
    return (rhyme_tones(rune) & (1u << 3 | 1u << 4)) != 0;
}
