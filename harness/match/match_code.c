/* A program that is run against tests, in a sandbox.
 *
 * A Python program that ends well has not passed yet: it may have left by
 * exit() before the tests were over.  So it must write a mark behind its tests,
 * which is made of a digest and so the same each time.  In C a call of exit()
 * in the program itself is led to one that fails; the end of main() is not.
 * A program that read its own source could write the mark itself: tests in the
 * same process as what they test can be deceived by one that means to. */
#include <signal.h>
#include <string.h>

#include "harness/base/digest.h"
#include "harness/base/io.h"
#include "harness/exec/sandbox.h"
#include "harness/match/code_text.h"
#include "harness/match/match_parts.h"

enum {
    SECONDS = 5,
    SECONDS_MOST = 60,
    MEMORY_MB = 256,
    MEMORY_MOST = 4096,
    OUTPUT_BYTES = 1 << 20,
    PROGRAM_BYTES = 32 << 20,
    SOURCE_BYTES = 1 << 20,
    CASES_MOST = 100,
    LINKS_MOST = 4,
    MARK_CHARS = 16,
    EXIT_CALLED = 97 /* by exit_guard */
};

/* ---- languages ---- */

struct tool {
    const struct code_language *language;
    const char *compiler; /* NULL: it is interpreted */
    const char *source;   /* name of its file */
    const char *compile;  /* for sh, with -l... as its arguments */
};

static const struct tool tools[] = {
    { &code_python, NULL, "main.py", NULL },
    { &code_c, "/usr/bin/gcc", "main.c",
      "/usr/bin/gcc -std=gnu17 -O1 -w -o /tmp/a /box/main.c /box/guard.c \"$@\""
      " -lm -Wl,--wrap=exit,--wrap=_exit,--wrap=_Exit >&2 && cat /tmp/a" },
    { &code_cpp, "/usr/bin/g++", "main.cpp",
      "/usr/bin/g++ -std=gnu++17 -O1 -w -o /tmp/a /box/main.cpp -x c "
      "/box/guard.c -x none \"$@\" -Wl,--wrap=exit,--wrap=_exit,--wrap=_Exit "
      ">&2 && cat /tmp/a" },
};

/* What exit() in the program becomes, but in programs that are judged by their
 * output. */
static const char exit_guard[] =
    "void _Exit(int); void __real__Exit(int);\n"
    "void __wrap_exit(int s) { (void)s; __real__Exit(97); }\n"
    "void __wrap__exit(int s) { (void)s; __real__Exit(97); }\n"
    "void __wrap__Exit(int s) { (void)s; __real__Exit(97); }\n";
static const char exit_freely[] =
    "void __real_exit(int); void __real__exit(int); void __real__Exit(int);\n"
    "void __wrap_exit(int s) { __real_exit(s); }\n"
    "void __wrap__exit(int s) { __real__exit(s); }\n"
    "void __wrap__Exit(int s) { __real__Exit(s); }\n";

static const struct tool *find_tool(const struct json *options)
{
    const char *name = json_string(json_get(options, "language"));

    for (size_t i = 0; name && i < sizeof tools / sizeof *tools; i++)
        if (strcmp(name, tools[i].language->name) == 0)
            return &tools[i];
    return NULL;
}

/* ---- one answer ---- */

struct judge {
    const struct match_in *in;
    const struct tool *tool;
    struct arena *a;
    struct match_out *out;
    struct str code;
    struct sandbox_result r;
    struct buf program; /* what the compiler made */
    char mark[DIGEST_HEX];
    int seconds, memory_mb;
};

static const char *member(const struct judge *j, const char *key)
{
    return json_string(json_get(j->in->expected, key));
}

static int number_or(const struct json *options, const char *key, int dflt)
{
    double d = json_number(json_get(options, key));

    return d > 0 ? (int)d : dflt;
}

static void set_verdict(struct judge *j, const char *rule)
{
    j->out->verdict = VERDICT_WRONG;
    j->out->rule = rule;
}

static bool said(const struct judge *j, const char *what)
{
    return str_find(buf_view(&j->r.err), str_of(what), 0) != (size_t)-1;
}

