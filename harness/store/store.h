/* The results database: open, migrate, write, read, merge.
 *
 * One SQLite file in WAL mode, PRAGMA user_version migrations forward from
 * every released version, foreign keys on, STRICT tables, readable with the
 * plain sqlite3 shell.  Invariants (ARCHITECTURE.md numbers them):
 *
 *  S1 a sample is one (model fingerprint, item digest, prompt hash, parameter
 *     hash, turn, trial): stored once.
 *  S2 the raw response is written before it is scored and never changed.
 *  S3 errors live in a table of their own, a later answer does not erase them.
 *  S4 what was committed survives kill -9 and power loss; commit groups are at
 *     most 64 samples or 100 ms. */
#ifndef MK_STORE_H
#define MK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

struct store;

/* Opens (creates, migrates) the database.  A newer version, a foreign file, a
 * read-only folder, a full disk are named errors; nothing stored is lost.
 * Several processes may have it open; one thread at a time uses a store. */
enum err_code store_open(struct store **out, const char *path, bool read_only,
                         struct err *e) MUST_CHECK;
void store_close(struct store *s);

/* Commit groups: the first write begins one; store_tick() commits when 64
 * samples or 100 ms have gathered; store_flush() commits now.  While one is
 * open other processes cannot write, so a loop that waits calls store_tick().
 * store_close() commits too, but cannot say so: call store_flush() before.
 * When a group is lost (disk full ...) the store writes no more: its ids may
 * have been in that group. */
enum err_code store_tick(struct store *s, struct err *e) MUST_CHECK;
enum err_code store_flush(struct store *s, struct err *e) MUST_CHECK;

/* Rows that give an id; the same content gives the same id (a run is always a
 * new one).  What only describes (a model's price, a suite's title) is brought
 * up to date.  The suite put last is the current version of its id. */
struct store_model {
    const char *fingerprint, *id, *name, *vendor, *kind, *spec_json;
    double size_b, price_in, price_out;
    const char *currency, *price_date;
    bool open, domestic;
};
struct store_suite {
    const char *id, *version, *digest, *title_zh, *title_en, *ability,
        *language, *licence, *matcher, *path;
};
struct store_item {
    int64_t suite;
    const char *digest, *id, *subset;
    const char *question;                   /* plain text, for people */
    const char *answer, *choices, *matcher; /* JSON or NULL; choices {"A":..} */
    /* JSON [{"question":text,"answer":JSON,"matcher":{..}}], NULL: one turn.
     * A turn without an answer is not judged; one without a matcher has the
     * item's.  `answer` above is then unused. */
    const char *turns;
    const char *difficulty;
};
struct store_run {
    const char *command_line, *version, *host, *options_json;
    int64_t started_ms;
};
enum err_code store_put_model(struct store *s, const struct store_model *m,
                              int64_t *id, struct err *e) MUST_CHECK;
enum err_code store_put_suite(struct store *s, const struct store_suite *m,
                              int64_t *id, struct err *e) MUST_CHECK;
enum err_code store_put_item(struct store *s, const struct store_item *m,
                             int64_t *id, struct err *e) MUST_CHECK;
enum err_code store_put_prompt(struct store *s, const char *hash,
                               const char *json, int64_t *id,
                               struct err *e) MUST_CHECK;
enum err_code store_put_params(struct store *s, const char *hash,
                               const char *json, int64_t *id,
                               struct err *e) MUST_CHECK;
enum err_code store_put_run(struct store *s, const struct store_run *r,
                            int64_t *id, struct err *e) MUST_CHECK;
/* state: "done", "part", "interrupted".  Commits, and refreshes. */
enum err_code store_end_run(struct store *s, int64_t run, const char *state,
                            int64_t ended_ms, struct err *e) MUST_CHECK;

/* What a model's tokens cost at this time; the same prices and rate give the
 * same id.  Numbers that are not known are NaN, texts NULL. */
