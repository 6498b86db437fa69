/* The model of words.h for what the dictionary does not know: each character
 * begins a word, goes on with it, ends it, or is one.  The likeliest run of
 * places is Viterbi's (1967); what has never been seen in a place is all but
 * impossible there. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "harness/match/words_parts.h"

/* Log-probability of what has not been seen; sums of it stay finite. */
#define NEVER (-3.14e100)

static const char *const places[WORD_PLACES] = { "B", "E", "M", "S" };

/* What may stand before a place, in the order of enum word_place. */
static const unsigned char before[WORD_PLACES][2] = {
    [WORD_B] = { WORD_E, WORD_S },
    [WORD_E] = { WORD_B, WORD_M },
    [WORD_M] = { WORD_B, WORD_M },
    [WORD_S] = { WORD_E, WORD_S },
};

static enum err_code model_init(struct word_model *m, struct err *e)
{
    size_t n = WORDS_HAN_END - WORDS_HAN;

    m->emit = mem_array(n, sizeof(*m->emit));
    if (!m->emit)
        return err_set(e, ERR_NOMEM, "model of words: out of memory");
    for (size_t p = 0; p < WORD_PLACES; p++) {
        m->start[p] = NEVER;
        for (size_t q = 0; q < WORD_PLACES; q++)
            m->trans[p][q] = NEVER;
        for (size_t i = 0; i < n; i++)
            m->emit[i][p] = NEVER;
    }
    return ERR_OK;
}

void word_model_free(struct word_model *m)
{
    mem_free(m->emit);
    *m = (struct word_model){ 0 };
}

/* ---- the likeliest places ---- */

static const double *emission(const struct word_model *m, int32_t rune)
{
    return m->emit[rune - WORDS_HAN];
}

/* One step: *now from what was before; bit p of the result says that the
 * second of before[p] is the likelier one. */
static unsigned char step(const struct word_model *m, const double *emit,
                          double now[WORD_PLACES])
{
    double was[WORD_PLACES];
    unsigned char second = 0;

    memcpy(was, now, sizeof(was));
    for (size_t p = 0; p < WORD_PLACES; p++) {
        unsigned x = before[p][0], y = before[p][1];
        double via_x = was[x] + m->trans[x][p] + emit[p];
        double via_y = was[y] + m->trans[y][p] + emit[p];

        now[p] = via_y >= via_x ? via_y : via_x;
        second |= (unsigned char)((via_y >= via_x) << p);
    }
    return second;
}

void word_model_places(const struct word_model *m, const int32_t *runes,
                       size_t n, unsigned char *out)
{
    double now[WORD_PLACES];
    unsigned at;

    if (!n)
        return;
    for (size_t p = 0; p < WORD_PLACES; p++)
        now[p] = m->start[p] + emission(m, runes[0])[p];
    for (size_t i = 1; i < n; i++)
        out[i] = step(m, emission(m, runes[i]), now);
    /* No word is left open at the end. */
    at = now[WORD_S] >= now[WORD_E] ? WORD_S : WORD_E;
    for (size_t i = n; i-- > 0;) {
        unsigned second = i ? out[i] >> at & 1 : 0;

        out[i] = (unsigned char)at;
        at = before[at][second];
    }
}

/* ---- estimated from the dictionary ---- */

struct counts {
    double emit[WORD_PLACES]; /* sums over all characters */
    double trans[WORD_PLACES][WORD_PLACES];
};

static bool all_han(struct str s)
{
    size_t len;

    for (size_t at = 0; at < s.n; at += len)
        if (!words_is_han(text_rune(s, at, &len)))
            return false;
    return s.n > 0;
}

static enum word_place place_in(size_t at, size_t len, size_t n)
{
    if (len == n)
        return WORD_S;
    if (!at)
        return WORD_B;
    return at + len == n ? WORD_E : WORD_M;
}

static void count_word(struct word_model *m, struct counts *c,
                       const struct word_entry *entry)
{
    enum word_place last = WORD_S;
    double f = (double)entry->frequency;
    size_t len;

    for (size_t at = 0; at < entry->word.n; at += len) {
        int32_t rune = text_rune(entry->word, at, &len);
        enum word_place p = place_in(at, len, entry->word.n);

        m->emit[rune - WORDS_HAN][p] += f;
        c->emit[p] += f;
        if (at)
            c->trans[last][p] += f;
        last = p;
    }
}

