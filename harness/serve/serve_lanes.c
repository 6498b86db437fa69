/* Who is computed next.
 *
 * Rules: (1) first come, first served, but a prompt waits while another computes
 * what both begin with; (2) a lane is let in when the cache has room for its
 * prompt beside what those under way still have to compute; (3) what is kept
 * goes before anyone is put aside, and the youngest is put aside first, so the
 * oldest always gets to its end; (4) tokens of generations before parts of
 * prompts, so that long prompts do not stop the others' streams. */
#include "harness/serve/serve_lanes.h"

#include <string.h>

#include "harness/base/mem.h"

enum {
    MAX_KEPT = 64,      /* lanes kept for their tokens */
    MAX_LOOKED_AT = 64, /* waiting lanes a step: comparing tokens takes time */
    LEAST_SHARED = LANE_BLOCK
};

static bool waits(const struct lane *l)
{
    return l->ask && l->seq < 0;
}

static bool runs(const struct lane *l)
{
    return l->ask && l->seq >= 0;
}

static bool kept(const struct lane *l)
{
    return !l->ask;
}

static size_t count(const struct lanes *s, bool (*is)(const struct lane *l))
{
    size_t n = 0;

    for (const struct lane *l = s->first; l; l = l->next)
        n += is(l);
    return n;
}

void lanes_add(struct lanes *s, struct lane *l)
{
    struct lane **end = &s->first;

    while (*end)
        end = &(*end)->next;
    l->next = NULL;
    *end = l;
}

static void remove_lane(struct lanes *s, struct lane *l)
{
    struct lane **at = &s->first;

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    lane_close(l, s->ctx);
}

void lanes_free(struct lanes *s)
{
    while (s->first)
        remove_lane(s, s->first);
}

/* --- room in the cache ------------------------------------------------------ */

/* Positions that n more tokens take at the most: whole blocks, and one for a
 * shared block that is copied when it is written to. */
static size_t room_for(size_t n)
{
    return (n + LANE_BLOCK - 1) / LANE_BLOCK * LANE_BLOCK + LANE_BLOCK;
}

/* What those under way still have to compute. */
static size_t owed(const struct lanes *s)
{
    size_t sum = 0;

    for (const struct lane *l = s->first; l; l = l->next)
        if (runs(l))
            sum += room_for(l->n - l->done);
    return sum;
}

static bool drop_oldest(struct lanes *s, const struct lane *but)
{
    struct lane *oldest = NULL;

    for (struct lane *l = s->first; l; l = l->next)
        if (l != but && kept(l) && (!oldest || l->used < oldest->used))
            oldest = l;
    if (!oldest)
        return false;
    remove_lane(s, oldest);
    return true;
}

static bool make_room(struct lanes *s, size_t need, const struct lane *but)
{
    while (mk_free_positions(s->ctx) < need)
        if (!drop_oldest(s, but))
            return false;
    return true;
}

static void put_aside_youngest(struct lanes *s)
{
    struct lane *youngest = NULL;

    for (struct lane *l = s->first; l; l = l->next)
        if (runs(l))
            youngest = l;
    if (!youngest)
        return;
    mk_seq_free(s->ctx, youngest->seq);
    youngest->seq = -1;
    youngest->done = 0;
}

/* --- what prompts have in common -------------------------------------------- */

