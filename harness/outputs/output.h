/* Answers that other harnesses have collected -> suite, items and samples.
 *
 * A reader knows one format and gives a list of outputs; output_store.c makes of
 * them a suite (a folder that `run` can use for other models too) and samples
 * of a model in the store, judged by our matchers.  An output without an
 * answer stays an error, as in a run of ours.
 *
 * A new format is a file output_NAME.c and a row in OUTPUT_FORMATS. */
#ifndef MK_OUTPUT_H
#define MK_OUTPUT_H

#include "harness/base/err.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "harness/store/store.h"
#include "runners/runner.h"
#include "suites/suite.h"

/* One answer, or what is known of it.  Strings may be NULL where not said. */
struct output {
    const char *model, *suite, *subset, *id;
    const char **questions; /* [n_turns], plain text */
    size_t n_turns;         /* 1 or more */
    struct choice *choices;
    size_t n_choices;
    const char *answer;             /* JSON, NULL: not judged */
    const char *matcher;            /* JSON, NULL: by the form of the answer */
    const struct message *messages; /* as sent; n 0: not told */
    size_t n_messages;
    const char *prompt; /* as sent in plain text */
    const char **texts; /* [n_turns] */
    const char *reasoning, *error;
    enum finish finish;
    const double *logprobs;               /* [n_choices], NULL: generated */
    int64_t prompt_tokens, output_tokens; /* -1: not told */
    int64_t latency_ms, started_ms;       /* -1: not told */
    size_t trial;
    double theirs;    /* their score, 0 ... 1; NaN: not told */
    const char *file; /* where it was read */
    size_t line;      /* 0: by id */
};

struct outputs {
    struct arena *arena; /* holds all strings */
    struct output *list;
    size_t n, cap;
    const char *file; /* being read */
    const char *tag;  /* the reader's own, for the file being read */
    bool official;    /* the format's own matchers, not ours */
    bool searching;   /* file was found in a folder, not named */
};

struct output_format {
    const char *name; /* "lm-eval" */
    const char *doc;  /* one line: which files */
    /* Appends what `path`, a file or a folder, holds.  ERR_FORMAT names file,
     * line and field. */
    enum err_code (*read)(const char *path, struct outputs *out, struct err *e);
};
#define OUTPUT_FORMATS(X)                                                      \
    X(alpaca)                                                                  \
    X(evalscope)                                                               \
    X(gaokao)                                                                  \
    X(inspect)                                                                 \
    X(jsonl)                                                                   \
    X(lawbench)                                                                \
    X(lmeval)                                                                  \
    X(mtbench)                                                                 \
    X(opencompass)
#define OUTPUT_DECL(name) extern const struct output_format output_##name;
OUTPUT_FORMATS(OUTPUT_DECL)
#undef OUTPUT_DECL
extern const struct output_format *const output_formats[]; /* NULL at the end */
const struct output_format *output_format_find(const char *name);

/* --- for readers ------------------------------------------------------------ */

/* A new output with nothing known and one turn; NULL: no memory, e is set. */
struct output *output_new(struct outputs *out, struct err *e);
/* Calls `fn` for each file below path (path itself, if it is a file) whose name
 * starts and ends so (one of several ends, parted by blanks); sets out->file and
 * out->searching.  ERR_NOENV when path is not there,
 * ERR_FORMAT when no file is of that name. */
enum err_code output_files(const char *path, const char *starts,
                           const char *ends, struct outputs *out,
                           enum err_code (*fn)(struct outputs *out,
                                               struct err *e),
                           struct err *e) MUST_CHECK;
/* json_parse() of what Python writes: NaN and infinities, which JSON does not
 * have, are null. */
enum err_code output_parse(struct json **out, struct str text,
                           struct err *e) MUST_CHECK;
/* The whole file out->file as one JSON value / each of its lines that is not
 * blank.  What `fn` says goes back with the file's name before it. */
typedef enum err_code output_json_fn(const struct json *j, size_t line,
                                     struct outputs *out, struct err *e);
enum err_code output_whole(struct outputs *out, output_json_fn *fn,
                           struct err *e) MUST_CHECK;
enum err_code output_lines(struct outputs *out, output_json_fn *fn,
                           struct err *e) MUST_CHECK;

/* The member of the first key of `keys` (separated by blanks; "a.b": member b
 * of a) that is there and not null; NULL if none is. */
const struct json *output_member(const struct json *j, const char *keys);
/* A string, number or boolean as text in the arena; NULL for the rest. */
const char *output_text(const struct json *j, struct arena *a);
/* output_text() of output_member(). */
const char *output_field(const struct json *j, const char *keys,
                         struct arena *a);
int64_t output_int(const struct json *j, const char *keys); /* -1: none */
/* A score or verdict: a number, true, "C", "correct"; NaN: none. */
double output_score(const struct json *j, const char *keys);
/* A list of {"role","content"} (also {"role","prompt"}). */
enum err_code output_messages(const struct json *j, struct outputs *out,
                              struct output *o, struct err *e) MUST_CHECK;
/* The text of a message, or of its first part that has one; never NULL. */
const char *output_content(const struct json *m, struct arena *a);
/* {"A":text}, [text], [{"text"}], or members A, B ... of j itself. */
enum err_code output_choices(const struct json *j, const struct json *list,
                             struct outputs *out, struct output *o,
                             struct err *e) MUST_CHECK;
/* The expected answer: text, list of texts; an index where there are choices
 * and no key is of that name.  Its JSON in the arena. */
enum err_code output_answer(const struct json *target, struct outputs *out,
                            struct output *o, struct err *e) MUST_CHECK;
/* "Chat-GPT 3.5" -> "chat-gpt-3.5": fit for a suite's id. */
const char *output_slug(const char *name, struct arena *a);
/* Parts of a path: "dir/name.json" -> "name"; "a/dir/name" -> "dir". */
const char *output_stem(const char *path, struct arena *a);
const char *output_parent(const char *path, struct arena *a);

/* --- storing ---------------------------------------------------------------- */

struct output_import {
    struct store *store;
    int64_t run;
    const char *model;    /* id, NULL: the file's */
    const char *vendor;   /* or NULL */
    const char *suite;    /* spec of a suite that is there, NULL: made anew */
    const char *suite_id; /* of the suite to be made, NULL: the file's */
    const char *dest;     /* folder for the suites that are made */
    const char *matcher;  /* JSON for all items, NULL: as told by the file */
    size_t trial;         /* added to the file's */
};

struct output_difference { /* where their verdict is not ours */
    const struct output *output;
    const char *suite, *item, *verdict, *extracted, *rule;
    double score;
};
struct output_totals {
    const char **suites; /* ids, in the arena of the outputs */
    size_t n_suites;
    size_t items, added, stored; /* stored: the same answer was there */
    size_t conflicts;            /* another answer was there, which stays */
    size_t failed;               /* no answer in the file */
    size_t unmatched;            /* no item of the suite asks that */
    size_t scored, correct;
    size_t compared, same; /* with their verdict */
    struct output_difference *differences;
    size_t n_differences, cap_differences;
};
/* Stores what was read; *t's differences live in the arena of `in`.  The rows
 * are committed before it returns. */
enum err_code outputs_store(const struct outputs *in,
                            const struct output_import *how,
                            struct output_totals *t, struct err *e) MUST_CHECK;

#endif
