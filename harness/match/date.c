/* Dates and times: patterns tell where the parts stand, one a form, and the
 * parts of neighbouring hits are one date.  Values out of range are no date.
 *
 * Han numerals and digits are read alike; 二〇二四 and 二零二四 digit by digit. */
#include "harness/match/date.h"

#include <string.h>
#include <strings.h>

#include "harness/match/match_parts.h"

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month)
{
    static const int days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month == 2)
        return year < 0 || is_leap(year) ? 29 : 28;
    return month >= 1 && month <= 12 ? days[month - 1] : 31;
}

/* ---- numbers ---- */

struct reader {
    struct str s;
    size_t at;
};

static bool take(struct reader *r, const char *what)
{
    if (!match_starts_at(r->s, r->at, what))
        return false;
    r->at += strlen(what);
    return true;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->s.n && r->s.p[r->at] == ' ')
        r->at++;
}

static int han_digit(struct str s, size_t at)
{
    static const char *const digits[] = { "〇", "一", "二", "三", "四",
                                          "五", "六", "七", "八", "九" };

    for (int i = 0; i < 10; i++)
        if (match_starts_at(s, at, digits[i]))
            return i;
    return match_starts_at(s, at, "零") || match_starts_at(s, at, "○") ? 0
           : match_starts_at(s, at, "两")                              ? 2
                                                                       : -1;
}

enum { HAN = 3, DIGITS_MOST = 4 };

/* 二〇二四, digit by digit, at least two of them. */
static int read_han_digits(struct reader *r, int *n)
{
    int v = 0, d;

    for (*n = 0; *n < DIGITS_MOST && (d = han_digit(r->s, r->at)) >= 0; ++*n) {
        v = v * 10 + d;
        r->at += HAN;
    }
    return v;
}

/* 十, 十五, 二十, 廿三, 三十一, 五; -1 if there is none. */
static int read_han_number(struct reader *r)
{
    size_t from = r->at;
    int d = han_digit(r->s, r->at), v = 0;

    if (take(r, "廿"))
        v = 20;
    else if (take(r, "卅"))
        v = 30;
    else {
        if (d >= 0)
            r->at += HAN;
        if (take(r, "十"))
            v = d >= 0 ? d * 10 : 10;
        else if (d < 0)
            return -1;
        else if (d > 0 || han_digit(r->s, r->at) < 0)
            return d;
    }
    d = han_digit(r->s, r->at);
    if (d > 0)
        r->at += HAN;
    if (d > 0 || v || r->at > from)
        return v + (d > 0 ? d : 0);
    return -1;
}

/* At most four ASCII digits; *n is how many. */
static int read_digits(struct reader *r, int *n)
{
    int v = 0;

    for (*n = 0; match_is_digit(r->s, r->at) && *n < DIGITS_MOST; ++*n)
        v = v * 10 + (r->s.p[r->at++] - '0');
    return match_is_digit(r->s, r->at) ? -1 : v;
}

/* One or two digits, or a Han number; -1 if there is none. */
static int read_small(struct reader *r)
{
    int n, v = read_digits(r, &n);

    if (n)
        return n <= 2 ? v : -1;
    return read_han_number(r);
}

/* ---- the day ---- */

/* 2024年, 24年, 二〇二四年. */
static bool read_year(struct reader *r, struct date *d)
{
    int n, v = read_digits(r, &n);

    if (!n)
        v = read_han_digits(r, &n);
    skip_space(r);
    if (v < 0 || (n != 2 && n != 4) || !take(r, "年"))
        return false;
    d->part[DATE_YEAR] = v;
    return true;
}

static bool read_month(struct reader *r, struct date *d)
{
    int v = take(r, "正") ? 1 : read_small(r);

    skip_space(r);
    if (v < 1 || v > 12 || !take(r, "月"))
        return false;
    (void)take(r, "份");
    d->part[DATE_MONTH] = v;
    return true;
}

