/* Any bytes, folded in any way, and read as numbers, dates, units and verdicts:
 * folding twice is folding once where nothing is dropped, its map leads into
 * the source, and spans lie in the text.  The first byte says how to fold. */
#include "harness/judge_prompt.h"
#include "harness/match/date.h"
#include "harness/match/match_parts.h"
#include "harness/match/number.h"
#include "harness/match/unit.h"
#include "tests/fuzz/fuzz.h"

static void fold(struct str s, unsigned flags, struct buf *out)
{
    struct buf map, again;
    struct err e;

    buf_init(out, 1 << 26);
    buf_init(&map, 1 << 28);
    buf_init(&again, 1 << 26);
    must(!text_fold(s, flags, out, &map, &e), "a text can be folded");
    must(map.n == out->n * sizeof(uint32_t), "each byte has an origin");
    for (size_t i = 0; i < out->n; i++) {
        uint32_t at;

        memcpy(&at, map.p + i * sizeof(at), sizeof(at));
        must(at < s.n, "an origin lies in the source");
    }
    must(text_check(buf_view(out), NULL), "folded text is UTF-8");
    must(!text_fold(buf_view(out), flags, &again, NULL, &e), "once more");
    /* A mark behind what is dropped may compose with what is before it. */
    must(flags & (TEXT_NOSPACE | TEXT_NOPUNCT) ||
             str_eq(buf_view(out), buf_view(&again)),
         "folded once for all");
    buf_free(&map);
    buf_free(&again);
}

static void read_all(struct str s)
{
    struct date d;
    struct unit u;
    double v;

    for (size_t at = 0; at < s.n; at++) {
        must(text_chinese_number(str_sub(s, at, s.n), &v) <= s.n - at,
             "a numeral lies in the text");
        must(unit_read(str_sub(s, at, s.n), &u) <= s.n - at,
             "a unit lies in the text");
    }
    for (size_t at = 0; date_find(s, at, &d); at = d.end)
        must(d.at >= at && d.end > d.at && d.end <= s.n,
             "a date lies in the text");
}

static void read_verdict(struct str s, struct arena *a)
{
    static const char *const names[] = { "pairwise-zh", "grade-en" };
    const char *text = arena_dup(a, s.p, s.n);
    struct rubric r;
    struct err e;

    for (size_t i = 0; i < 2; i++) {
        struct judge_verdict v;

        must(!rubric_find(names[i], a, &r, &e), "a rubric");
        v = judge_read(&r, text, FINISH_STOP);
        must(v.says != JUDGE_GRADE || (v.grade >= 0 && v.grade <= 1),
             "a grade lies between 0 and 1");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct buf out;
    struct str s;

    if (!size || size > 1 << 14)
        return 0;
    s = fuzz_text(data + 1, size - 1);
    arena_init(&a, 0);
    fold(s, data[0] % 128u, &out);
    read_all(buf_view(&out));
    read_verdict(s, &a);
    buf_free(&out);
    arena_free(&a);
    return 0;
}