struct store_price {
    double in, cached, out; /* a million tokens */
    const char *currency, *date, *source;
    double cny; /* of one unit */
    const char *rate_date, *rate_source;
};
enum err_code store_put_price(struct store *s, const struct store_price *p,
                              int64_t *id, struct err *e) MUST_CHECK;

struct store_sample { /* the identity S1 */
    int64_t run, model, item, prompt, params;
    int64_t turn, trial;
};
/* *id is 0 when the sample is not there; *answered whether it has a response. */
enum err_code store_find_sample(struct store *s, const struct store_sample *k,
                                int64_t *id, bool *answered,
                                struct err *e) MUST_CHECK;

struct store_response {
    const char *text, *reasoning, *finish; /* text NULL when scored */
    const char *logprobs_json;             /* of the options, or NULL */
    double margin;                         /* NaN: NULL */
    int64_t prompt_tokens, cached_tokens, output_tokens; /* -1: NULL */
    int64_t started_ms, latency_ns, first_token_ns;
    int attempts;
    int64_t price; /* id, 0: not known */
};
struct store_error {
    const char *code, *message, *vendor_code;
    int http_status, attempts;
    int64_t at_ms;
    int64_t prompt_tokens, cached_tokens, output_tokens; /* 0: none told */
    int64_t price;                                       /* id, 0: not known */
};
/* Makes the sample if it is not there, and adds the response.  A sample that
 * already has one keeps it (S1): *added is false then. */
enum err_code store_add_response(struct store *s, const struct store_sample *k,
                                 const struct store_response *r,
                                 int64_t *sample, bool *added,
                                 struct err *e) MUST_CHECK;
enum err_code store_add_error(struct store *s, const struct store_sample *k,
                              const struct store_error *r, int64_t *sample,
                              struct err *e) MUST_CHECK;

struct store_score {
    const char *matcher;
    int version;
    const char *settings_hash; /* of expected + options + choices */
    const char *verdict;
    double score;
    const char *extracted, *rule;
    int64_t span_at, span_len;
    bool near_tie; /* the choice hangs on rounding */
};
/* One current score a sample; earlier ones stay in the history. */
enum err_code store_put_score(struct store *s, int64_t sample,
                              const struct store_score *c,
                              struct err *e) MUST_CHECK;

/* What a rescoring changes, or would: temp.rescored of this connection, for
 * `report rescore`.  Works on a store that is open for reading only. */
enum err_code store_begin_changes(struct store *s, struct err *e) MUST_CHECK;
enum err_code store_note_change(struct store *s, int64_t sample,
                                const struct store_score *old,
                                const struct store_score *now,
                                struct err *e) MUST_CHECK;

/* A query with its rows walked by a callback: all reading goes through here.
 * Parameters are bound in order: s text, i int64_t, d double, n null. */
struct store_row; /* one row, valid inside the callback */
int64_t row_int(const struct store_row *r, int col);
double row_num(const struct store_row *r, int col);
bool row_null(const struct store_row *r, int col);
const char *row_text(const struct store_row *r, int col); /* "" for NULL */
struct str row_str(const struct store_row *r, int col);
typedef enum err_code store_row_fn(void *user, const struct store_row *r,
                                   struct err *e);
enum err_code store_query(struct store *s, const char *sql, store_row_fn *fn,
                          void *user, struct err *e, const char *types,
                          ...) MUST_CHECK;
/* Runs statements without rows (tests, clean-up), in the open group or by
 * themselves. */
enum err_code store_exec(struct store *s, const char *sql,
                         struct err *e) MUST_CHECK;

/* Brings the ready-made sums behind `leaderboard` and `subset_scores` up to
 * date and commits.  They give the same numbers without it, only slower. */
enum err_code store_refresh(struct store *s, struct err *e) MUST_CHECK;

/* Copies what `other` holds and this one does not, wholly or not at all.
 * duplicates: samples that both hold. */
struct store_merge {
    int64_t samples, duplicates, responses, errors, scores;
};
enum err_code store_merge(struct store *s, const char *other,
                          struct store_merge *m, struct err *e) MUST_CHECK;

#endif