/* 5日, 五号; of the lunar month 初五 and 十五 too. */
static bool read_day(struct reader *r, struct date *d)
{
    bool lunar = take(r, "初");
    int v = read_small(r);

    skip_space(r);
    if (v < 1 || v > 31)
        return false;
    if (!take(r, "日") && !take(r, "号") && !lunar &&
        !(d->lunar && d->part[DATE_MONTH] >= 0))
        return false;
    d->lunar |= lunar;
    d->part[DATE_DAY] = v;
    return true;
}

/* Between the parts of a day in Chinese: nothing, spaces, 的. */
static void skip_joint(struct reader *r)
{
    skip_space(r);
    (void)take(r, "的");
    skip_space(r);
}

/* 2024年3月5日, 2024年3月, 3月5日, 5日, 3月, 2024年. */
static bool read_chinese(struct reader *r, struct date *d)
{
    static bool (*const reads[])(
        struct reader *, struct date *) = { read_year, read_month, read_day };
    bool any = false;

    d->lunar |= take(r, "农历") || take(r, "阴历");
    (void)take(r, "公元");
    for (size_t i = 0; i < 3; i++) {
        struct reader next = *r;

        if (any)
            skip_joint(&next);
        if (!reads[i](&next, d))
            continue;
        *r = next;
        any = true;
    }
    /* 10年 by itself is how long, 24年3月 is when. */
    return any && (d->part[DATE_YEAR] < 0 || d->part[DATE_YEAR] > 99 ||
                   d->part[DATE_MONTH] >= 0);
}

/* 2024-03-05, 2024/3/5, 2024.3.5, 2024-03, 20240305 not. */
static bool read_iso(struct reader *r, struct date *d)
{
    int n, v = read_digits(r, &n);
    char mark = r->at < r->s.n ? r->s.p[r->at] : '\0';
    struct reader next;

    if (n != 4 || v < 0 || !strchr("-/.", mark) || !mark)
        return false;
    d->part[DATE_YEAR] = v;
    r->at++;
    d->part[DATE_MONTH] = read_digits(r, &n);
    if (n < 1 || n > 2 || d->part[DATE_MONTH] < 1 || d->part[DATE_MONTH] > 12)
        return false;
    next = *r;
    if (next.at < next.s.n && next.s.p[next.at] == mark) {
        next.at++;
        v = read_digits(&next, &n);
        if (v < 1 || v > 31 || n > 2)
            return false;
        d->part[DATE_DAY] = v;
        *r = next;
    } else if (mark == '.') {
        return false; /* 2024.3 is a number */
    }
    (void)take(r, "T");
    return true;
}

/* 周三, 星期三, 礼拜三, 星期日, 周天. */
static bool read_weekday(struct reader *r, struct date *d)
{
    int v;

    if (!take(r, "星期") && !take(r, "礼拜") && !take(r, "周"))
        return false;
    if (take(r, "日") || take(r, "天"))
        v = 7;
    else {
        v = read_small(r);
        if (v < 1 || v > 7)
            return false;
    }
    d->part[DATE_WEEKDAY] = v;
    /* 周三年 is no day, nor 周六岁. */
    return !match_starts_at(r->s, r->at, "年") &&
           !match_starts_at(r->s, r->at, "岁");
}

/* March 5, 2024; 5 March 2024; Mar. 5th; Tuesday. */
static int name_at(struct reader *r, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        size_t n, at = r->at;

        if (at >= r->s.n || (r->s.p[at] | 0x20) != (*names[i] | 0x20))
            continue;
        n = strlen(names[i]);
        if (strncasecmp(r->s.p + at, names[i], 3) != 0 || r->s.n < at + 3)
            continue;
        if (r->s.n >= at + n && !strncasecmp(r->s.p + at, names[i], n))
            r->at += n;
        else
            r->at += 3;
        if (r->at < r->s.n && match_is_latin(r->s.p[r->at])) {
            r->at = at;
            continue;
        }
        (void)take(r, ".");
        return i + 1;
    }
    return -1;
}

