/* Rhymes by two modern books: a poem may follow either.  Readings come from
 * rhyme_rows.c, which is read once, into a table by character. */
#include "harness/match/rhyme.h"

#include <assert.h>
#include <pthread.h>
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

struct reading {
    int32_t rune; /* 0: the place is free */
    uint32_t sets;
    unsigned tones;
};
enum { PLACES = 1 << 14 }; /* of 8,102 characters */

/* Written once under the once-lock, read-only ever after. */
static struct reading readings[PLACES];

/* Where the character is, or would be. */
static struct reading *place_of(int32_t rune)
{
    size_t at = (uint32_t)rune * 2654435761u >> 18;

    while (readings[at].rune && readings[at].rune != rune)
        at = (at + 1) % PLACES;
    return &readings[at];
}

static void read_rows(void)
{
    size_t n = 0;

    for (const struct rhyme_row *row = rhyme_rows; row->final; row++) {
        struct str chars = str_of(row->chars);
        size_t len;

        for (size_t at = 0; at < chars.n; at += len) {
            int32_t rune = text_rune(chars, at, &len);
            struct reading *r = place_of(rune);

            n += !r->rune;
            r->rune = rune;
            r->sets |= sets_of(row->final);
            r->tones |= 1u << row->tone;
        }
    }
    assert(n < PLACES / 4 * 3);
    (void)n;
}

static const struct reading *reading_of(int32_t rune)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, read_rows);
    return place_of(rune);
}

uint32_t rhyme_sets(int32_t rune)
{
    return reading_of(rune)->sets;
}

unsigned rhyme_tones(int32_t rune)
{
    return reading_of(rune)->tones;
}

bool rhyme_is_level(int32_t rune)
{
    return (rhyme_tones(rune) & (1u << 1 | 1u << 2)) != 0;
}

bool rhyme_is_oblique(int32_t rune)
{
    return (rhyme_tones(rune) & (1u << 3 | 1u << 4)) != 0;
}
