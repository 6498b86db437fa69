/* What a plan, or any list of requests, would take, before anything is asked:
 * requests, tokens, money, time.  Each number says where it comes from. */
#ifndef MK_ESTIMATE_H
#define MK_ESTIMATE_H

#include "harness/cost.h"
#include "harness/plan.h"

struct bounds {
    double low, likely, high;
};

enum tokens_from {
    TOKENS_COUNTED, /* by the model's own tokenizer */
    TOKENS_GUESSED  /* from characters: see guess.h */
};

enum output_from {
    OUTPUT_NONE,   /* nothing is generated */
    OUTPUT_MODEL,  /* mean of this model's stored answers */
    OUTPUT_OTHERS, /* mean of all stored answers */
    OUTPUT_ASSUMED /* none is stored: half of what may be generated */
};

enum time_from {
    TIME_UNKNOWN, /* no answer of this model is stored, and no pace is set */
    TIME_PACE,    /* --rpm or --tpm */
    TIME_STORED   /* times of this model's stored answers */
};

struct estimate {
    size_t requests; /* turns; an entry of the plan has one or more */
    size_t generated;
    struct bounds prompt, output; /* tokens */
    struct bounds nano, cny_nano; /* money; NaN: price or rate are not known */
    double seconds;               /* NaN: unknown */
    enum tokens_from tokens_from;
    enum output_from output_from;
    size_t n_stored; /* answers behind output_from */
    enum time_from time_from;
};

/* The replies that a later turn's prompt holds are not known: they count as
 * many tokens as answers are likely, or may at the most, to have. */
enum err_code estimate_plan(struct estimate *out, const struct plan *p,
                            struct runner *r, const struct runner_params *how,
                            const struct tariff *t, struct store *s,
                            int64_t model, struct err *e) MUST_CHECK;

/* The same of any requests: estimate_begin(), each of them, estimate_end(). */
enum estimate_of {
    ESTIMATE_ANSWERS,   /* to items */
    ESTIMATE_JUDGEMENTS /* of a judge */
};
struct estimating {
    struct estimate *out;
    struct runner *runner;
    struct store *store;
    int64_t model;
    enum estimate_of of; /* whose stored answers tell length and time */
    double per_answer;   /* likely output tokens; NaN: not known */
};
enum err_code estimate_begin(struct estimating *es, struct estimate *out,
                             struct runner *r, struct store *s, int64_t model,
                             enum estimate_of of, struct err *e) MUST_CHECK;
/* The turn is the number of replies in the prompt that are not known yet. */
enum err_code estimate_add(struct estimating *es, const struct request *q,
                           size_t turn, struct err *e) MUST_CHECK;
enum err_code estimate_end(struct estimating *es,
                           const struct runner_params *how,
                           const struct tariff *t, struct err *e) MUST_CHECK;

#endif