static int read_english_day(struct reader *r)
{
    static const char *const ends[] = { "st", "nd", "rd", "th" };
    int n, v = read_digits(r, &n);

    for (size_t i = 0; i < 4; i++)
        if (take(r, ends[i]))
            break;
    return n >= 1 && n <= 2 && v >= 1 && v <= 31 ? v : -1;
}

static const char *const months[] = { "January", "February", "March",
                                      "April",   "May",      "June",
                                      "July",    "August",   "September",
                                      "October", "November", "December" };

static bool read_english(struct reader *r, struct date *d)
{
    struct reader next;
    int day = -1, month, n, year;

    if (match_is_digit(r->s, r->at)) {
        day = read_english_day(r);
        skip_space(r);
        (void)take(r, "of ");
        if (day < 0)
            return false;
    }
    month = name_at(r, months, 12);
    if (month < 0)
        return false;
    next = *r;
    skip_space(&next);
    if (day < 0 && (day = read_english_day(&next)) >= 0)
        *r = next;
    next = *r;
    (void)take(&next, ",");
    skip_space(&next);
    year = read_digits(&next, &n);
    if (n == 4 && year >= 0) {
        d->part[DATE_YEAR] = year;
        *r = next;
    }
    d->part[DATE_MONTH] = month;
    d->part[DATE_DAY] = day;
    return day >= 0 || d->part[DATE_YEAR] >= 0;
}

static bool read_english_weekday(struct reader *r, struct date *d)
{
    static const char *const days[] = { "Monday",   "Tuesday", "Wednesday",
                                        "Thursday", "Friday",  "Saturday",
                                        "Sunday" };

    d->part[DATE_WEEKDAY] = name_at(r, days, 7);
    return d->part[DATE_WEEKDAY] > 0;
}

/* ---- the time ---- */

/* Words for a part of the day: the hours 1 to 12 behind them are those of its
 * half; 中午 has 11 to 2. */
