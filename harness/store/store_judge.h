/* The rows of judges: who judges, what was asked and said, what people say. */
#ifndef MK_STORE_JUDGE_H
#define MK_STORE_JUDGE_H

#include "harness/store/store.h"

struct store_judge {
    const char *hash; /* of all that decides what is asked, and of whom */
    int64_t model, params;
    const char *kind; /* "pairwise", "graded" */
    const char *name, *rubric_json;
};
/* The same hash gives the same id. */
enum err_code store_put_judge(struct store *s, const struct store_judge *j,
                              int64_t *id, struct err *e) MUST_CHECK;

/* One question to a judge; stored once for a judge, responses and order. */
struct store_case {
    int64_t run, judge;
    int64_t sample, against; /* against 0: graded alone */
    bool swapped;            /* the baseline's response was shown first */
    int64_t prompt;
};
struct store_judgement {
    const struct store_response *response; /* text not NULL; no logprobs */
    const char *verdict; /* of `sample`: "win", "tie", "loss"; or NULL */
    double grade;        /* 0 ... 1, NaN: none */
    int parser;
};
enum err_code store_add_judgement(struct store *s, const struct store_case *k,
                                  const struct store_judgement *j,
                                  struct err *e) MUST_CHECK;
enum err_code store_add_judge_error(struct store *s, const struct store_case *k,
                                    const struct store_error *r,
                                    struct err *e) MUST_CHECK;

/* What a person says of a response; a later label of the same source takes the
 * place of the earlier one. */
struct store_label {
    int64_t sample, against; /* against 0: graded alone */
    const char *verdict;     /* or NULL */
    double grade;            /* NaN: none */
    const char *source;
};
enum err_code store_put_label(struct store *s, const struct store_label *l,
                              struct err *e) MUST_CHECK;

#endif