static double log_share(double part, double whole)
{
    return part > 0 ? log(part / whole) : NEVER;
}

/* A dictionary does not say which word follows which: the next one is taken to
 * be single as often as words are. */
static void set_borders(struct word_model *m, const struct counts *c)
{
    double words = c->emit[WORD_B] + c->emit[WORD_S];

    for (size_t p = WORD_B; p <= WORD_S; p += WORD_S - WORD_B) {
        m->start[p] = log_share(c->emit[p], words);
        m->trans[WORD_E][p] = m->trans[WORD_S][p] = m->start[p];
    }
}

static void set_shares(struct word_model *m, const struct counts *c)
{
    set_borders(m, c);
    for (size_t p = WORD_B; p <= WORD_M; p++) {
        double all = c->trans[p][WORD_E] + c->trans[p][WORD_M];

        if (p == WORD_E)
            continue;
        m->trans[p][WORD_E] = log_share(c->trans[p][WORD_E], all);
        m->trans[p][WORD_M] = log_share(c->trans[p][WORD_M], all);
    }
    for (size_t i = 0; i < WORDS_HAN_END - WORDS_HAN; i++)
        for (size_t p = 0; p < WORD_PLACES; p++)
            m->emit[i][p] = log_share(m->emit[i][p], c->emit[p]);
}

enum err_code word_model_estimate(struct word_model *m, struct str dictionary,
                                  struct err *e)
{
    struct io_lines lines = { .rest = dictionary };
    struct counts c = { .emit = { 0 } };
    struct word_entry entry;
    bool more;
    enum err_code rc = model_init(m, e);

    if (rc)
        return rc;
    memset(m->emit, 0, (WORDS_HAN_END - WORDS_HAN) * sizeof(*m->emit));
    while (!(rc = word_next(&lines, "dictionary", &entry, &more, e)) && more)
        if (all_han(entry.word))
            count_word(m, &c, &entry);
    set_shares(m, &c);
    return rc;
}

/* ---- read ---- */

/* The place that a member is named after, WORD_PLACES if it is none. */
static size_t place_of(const struct json *member)
{
    size_t p = 0;

    while (p < WORD_PLACES && strcmp(places[p], json_key(member)) != 0)
        p++;
    return p;
}

static enum err_code not_a_place(const struct json *member, struct err *e)
{
    return err_set(e, ERR_FORMAT, "\"%.20s\": expected B, M, E or S",
                   json_key(member));
}

/* A logarithm of a probability. */
static enum err_code read_log(const struct json *j, double *out, struct err *e)
{
    double v = json_number(j);

    if (!(v <= 0) || v < NEVER)
        return err_set(e, ERR_FORMAT,
                       "\"%.20s\": expected a logarithm of a probability, 0 "
                       "or less",
                       json_key(j));
    *out = v;
    return ERR_OK;
}

static enum err_code read_row(const struct json *j, double row[WORD_PLACES],
                              struct err *e)
{
    enum err_code rc = ERR_OK;

    for (j = json_child(j); j && !rc; j = json_next(j)) {
        size_t p = place_of(j);

        rc = p < WORD_PLACES ? read_log(j, &row[p], e) : not_a_place(j, e);
    }
    return rc;
}

static enum err_code read_emissions(const struct json *j, size_t place,
                                    struct word_model *m, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (j = json_child(j); j && !rc; j = json_next(j)) {
        struct str key = str_of(json_key(j));
        size_t len = 0;
        int32_t rune = key.n ? text_rune(key, 0, &len) : -1;
        double v = 0;

        if (!key.n || len != key.n)
            return err_set(e, ERR_FORMAT, "\"%.20s\": expected one character",
                           json_key(j));
        rc = read_log(j, &v, e);
        if (!rc && words_is_han(rune))
            m->emit[rune - WORDS_HAN][place] = v;
    }
    return rc;
}

static enum err_code read_start(const struct json *j, struct word_model *m,
                                struct err *e)
{
    return read_row(j, m->start, e);
}

