/* Instructions that a program can check: a table of kinds, each a pure function
 * of the text and of the object that describes the constraint. */
#ifndef MK_CONSTRAINT_H
#define MK_CONSTRAINT_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/match/match_parts.h"

enum constraint_piece {
    PIECE_WHOLE,
    PIECE_LINE,      /* that is not empty */
    PIECE_PARAGRAPH, /* between empty lines; lines where there are none */
    PIECE_SENTENCE,  /* up to 。！？…; or the end of its line */
    PIECE_CLAUSE,    /* up to any punctuation, or the end of its line */
    PIECE_KINDS
};
struct constraint_pieces {
    struct str *list;
    size_t n;
};
/* What a constraint is asked about: one form of the answer. */
struct constraint_text {
    struct str raw;
    struct str folded; /* width, case, 繁简, punctuation; runs of space one */
    struct arena *a;
    struct constraint_kept *kept;
};
/* The pieces of `raw` that some constraint has asked for. */
struct constraint_kept {
    bool made[PIECE_KINDS];
    struct constraint_pieces pieces[PIECE_KINDS];
};

/* A member of the constraint's object. */
enum constraint_type {
    CONSTRAINT_NUMBER, /* 0 or more */
    CONSTRAINT_BOOL,
    CONSTRAINT_TEXT,    /* not empty */
    CONSTRAINT_WORDS,   /* a text or a list of them */
    CONSTRAINT_ONE_OF,  /* of the words of `choices` */
    CONSTRAINT_PARTS,   /* a list of them */
    CONSTRAINT_NUMBERS, /* a list of numbers */
    CONSTRAINT_COLUMNS, /* a number or a list of texts */
    CONSTRAINT_PATTERN,
    CONSTRAINT_INDEX /* 1, 2 ... or -1, -2 ... from the end */
};
struct constraint_member {
    const char *name;
    enum constraint_type type;
    bool needed;
    const char *choices; /* "a|b|c" */
};

enum { CONSTRAINT_MEMBERS = 8 };
struct constraint {
    const char *name;
    const char *doc;
    struct constraint_member members[CONSTRAINT_MEMBERS];
    int range; /* takes min, max, about, within, exactly: 1 may, 2 must */
    enum err_code (*holds)(const struct json *c,
                           const struct constraint_text *t, bool *yes,
                           struct err *e);
    bool folded; /* looks at the folded text, which is made only then */
};

/* The tables, each with a NULL name at the end. */
extern const struct constraint constraints_of_text[];
extern const struct constraint constraints_of_form[];
extern const struct constraint constraints_of_verse[];

const struct constraint *constraint_find(const char *name);
/* Checks one object: its kind, its members, their types. */
enum err_code constraint_check(const struct json *c, struct err *e) MUST_CHECK;

/* Whether n is in the range that c asks for; without one n must be at least
 * `least`. */
bool constraint_in_range(const struct json *c, size_t n, size_t least);
/* A member's text, or what it is without. */
const char *constraint_word(const struct json *c, const char *name,
                            const char *without);

/* Pieces without a letter, digit or Han character are left out, but for lines
 * and paragraphs. */
enum err_code constraint_split(struct str s, enum constraint_piece piece,
                               struct arena *a, struct constraint_pieces *out,
                               struct err *e) MUST_CHECK;
/* constraint_split() of t->raw, done once. */
enum err_code constraint_pieces_of(const struct constraint_text *t,
                                   enum constraint_piece piece,
                                   struct constraint_pieces *out,
                                   struct err *e) MUST_CHECK;
/* The piece of that name: "whole", "line" ... */
enum constraint_piece constraint_piece_of(const char *name);

bool constraint_is_word_rune(int32_t rune); /* letter, digit, Han */
size_t constraint_han(struct str s);        /* Han characters in s */
/* s without white space and without "#>*`_" at both ends. */
struct str constraint_bare(struct str s);

#endif