static size_t common(const int32_t *a, const int32_t *b, size_t n)
{
    size_t i = 0;

    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Marks of l's prompt that it may have from another lane with the same first
 * `same` tokens. */
static size_t shared_marks(const struct lane *l, const struct lane *from,
                           size_t same)
{
    if (from->prompt.n_top < l->prompt.n_top)
        return 0;
    return least(least(same, l->n_prompt), from->prompt.n);
}

/* Tokens of l that need no computing if the first `same` are shared and `marks`
 * of the prompt are known: the last one's logits are always wanted. */
static size_t spared(const struct lane *l, size_t same, size_t marks)
{
    size_t n = least(same, l->n - 1);

    if (!l->ask->score_prompt)
        return n;
    if (marks < l->prompt.n)
        marks = l->prompt.n;
    return marks < l->n_prompt ? least(n, marks - 1) : n;
}

struct source {
    struct lane *lane; /* NULL: none */
    size_t n;          /* tokens it spares */
    size_t marks;
    size_t later; /* and what one under way will spare soon */
};

static void weigh(const struct lane *l, struct lane *from, struct source *out)
{
    size_t same = common(l->tokens, from->tokens, least(l->n, from->n));
    size_t marks = shared_marks(l, from, same);
    size_t n = spared(l, least(same, from->done), marks);
    size_t later = 0;

    if (n > out->n && n >= LEAST_SHARED) {
        out->lane = from;
        out->n = n;
        out->marks = marks;
    }
    if (!runs(from) || from->done >= from->n_prompt)
        return;
    if (from->ask->score_prompt && from->prompt.n_top >= l->prompt.n_top)
        marks = least(same, from->n_prompt);
    later = spared(l, least(same, from->n_prompt), marks);
    out->later = later > out->later ? later : out->later;
}

static struct source find_source(const struct lanes *s, const struct lane *l)
{
    struct source best = { 0 };

    for (struct lane *from = s->first; !s->whole && from; from = from->next)
        if (from->seq >= 0)
            weigh(l, from, &best);
    return best;
}

/* --- letting in ------------------------------------------------------------- */

static bool begin_at(struct lanes *s, struct lane *l, const struct source *from)
{
    char err[MK_ERR_LEN];
    int rc = from->lane
                 ? mk_seq_fork(s->ctx, from->lane->seq, from->n, &l->seq, err)
                 : mk_seq_new(s->ctx, &l->seq, err);

    if (rc) {
        l->seq = -1;
        lane_fail(l, ERR_NOMEM, err);
        return false;
    }
    l->done = from->n;
    if (!from->lane)
        return true;
    from->lane->used = ++s->clock;
    if (!l->ask->score_prompt ||
        marks_copy(&l->prompt, &from->lane->prompt, l->prompt.n, from->marks))
        return true;
    lane_fail(l, ERR_NOMEM, "no memory for the marks of a prompt");
    return false;
}

/* Whether the next one may be looked at. */
static bool let_in(struct lanes *s, struct lane *l)
{
    struct source from = find_source(s, l);

    if (from.later >= from.n + LEAST_SHARED)
        return true; /* it comes again when the other is done with that */
    if (!make_room(s, owed(s) + room_for(l->n - from.n), from.lane)) {
        if (count(s, runs) > 0)
            return false;
        from = (struct source){ 0 };
        make_room(s, room_for(l->n), NULL);
    }
    if (begin_at(s, l, &from) && !l->started)
        l->n_cached = from.n;
    l->started = true;
    return true;
}

static void let_all_in(struct lanes *s)
{
    size_t n = count(s, runs), looked_at = 0;

    for (struct lane *l = s->first; l && n < s->n_parallel; l = l->next) {
        if (!waits(l) || l->over)
            continue;
        if (looked_at++ == MAX_LOOKED_AT || !let_in(s, l))
            return;
        n += runs(l);
    }
}

/* --- a step ----------------------------------------------------------------- */

static bool wants_all(const struct lane *l)
{
    return l->ask->score_prompt && l->prompt.n < l->n_prompt;
}

static void add_piece(struct lanes *s, struct lane *l)
{
    size_t n = l->n - l->done, rows = s->n_rows - s->rows_used;
    struct mk_piece *p = &s->pieces[s->n_pieces];

    if (!s->whole)
        n = least(n, s->n_batch - s->n_tokens);
    if (wants_all(l))
        n = least(n, rows);
    if (n == 0 || rows == 0)
        return;
    *p = (struct mk_piece){ .seq = l->seq,
                            .tokens = l->tokens + l->done,
                            .n = n,
                            .n_prompt = l->n_prompt,
                            .logits = s->logits + s->rows_used * s->n_vocab };
    p->want = wants_all(l)          ? MK_WANT_ALL
              : l->done + n == l->n ? MK_WANT_LAST
                                    : MK_WANT_NONE;
    s->rows_used += p->want == MK_WANT_ALL ? n : p->want == MK_WANT_LAST;
    s->n_tokens += n;
    s->of[s->n_pieces++] = l;
}

static bool generates(const struct lane *l)
{
    return l->done >= l->n_prompt && l->done + 1 == l->n;
}

bool lanes_plan(struct lanes *s)
{
    let_all_in(s);
    while (count(s, runs) > 1 && !make_room(s, owed(s), NULL))
        put_aside_youngest(s);
    if (count(s, runs) == 1)
        make_room(s, owed(s), NULL); /* by the limit of a lane there is */
    s->n_pieces = s->n_tokens = s->rows_used = 0;
    for (int pass = 0; pass < 2; pass++)
        for (struct lane *l = s->first; l; l = l->next)
            if (runs(l) && !l->over && generates(l) == (pass == 0))
                add_piece(s, l);
    return s->n_pieces > 0;
}

void lanes_step(struct lanes *s)
{
    char err[MK_ERR_LEN] = "";
    int rc = mk_compute(s->ctx, s->pieces, s->n_pieces, err);

    for (size_t i = 0; i < s->n_pieces; i++) {
        if (rc)
            lane_fail(s->of[i], ERR_IO, err);
        else
            lane_take(s->of[i], s->model, &s->pieces[i]);
    }
}

/* --- keeping ---------------------------------------------------------------- */

/* Drops what the lane makes superfluous. */
static void drop_parts_of(struct lanes *s, const struct lane *l)
{
    struct lane *next;

    for (struct lane *k = s->first; k; k = next) {
        next = k->next;
        if (k != l && kept(k) && k->n <= l->n &&
            (k->prompt.n <= l->prompt.n &&
             k->prompt.n_top <= l->prompt.n_top) &&
            !memcmp(k->tokens, l->tokens, k->n * sizeof *k->tokens))
            remove_lane(s, k);
    }
}

void lanes_retire(struct lanes *s, struct lane *l)
{
    bool failed = l->finish == MK_FINISH_ERROR;

    l->ask = NULL;
    if (failed || s->whole || l->done < LEAST_SHARED) {
        remove_lane(s, l);
        return;
    }
    l->n = l->done;
    l->prompt.n = least(l->prompt.n, l->done);
    l->used = ++s->clock;
    stream_free(&l->text);
    stream_init(&l->text, NULL, 0);
    marks_free(&l->fresh);
    drop_parts_of(s, l);
    if (count(s, kept) > MAX_KEPT)
        drop_oldest(s, NULL);
}
