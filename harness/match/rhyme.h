/* How a Chinese character rhymes, and its tone. */
#ifndef MK_RHYME_H
#define MK_RHYME_H

#include <stdbool.h>
#include <stdint.h>

/* All readings of one final and tone. */
struct rhyme_row {
    const char *final;
    int tone;          /* 1 to 4; 0: the light one */
    const char *chars; /* that are read so */
};
extern const struct rhyme_row rhyme_rows[]; /* a NULL final at the end */

/* The sets of rhymes that a character may belong to, one bit each: those of
 * 中华新韵 (14) in the low half, those of 中华通韵 (16) in the high one.
 * Characters rhyme when they share a bit; 0: the character is not known. */
uint32_t rhyme_sets(int32_t rune);
/* Bits 1 to 4 (and 0, the light one) of the tones it may have. */
unsigned rhyme_tones(int32_t rune);
bool rhyme_is_level(int32_t rune);   /* 平: may be of tone 1 or 2 */
bool rhyme_is_oblique(int32_t rune); /* 仄: may be of tone 3 or 4 */

#endif