/* The last line of a Python traceback begins with the kind of error. */
static bool last_error_is(const struct judge *j, const char *what)
{
    struct str s = str_trim(buf_view(&j->r.err));
    size_t at = s.n;

    while (at > 0 && s.p[at - 1] != '\n')
        at--;
    return str_starts(str_sub(s, at, s.n), str_of(what));
}

/* Why a program that did not do what it should ended so. */
static const char *failure(const struct judge *j)
{
    static const struct {
        const char *error, *rule;
    } errors[] = {
        { "SyntaxError", "compile-error" },
        { "IndentationError", "compile-error" },
        { "TabError", "compile-error" },
        { "MemoryError", "memory" },
        { "AssertionError", "failed" },
    };

    switch (j->r.end) {
    case SANDBOX_TIME:
        return "timeout";
    case SANDBOX_OUTPUT:
        return "output";
    case SANDBOX_SIGNALED:
        if (j->r.status == SIGABRT && said(j, "ssertion"))
            return "failed";
        if (j->r.status == SIGKILL || said(j, "bad_alloc"))
            return "memory";
        return "crash";
    case SANDBOX_EXITED:
        break;
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (!j->tool->compiler && last_error_is(j, errors[i].error))
            return errors[i].rule;
    return j->r.status == 0 || j->r.status == EXIT_CALLED ? "failed" : "error";
}

/* ---- running ---- */

static enum err_code compile(struct judge *j, struct str source, bool guarded,
                             struct err *e)
{
    const struct json *link = json_get(j->in->options, "link");
    const char *argv[5 + LINKS_MOST] = { "/bin/sh", "-c", j->tool->compile,
                                         "sh" };
    struct sandbox_job job = {
        .argv = argv,
        .tool = j->tool->compiler,
        .files = { { j->tool->source, source },
                   { "guard.c", str_of(guarded ? exit_guard : exit_freely) } },
        .n_files = 2,
        .cpu_s = 30,
        .memory_mb = 2048,
        .processes = 16,
        .disk_mb = 64,
        .output_max = PROGRAM_BYTES,
    };
    enum err_code rc;

    for (size_t i = 0; i < json_len(link) && i < LINKS_MOST; i++)
        argv[4 + i] = arena_printf(j->a, "-l%s", json_string(json_at(link, i)));
    rc = sandbox_run(&job, &j->r, e);
    if (rc || j->r.end != SANDBOX_EXITED || j->r.status) {
        set_verdict(j, "compile-error");
        return rc;
    }
    buf_clear(&j->program);
    buf_text(&j->program, buf_view(&j->r.out));
    return buf_check(&j->program, "a compiled program", e);
}

/* Runs the program (compiled, or `source`) once. */
static enum err_code run_once(struct judge *j, struct str source,
                              struct str input, struct err *e)
{
    static const char *const python[] = { "/usr/bin/python3", "-I", "-S", "-B",
                                          "/box/main.py",     NULL };
    static const char *const compiled[] = { "/box/main", NULL };
    struct sandbox_job job = {
        .argv = compiled,
        .files = { { "main", buf_view(&j->program) } },
        .n_files = 1,
        .input = input,
        .cpu_s = j->seconds,
        .memory_mb = j->memory_mb,
        .processes = 16,
        .disk_mb = 16,
        .output_max = OUTPUT_BYTES,
    };

    if (!j->tool->compiler) {
        job.argv = python;
        job.files[0] = (struct sandbox_file){ "main.py", source };
    }
    return sandbox_run(&job, &j->r, e);
}

/* ---- the source ---- */

/* Before the answer's code stands what the item gives: all of an unfinished
 * function where the answer goes on from it, else what stands before it. */
static void put_program(struct judge *j, struct buf *b)
{
    const char *prefix = member(j, "prefix"), *head = member(j, "head");
    const char *entry = member(j, "entry");
    bool whole =
        !prefix || !entry || code_defines(j->tool->language, j->code, entry);

    if (!whole) {
        buf_str(b, prefix);
        if (!j->tool->compiler && code_lost_margin(j->code))
            buf_str(b, "    ");
    } else if (head || (prefix && !j->tool->compiler)) {
        buf_str(b, head ? head : prefix);
        buf_char(b, '\n');
    }
    buf_text(b, j->code);
    buf_char(b, '\n');
}

/* Each assertion is tried by itself. */
static void put_asserts(const struct judge *j, const struct json *asserts,
                        struct buf *b)
{
    struct jw w;

    buf_str(b, "\nfor _mokao in ");
    jw_init(&w, b, false);
    jw_array(&w, NULL);
    for (const struct json *t = json_child(asserts); t; t = json_next(t))
        jw_str(&w, NULL, json_string(t));
    jw_end(&w);
    buf_printf(b,
               ":\n"
               "    try:\n"
               "        exec(_mokao, globals())\n"
               "        print('\\n%s+')\n"
               "    except Exception: pass\n",
               j->mark);
}

static bool mark_is_last(const struct judge *j)
{
    return str_ends(str_trim(buf_view(&j->r.out)), str_of(j->mark));
}

static size_t count_marks(const struct judge *j)
{
    struct str out = buf_view(&j->r.out);
    char mark[MARK_CHARS + 3] = "\n";
    size_t n = 0, at = 0;

    memcpy(mark + 1, j->mark, MARK_CHARS);
    memcpy(mark + 1 + MARK_CHARS, "+", 2);
    while ((at = str_find(out, str_of(mark), at)) != (size_t)-1) {
        at += MARK_CHARS + 2;
        n++;
    }
    return n;
}

static void take_counts(struct judge *j, size_t passed, size_t n,
                        const char *rule)
{
    const char *partial = json_string(json_get(j->in->options, "partial"));

    if (passed == n) {
        j->out->verdict = VERDICT_CORRECT;
        j->out->rule = "passed";
        j->out->score = 1;
        return;
    }
    set_verdict(j, rule);
    if (partial && strcmp(partial, "each") == 0)
        j->out->score = (double)passed / (double)n;
}

/* A program with its tests that is too long is not run: unparsable. */
static enum err_code check_length(struct judge *j, const struct buf *b,
                                  struct err *e)
{
    if (!b->full)
        return buf_check(b, "a program", e);
    j->out->rule = "too-long";
    return ERR_OK;
}

/* ---- the three kinds of tests ---- */

static enum err_code judge_python(struct judge *j, struct err *e)
{
    const struct json *asserts = json_get(j->in->expected, "asserts");
    struct buf b;
    enum err_code rc;

    buf_init(&b, SOURCE_BYTES);
    put_program(j, &b);
    if (asserts)
        put_asserts(j, asserts, &b);
    else
        buf_str(&b, member(j, "test"));
    buf_printf(&b, "\nprint('\\n%s')\n", j->mark);
    rc = check_length(j, &b, e);
    if (!rc && !*j->out->rule)
        rc = run_once(j, buf_view(&b), STR(""), e);
    buf_free(&b);
    if (rc || *j->out->rule)
        return rc;
    if (asserts)
        take_counts(j, count_marks(j), json_len(asserts), failure(j));
    else
        take_counts(
            j, j->r.end == SANDBOX_EXITED && !j->r.status && mark_is_last(j), 1,
            failure(j));
    return ERR_OK;
}

static enum err_code judge_compiled(struct judge *j, struct err *e)
{
    struct buf b;
    enum err_code rc;

    buf_init(&b, SOURCE_BYTES);
    put_program(j, &b);
    buf_str(&b, member(j, "test"));
    buf_char(&b, '\n');
    rc = check_length(j, &b, e);
    if (!rc && !*j->out->rule)
        rc = compile(j, buf_view(&b), true, e);
    buf_free(&b);
    if (rc || *j->out->rule)
        return rc;
    rc = run_once(j, STR(""), STR(""), e);
    if (!rc)
        take_counts(j, j->r.end == SANDBOX_EXITED && !j->r.status, 1,
                    failure(j));
    return rc;
}

/* Line by line, blanks at the ends of lines and of the whole left out. */
static bool same_output(struct str got, struct str want)
{
    struct io_lines a = { .rest = str_trim(got) },
                    b = { .rest = str_trim(want) };

    for (;;) {
        bool x = io_next_line(&a), y = io_next_line(&b);
        if (!x || !y)
            return x == y;
        if (!str_eq(str_trim(a.line), str_trim(b.line)))
            return false;
    }
}

static enum err_code judge_cases(struct judge *j, struct err *e)
{
    const struct json *cases = json_get(j->in->expected, "cases");
    const char *rule = "failed";
    size_t passed = 0;
    struct buf b;
    enum err_code rc;

    buf_init(&b, SOURCE_BYTES);
    put_program(j, &b);
    rc = check_length(j, &b, e);
    if (!rc && !*j->out->rule && j->tool->compiler)
        rc = compile(j, buf_view(&b), false, e);
    for (const struct json *c = json_child(cases); c && !rc && !*j->out->rule;
         c = json_next(c)) {
        struct str want = str_of(json_string(json_get(c, "out")));
        rc = run_once(j, buf_view(&b), str_of(json_string(json_get(c, "in"))),
                      e);
        if (!rc && j->r.end == SANDBOX_EXITED && !j->r.status &&
            same_output(buf_view(&j->r.out), want))
            passed++;
        else if (!rc)
            rule = failure(j);
    }
    buf_free(&b);
    if (!rc && !*j->out->rule)
        take_counts(j, passed, json_len(cases), rule);
    return rc;
}

static void make_mark(struct judge *j)
{
    const char *test = member(j, "test");

    digest_hex(str_of(test ? test : "mokao"), j->mark);
    j->mark[MARK_CHARS] = '\0';
}

static enum err_code judge_tests(struct judge *j, struct err *e)
{
    make_mark(j);
    if (json_get(j->in->expected, "cases"))
        return judge_cases(j, e);
    return j->tool->compiler ? judge_compiled(j, e) : judge_python(j, e);
}

/* ---- the program of the answer ---- */

/* An answer without a definition goes on from the function that was begun. */
static struct str find_code(const struct judge *j)
{
    const char *entry = member(j, "entry");
    struct str part = match_answer_part(j->in->response);
    struct str code = code_find(j->tool->language, part, entry), body;

    if (!entry || !member(j, "prefix") ||
        code_defines(j->tool->language, code, entry))
        return code;
    body = code_body(j->tool->language, j->in->response);
    return body.n ? body : code;
}

static enum err_code run(const struct match_in *in, struct arena *a,
                         struct match_out *out, struct err *e)
{
    struct judge j = { .in = in, .a = a, .out = out };
    enum err_code rc;

    match_begin(out);
    j.tool = find_tool(in->options);
    if (!j.tool)
        return err_set(e, ERR_FORMAT, "language: missing or not known");
    j.seconds = number_or(in->options, "seconds", SECONDS);
    j.memory_mb = number_or(in->options, "memory_mb", MEMORY_MB);
    j.code = find_code(&j);
    if (!str_trim(j.code).n) {
        match_no_answer(in, out);
        return ERR_OK;
    }
    out->span_at = (size_t)(j.code.p - in->response.p);
    out->span_len = j.code.n;
    out->extracted = arena_dup(a, j.code.p, j.code.n);
    sandbox_result_init(&j.r);
    buf_init(&j.program, PROGRAM_BYTES);
    rc = out->extracted ? judge_tests(&j, e) : match_no_memory(e);
    buf_free(&j.program);
    sandbox_result_free(&j.r);
    return rc;
}

/* ---- checks ---- */

static enum err_code check_link(const struct json *options, struct err *e)
{
    const struct json *link = json_get(options, "link");

    if (link && (json_type(link) != JSON_ARRAY || json_len(link) > LINKS_MOST))
        return err_set(e, ERR_FORMAT, "link: expected a list of at most %d",
                       LINKS_MOST);
    for (const struct json *l = json_child(link); l; l = json_next(l)) {
        const char *s = json_string(l);
        if (!s || !*s ||
            strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_+") != strlen(s))
            return err_set(e, ERR_FORMAT,
                           "link: expected names such as \"crypto\"");
    }
    return ERR_OK;
}

static enum err_code check_options(const struct json *options, struct err *e)
{
    static const char *const known[] = { "name",    "language",  "partial",
                                         "seconds", "memory_mb", "link",
                                         NULL };
    const char *language, *partial;
    int64_t n;

    if (json_only(options, known, e) ||
        json_get_str(options, "language", &language, e) ||
        json_get_str_or(options, "partial", "no", &partial, e) ||
        json_get_int_or(options, "seconds", SECONDS, 1, SECONDS_MOST, &n, e) ||
        json_get_int_or(options, "memory_mb", MEMORY_MB, 16, MEMORY_MOST, &n,
                        e) ||
        check_link(options, e))
        return e->code;
    if (!find_tool(options))
        return err_set(e, ERR_FORMAT,
                       "language: expected python, c or c++, got \"%s\"",
                       language);
    if (strcmp(partial, "no") != 0 && strcmp(partial, "each") != 0)
        return err_set(e, ERR_FORMAT,
                       "partial: expected no or each, got \"%s\"", partial);
    return ERR_OK;
}

static enum err_code check_list(const struct json *list, const char *name,
                                bool pairs, struct err *e)
{
    static const char *const known[] = { "in", "out", NULL };
    const char *s;

    if (json_type(list) != JSON_ARRAY || !json_len(list) ||
        json_len(list) > CASES_MOST)
        return err_set(e, ERR_FORMAT, "answer: %s: expected a list of 1 to %d",
                       name, CASES_MOST);
    for (const struct json *t = json_child(list); t; t = json_next(t)) {
        if (pairs &&
            (json_only(t, known, e) || json_get_str_or(t, "in", "", &s, e) ||
             json_get_str(t, "out", &s, e)))
            return err_wrap(e, "answer: %s", name);
        if (!pairs && (!json_string(t) || !*json_string(t)))
            return err_set(e, ERR_FORMAT, "answer: %s: expected strings", name);
    }
    return ERR_OK;
}

static enum err_code check_tests(const struct match_in *in, struct err *e)
{
    const struct json *x = in->expected, *test = json_get(x, "test"),
                      *asserts = json_get(x, "asserts"),
                      *cases = json_get(x, "cases");
    const char *s;

    if (!!test + !!asserts + !!cases != 1)
        return err_set(e, ERR_FORMAT,
                       "answer: expected one of test, asserts, cases in it");
    if (asserts && find_tool(in->options)->compiler)
        return err_set(e, ERR_FORMAT, "answer: asserts: only for python");
    if (asserts)
        return check_list(asserts, "asserts", false, e);
    if (cases)
        return check_list(cases, "cases", true, e);
    if (json_get_str(x, "test", &s, e))
        return err_wrap(e, "answer");
    return ERR_OK;
}

static enum err_code check(const struct match_in *in, struct err *e)
{
    static const char *const known[] = { "entry",   "prefix", "head", "test",
                                         "asserts", "cases",  NULL };
    const char *s;
    enum err_code rc = check_options(in->options, e);

    if (rc)
        return rc;
    if (!in->expected || json_type(in->expected) != JSON_OBJECT)
        return err_set(
            e, ERR_FORMAT,
            "answer: expected an object with test, asserts or cases");
    if (json_only(in->expected, known, e) ||
        json_get_str_or(in->expected, "entry", "", &s, e) ||
        json_get_str_or(in->expected, "prefix", "", &s, e) ||
        json_get_str_or(in->expected, "head", "", &s, e))
        return err_wrap(e, "answer");
    return check_tests(in, e);
}

const struct match_kind match_code = {
    .name = "code",
    .version = 1,
    .doc = "a program that is run against tests, in a sandbox",
    .help =
        "language: \"python\", \"c\" or \"c++\".\n"
        "answer: {\"test\": code put behind the program} or, in Python,\n"
        "  {\"asserts\": [statements]}, or {\"cases\": [{\"in\", \"out\"}]}: its\n"
        "  stdin and what it must print.  With it: entry (the function's\n"
        "  name), prefix (what the answer may go on from), head (what stands\n"
        "  before a whole program).\n"
        "partial: \"each\" - the share of tests passed counts.\n"
        "seconds (5), memory_mb (256): limits of a run; link: [\"crypto\"].\n"
        "Needs bubblewrap; without a sandbox nothing is run, and the answer\n"
        "stays without a score.",
    .executes = true,
    .check = check,
    .run = run,
};
