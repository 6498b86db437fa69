/* What a judge is asked, and what is read from its answer: rubrics, the words
 * around them, the verdict in the last line.
 *
 * A rubric is data: criteria, language, scale.  The words around it, the marks
 * that fence the answers and the form of the verdict are the same for all. */
#ifndef MK_JUDGE_PROMPT_H
#define MK_JUDGE_PROMPT_H

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "runners/runner.h"

enum {
    JUDGE_WORDS = 1,  /* version of the words around a rubric */
    JUDGE_PARSER = 1, /* version of judge_read() */
};

struct rubric {
    const char *name;
    bool pairwise; /* else graded */
    bool english;  /* else Chinese */
    const char *const *criteria;
    size_t n_criteria;
    double low, high; /* graded: the scale */
};
/* Built-in ones by name ("pairwise-zh", "pairwise-en", "grade-zh", "grade-en",
 * "correct-zh", "correct-en"), else a JSON file:
 *   {"name":..., "kind":"pairwise"|"graded", "language":"zh"|"en",
 *    "criteria":[...], "low":1, "high":10}
 * Lives in the arena. */
enum err_code rubric_find(const char *name, struct arena *a, struct rubric *out,
                          struct err *e) MUST_CHECK;
/* Canonical JSON, with the version of the words around it: what is stored and
 * decides whether a stored judgement holds. */
enum err_code rubric_json(const struct rubric *r, struct buf *out,
                          struct err *e) MUST_CHECK;

/* What is to be judged, as texts. */
struct judge_texts {
    const char *question;       /* NULL: the answers are whole dialogues */
    const char *reference;      /* the right answer, or NULL */
    const char *first, *second; /* in the order shown; second NULL: graded */
};
/* A chat of a system and a user message, in the arena.  The fences hold a mark
 * made from the texts themselves, so that no answer can close its own. */
enum err_code judge_render(const struct rubric *r, const struct judge_texts *t,
                           struct arena *a, struct request *out,
                           struct err *e) MUST_CHECK;

enum judge_says {
    JUDGE_NONE,
    JUDGE_FIRST,
    JUDGE_SECOND,
    JUDGE_TIE,
    JUDGE_GRADE
};
struct judge_verdict {
    enum judge_says says;
    double grade; /* JUDGE_GRADE: 0 ... 1 */
};
/* The verdict in the last line of the answer: exactly one [[X]] there, and an X
 * that the rubric knows.  Anything else, and an answer that was cut off, is
 * JUDGE_NONE, never a guess. */
struct judge_verdict judge_read(const struct rubric *r, const char *text,
                                enum finish finish);

#endif
