/* What the files of the matcher `choice` share: its rules (choice_rules.c), what
 * reads with them (choice_read.c), their keys (choice_key.c), the text of options (choice_quote.c), and
 * the cascade of all (match_choice.c). */
#ifndef MK_CHOICE_H
#define MK_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/match/match_parts.h"

/* The tiers of the cascade, the most explicit first. */
enum choice_tier {
    CHOICE_STATED = 1,
    CHOICE_ALONE,
    CHOICE_WHICH,
    CHOICE_RIGHT,
    CHOICE_NAMED,
    CHOICE_BOLD,
    CHOICE_TIERS
};
enum {
    CHOICE_TIER = 0xFF,    /* of a rule's `tier`: the tier itself */
    CHOICE_FIRM = 0x100,   /* what stands behind the letters denies nothing */
    CHOICE_SINGLE = 0x200, /* only where one letter is wanted */
    CHOICE_HEAD = 0x400,   /* no answer where the choices are repeated */
    CHOICE_MARK = 0x800    /* one also as the next line of such a list */
};
enum {
    CHOICE_FLAGS = TEXT_NFKC | TEXT_SIMPLE,
    CHOICE_LOOKS_AT = 1 << 16 /* bytes of an answer, from its end */
};

/* Tables of patterns; group 1 holds the letters.  choice_rules is the cascade,
 * the others are held against what stands around a hit. */
extern struct match_rules choice_rules, choice_before, choice_after,
    choice_wrong, choice_next, choice_none;

/* What choices are keyed by: an alphabet, each key of `width` bytes. */
struct choice_keys {
    const char *keys; /* one after the other, at most 26 */
    size_t width;
};

/* One answer that is looked at.  Sets of letters are bits, A is bit 0; of 甲乙丙
 * 甲 is, and stands as A in the text. */
struct choice_look {
    const struct match_in *in;
    const struct choice_keys *keys;
    struct match_text t;
    struct str text; /* folded, perhaps cut before a next question */
    uint32_t all;    /* the letters of the item */
    bool multi;      /* several letters may be right */
    size_t lists;    /* how often the answer repeats the choices */
};

/* What a rule, a tier, or the cascade has read. */
struct choice_pick {
    uint32_t set; /* 0: nothing */
    size_t at, end;
    const char *rule;
    bool clash;               /* two hits that disagree: nothing */
    bool none;                /* it says that no option is right */
    bool weak;                /* a refusal overrules it */
    bool quoted;              /* span_at holds, and not at and end */
    size_t changes;           /* of mind, by one rule */
    size_t span_at, span_len; /* where it is quoted: in the response */
};

uint32_t choice_bit(char c); /* 0 when it is no letter */
size_t choice_count(uint32_t set);
/* The letters of a list, without the words between them (and, or). */
uint32_t choice_letters(struct str s);

/* The alphabet of the item's first key; that of letters if it is of none. */
const struct choice_keys *choice_keys_of(const struct match_in *in);
uint32_t choice_key_bit(const struct choice_keys *k, struct str key);
/* All keys in s: "ABD", "甲、丙". */
uint32_t choice_key_set(const struct choice_keys *k, struct str s);
/* "ABD", "甲丙", in the arena; NULL: no memory. */
char *choice_key_text(const struct choice_keys *k, uint32_t set,
                      struct arena *a);
/* Opens l->t, in which keys are letters.  Needs l->in, keys, and all. */
enum err_code choice_text_open(struct choice_look *l, struct err *e) MUST_CHECK;

/* What rule i of the cascade reads by itself. */
enum err_code choice_run_rule(const struct choice_look *l, size_t i,
                              struct choice_pick *p, struct err *e) MUST_CHECK;
/* What the rules of a tier read together. */
enum err_code choice_run_tier(const struct choice_look *l,
                              enum choice_tier tier, struct choice_pick *p,
                              struct err *e) MUST_CHECK;
/* Where it says last, from p->at on, that no option is right; else *p stays. */
enum err_code choice_run_none(const struct choice_look *l,
                              struct choice_pick *p, struct err *e) MUST_CHECK;
/* Every option called right or wrong. */
enum err_code choice_run_judged(const struct choice_look *l,
                                struct choice_pick *p,
                                struct err *e) MUST_CHECK;
/* A short answer with one letter in it. */
enum err_code choice_run_only(const struct choice_look *l,
                              struct choice_pick *p, struct err *e) MUST_CHECK;
/* Option text instead of its letter. */
enum err_code choice_run_quoted(const struct choice_look *l, struct arena *a,
                                struct choice_pick *p,
                                struct err *e) MUST_CHECK;
/* Whether what is said at [from, end) of s is taken back before it or, unless
 * `firm`, after it. */
enum err_code choice_denied(struct str s, size_t from, size_t end, bool firm,
                            bool *denied, struct err *e) MUST_CHECK;

/* How often the answer repeats the choices, from its first line on. */
size_t choice_lists(const struct choice_look *l);
/* Drops a next question that the model asked itself, if there is an answer
 * before it. */
enum err_code choice_cut_next(struct choice_look *l, struct err *e) MUST_CHECK;

#endif