enum half { HALF_NONE, HALF_AM, HALF_PM, HALF_NOON };
static enum half read_half(struct reader *r)
{
    static const struct {
        const char *word;
        enum half half;
    } words[] = {
        { "凌晨", HALF_AM },   { "清晨", HALF_AM }, { "早晨", HALF_AM },
        { "早上", HALF_AM },   { "上午", HALF_AM }, { "中午", HALF_NOON },
        { "正午", HALF_NOON }, { "下午", HALF_PM }, { "午后", HALF_PM },
        { "傍晚", HALF_PM },   { "晚上", HALF_PM }, { "夜里", HALF_PM },
        { "夜晚", HALF_PM },   { "深夜", HALF_PM }, { "晚", HALF_PM },
        { "早", HALF_AM },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (take(r, words[i].word)) {
            skip_space(r);
            return words[i].half;
        }
    return HALF_NONE;
}

static void set_half(struct date *d, enum half half)
{
    int *hour = &d->part[DATE_HOUR];

    d->noon = half != HALF_NONE || *hour > 12 || *hour == 0;
    if ((half == HALF_PM && *hour < 12 && *hour >= 1) ||
        (half == HALF_NOON && *hour <= 3))
        *hour += 12;
    else if (half == HALF_AM && *hour == 12)
        *hour = 0;
    if (*hour == 24)
        *hour = 0;
}

static bool take_pm(struct reader *r, enum half *half)
{
    struct reader next = *r;

    skip_space(&next);
    if (take(&next, "pm") || take(&next, "PM") || take(&next, "p.m."))
        *half = HALF_PM;
    else if (take(&next, "am") || take(&next, "AM") || take(&next, "a.m."))
        *half = HALF_AM;
    else
        return false;
    *r = next;
    return true;
}

/* 15:30, 15:30:20, 3:30 pm. */
static bool read_clock(struct reader *r, struct date *d, enum half half)
{
    bool zero = r->at < r->s.n && r->s.p[r->at] == '0';
    int n, hour = read_digits(r, &n), minute, second;
    struct reader next;

    if (n < 1 || n > 2 || hour > 24 || !take(r, ":"))
        return false;
    minute = read_digits(r, &n);
    if (n != 2 || minute > 59)
        return false;
    next = *r;
    if (take(&next, ":")) {
        second = read_digits(&next, &n);
        if (n != 2 || second > 59)
            return false;
        d->part[DATE_SECOND] = second;
        *r = next;
    }
    d->part[DATE_HOUR] = hour;
    d->part[DATE_MINUTE] = minute;
    (void)take_pm(r, &half);
    set_half(d, half);
    d->noon |= zero; /* 09:30 is of 24 hours */
    return true;
}

/* 半, 一刻, 三刻, 30分, 零五分, 整, and seconds behind minutes. */
static void read_minutes(struct reader *r, struct date *d)
{
    struct reader next = *r;
    bool zero;
    int v;

    skip_space(&next);
    if (take(&next, "半")) {
        d->part[DATE_MINUTE] = 30;
    } else if (take(&next, "整") || take(&next, "钟")) {
        d->part[DATE_MINUTE] = 0;
    } else {
        (void)take(&next, "过");
        zero = match_starts_at(next.s, next.at, "零");
        v = read_small(&next);
        skip_space(&next);
        if (v >= 0 && take(&next, "刻"))
            v *= 15;
        else if (v >= 0 && !take(&next, "分") && v < 10 && !zero)
            return;
        if (v < 0 || v > 59)
            return;
        (void)take(&next, "钟");
        d->part[DATE_MINUTE] = v;
        *r = next;
        v = read_small(&next);
        if (v < 0 || v > 59 || !take(&next, "秒"))
            return;
        d->part[DATE_SECOND] = v;
    }
    *r = next;
}

/* 3点半, 15时30分, 十点一刻, 8点整. */
static bool read_hours(struct reader *r, struct date *d, enum half half)
{
    int hour = read_small(r);

    skip_space(r);
    if (hour < 0 || hour > 24 || (!take(r, "点") && !take(r, "时")))
        return false;
    (void)take(r, "钟");
    d->part[DATE_HOUR] = hour;
    d->part[DATE_MINUTE] = 0;
    read_minutes(r, d);
    set_half(d, half);
    return true;
}

/* 3 pm. */
static bool read_english_hour(struct reader *r, struct date *d)
{
    int n, hour = read_digits(r, &n);
    enum half half;

    if (n < 1 || n > 2 || hour < 1 || hour > 12 || !take_pm(r, &half))
        return false;
    d->part[DATE_HOUR] = hour;
    d->part[DATE_MINUTE] = 0;
    set_half(d, half);
    return true;
}

static bool read_time(struct reader *r, struct date *d)
{
    enum half half = read_half(r);
    struct reader next = *r;
    struct date t = *d;

    if (read_clock(&next, &t, half)) {
        *d = t;
        *r = next;
        return true;
    }
    next = *r;
    t = *d;
    if (!read_hours(&next, &t, half)) {
        next = *r;
        t = *d;
        if (!read_english_hour(&next, &t))
            return false;
    }
    *d = t;
    *r = next;
    return true;
}

/* ---- one date ---- */

static bool read_piece(struct reader *r, struct date *d)
{
    static bool (*const forms[])(struct reader *, struct date *) = {
        read_iso,     read_time,    read_chinese,
        read_english, read_weekday, read_english_weekday
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        struct reader next = *r;
        struct date t = *d;

        if (!forms[i](&next, &t))
            continue;
        *r = next;
        *d = t;
        return true;
    }
    return false;
}

/* The parts of `more` are joined to d when none of them is there twice. */
static bool join(struct date *d, const struct date *more)
{
    for (int i = 0; i < DATE_PARTS; i++)
        if (d->part[i] >= 0 && more->part[i] >= 0)
            return false;
    for (int i = 0; i < DATE_PARTS; i++)
        if (more->part[i] >= 0)
            d->part[i] = more->part[i];
    d->noon |= more->noon;
    d->lunar |= more->lunar;
    return true;
}

static void clear(struct date *d)
{
    *d = (struct date){ .noon = false };
    for (int i = 0; i < DATE_PARTS; i++)
        d->part[i] = -1;
}

static void skip_between(struct reader *r)
{
    static const char *const marks[] = { " ",  ",",  "，", "(", ")",
                                         "（", "）", "的", "、" };
    bool more = true;

    while (more) {
        more = false;
        for (size_t i = 0; i < sizeof(marks) / sizeof(*marks) && !more; i++)
            more = take(r, marks[i]);
    }
}

bool date_read(struct str s, size_t at, struct date *out)
{
    struct reader r = { s, at };
    size_t pieces = 0;

    clear(out);
    for (;; pieces++) {
        struct reader next = r;
        struct date piece;

        clear(&piece);
        if (pieces)
            skip_between(&next);
        if (!read_piece(&next, &piece) || !join(out, &piece))
            break;
        r = next;
    }
    out->at = at;
    out->end = r.at;
    return pieces && (out->part[DATE_DAY] < 0 || out->part[DATE_MONTH] < 0 ||
                      out->part[DATE_DAY] <=
                          days_in(out->part[DATE_YEAR], out->part[DATE_MONTH]));
}

/* What a date may begin with: a letter, a digit, one of these. */
static const char beginners[] = "〇○一二三四五六七八九十零两廿卅正初公农阴"
                                "星礼周凌清早上中午下傍晚夜深";

/* Not inside a number or a word. */
static bool may_begin(struct str s, size_t at)
{
    unsigned char c = (unsigned char)s.p[at];

    if (c < 0x80 ? !match_is_latin(s.p[at]) && !match_is_digit(s, at)
                 : (c & 0xF0) != 0xE0 ||
                       str_find(str_of(beginners), str_sub(s, at, at + HAN),
                                0) == (size_t)-1)
        return false;
    if (!at)
        return true;
    if (match_is_digit(s, at))
        return !match_is_digit(s, at - 1) &&
               !(at > 1 && strchr(".:", s.p[at - 1]) &&
                 match_is_digit(s, at - 2));
    if (match_is_latin(s.p[at]))
        return !match_is_latin(s.p[at - 1]);
    if (han_digit(s, at) >= 0)
        return at < HAN || (han_digit(s, at - HAN) < 0 &&
                            !match_starts_at(s, at - HAN, "十") &&
                            !match_starts_at(s, at - HAN, "第"));
    return true;
}

bool date_find(struct str s, size_t from, struct date *out)
{
    for (; from < s.n; from++)
        if (may_begin(s, from) && date_read(s, from, out))
            return true;
    return false;
}

/* ---- comparing ---- */

static bool same_year(int x, int y)
{
    return x == y || (x < 100 && y % 100 == x) || (y < 100 && x % 100 == y);
}

/* 3点 may be 15:00 where one side does not say which half it means. */
static bool same_hour(const struct date *x, const struct date *y)
{
    int a = x->part[DATE_HOUR], b = y->part[DATE_HOUR];

    return a == b || ((!x->noon || !y->noon) && a % 12 == b % 12);
}

bool date_names(const struct date *want, const struct date *got)
{
    for (int i = 0; i < DATE_PARTS; i++)
        if (want->part[i] >= 0 && got->part[i] < 0)
            return false;
    return true;
}

bool date_has(const struct date *want, const struct date *got)
{
    if (!date_names(want, got))
        return false;
    for (int i = 0; i < DATE_PARTS; i++) {
        int w = want->part[i], g = got->part[i];

        if (w < 0)
            continue;
        if (i == DATE_YEAR   ? !same_year(w, g)
            : i == DATE_HOUR ? !same_hour(want, got)
                             : w != g)
            return false;
    }
    return !want->lunar || got->lunar;
}