static enum err_code read_trans(const struct json *j, struct word_model *m,
                                struct err *e)
{
    enum err_code rc = ERR_OK;

    for (j = json_child(j); j && !rc; j = json_next(j)) {
        size_t p = place_of(j);

        rc = p < WORD_PLACES ? read_row(j, m->trans[p], e) : not_a_place(j, e);
    }
    return rc;
}

static enum err_code read_emit(const struct json *j, struct word_model *m,
                               struct err *e)
{
    enum err_code rc = ERR_OK;

    for (j = json_child(j); j && !rc; j = json_next(j)) {
        size_t p = place_of(j);

        rc = p < WORD_PLACES ? read_emissions(j, p, m, e) : not_a_place(j, e);
    }
    return rc;
}

static const struct part {
    const char *name;
    enum err_code (*read)(const struct json *, struct word_model *,
                          struct err *);
} parts[] = {
    { "start", read_start },
    { "trans", read_trans },
    { "emit", read_emit },
};
enum { N_PARTS = sizeof(parts) / sizeof(*parts) };

static enum err_code read_part(const struct json *j, const struct part *part,
                               struct word_model *m, struct err *e)
{
    enum err_code rc;

    if (!j || json_type(j) != JSON_OBJECT || !json_len(j))
        return err_set(e, ERR_FORMAT, "\"%s\": expected an object", part->name);
    rc = part->read(j, m, e);
    return rc ? err_wrap(e, "\"%s\"", part->name) : ERR_OK;
}

static enum err_code read_parts(struct word_model *m, struct str text,
                                struct err *e)
{
    struct json *all = NULL;
    enum err_code rc = json_parse(&all, io_skip_bom(text), e);

    for (size_t i = 0; i < N_PARTS && !rc; i++)
        rc = read_part(json_get(all, parts[i].name), &parts[i], m, e);
    json_free(all);
    return rc;
}

enum err_code word_model_read(struct word_model *m, const char *path,
                              struct digest *d, struct err *e)
{
    struct buf text;
    enum err_code rc = model_init(m, e);

    buf_init(&text, 0);
    if (!rc)
        rc = words_read_file(path, &text, e);
    if (!rc) {
        digest_field(d, buf_view(&text));
        rc = read_parts(m, buf_view(&text), e);
        if (rc)
            rc = err_wrap(e, "%s", path);
    }
    buf_free(&text);
    return rc;
}

/* jieba keeps its numbers as a Python literal, P={'B': {..}}: with the other
 * quotes that is JSON.  Nothing of it is run. */
static enum err_code read_literal(struct buf *text, const struct part *part,
                                  struct word_model *m, struct err *e)
{
    size_t at = str_find(buf_view(text), STR("P={"), 0);
    struct json *j = NULL;
    enum err_code rc;

    if (at == (size_t)-1)
        return err_set(e, ERR_FORMAT, "expected P={..}");
    for (size_t i = at; i < text->n; i++)
        if (text->p[i] == '\'')
            text->p[i] = '"';
    rc = json_parse(&j, str_sub(buf_view(text), at + 2, text->n), e);
    if (!rc)
        rc = read_part(j, part, m, e);
    json_free(j);
    return rc;
}

static enum err_code read_jieba_part(struct word_model *m, const char *folder,
                                     const struct part *part, struct digest *d,
                                     struct err *e)
{
    char path[4096];
    struct buf text;
    enum err_code rc;

    snprintf(path, sizeof(path), "%s/prob_%s.py", folder, part->name);
    rc = words_read_file(path, &text, e);
    if (!rc) {
        digest_field(d, buf_view(&text));
        rc = read_literal(&text, part, m, e);
        if (rc)
            rc = err_wrap(e, "%s", path);
    }
    buf_free(&text);
    return rc;
}

enum err_code word_model_read_jieba(struct word_model *m, const char *folder,
                                    struct digest *d, struct err *e)
{
    enum err_code rc = model_init(m, e);

    for (size_t i = 0; i < N_PARTS && !rc; i++)
        rc = read_jieba_part(m, folder, &parts[i], d, e);
    return rc;
}
