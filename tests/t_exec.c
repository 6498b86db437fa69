/* Programs and queries nobody trusts: the code matcher on labelled answers, and
 * what the sandbox and the private database keep out.
 *
 * Each attack runs as an answer would; the test looks at what it saw, and at
 * what it left behind.  Without a sandbox they are skipped. */
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/exec/sandbox.h"
#include "harness/exec/sqlbox.h"
#include "harness/match/match.h"
#include "tests/t.h"

static bool quick(void)
{
    const char *mode = getenv("MOKAO_TEST_MODE");

    return mode && strcmp(mode, "quick") == 0;
}

/* ---- running an attack ---- */

static enum err_code run_python(const char *source, struct str input,
                                struct sandbox_result *r, struct err *e)
{
    static const char *const argv[] = { "/usr/bin/python3", "-I", "-S", "-B",
                                        "/box/main.py",     NULL };
    struct sandbox_job job = {
        .argv = argv,
        .files = { { "main.py", str_of(source) } },
        .n_files = 1,
        .input = input,
        .cpu_s = 1,
        .memory_mb = 128,
        .processes = 16,
        .disk_mb = 8,
        .output_max = 100000,
    };

    return sandbox_run(&job, r, e);
}

/* Whether programs can be run here at all. */
static bool have_sandbox(void)
{
    struct sandbox_result r;
    struct err e;
    enum err_code rc;

    sandbox_result_init(&r);
    rc = run_python("print(1)", STR(""), &r, &e);
    sandbox_result_free(&r);
    if (rc == ERR_NOENV)
        t_skip("%s", e.msg);
    else
        t_ok(rc, &e);
    return rc == ERR_OK;
}

/* Runs it; r is the caller's. */
static void attack(const char *source, struct sandbox_result *r)
{
    struct err e;

    sandbox_result_init(r);
    t_ok(run_python(source, STR(""), r, &e), &e);
}

static void saw(const struct sandbox_result *r, const char *want)
{
    ck_assert_msg(str_is(str_trim(buf_view(&r->out)), want),
                  "saw \"%s\", expected \"%s\"; %s", r->out.p, want, r->err.p);
}

/* ---- what it sees ---- */

START_TEST(a_program_runs)
{
    struct sandbox_result r;
    struct err e;

    if (!have_sandbox())
        return;
    sandbox_result_init(&r);
    t_ok(run_python("import sys\n"
                    "print(input() + '!')\n"
                    "print('to stderr', file=sys.stderr)\n"
                    "sys.exit(3)",
                    STR("hello\n"), &r, &e),
         &e);
    ck_assert_int_eq(r.end, SANDBOX_EXITED);
    ck_assert_int_eq(r.status, 3);
    saw(&r, "hello!");
    ck_assert_str_eq(r.err.p, "to stderr\n");
    sandbox_result_free(&r);
}
END_TEST

/* Files with a secret in the home folder, in ours and in /tmp. */
static char secrets[3][300];
static void hide_secrets(void)
{
    const char *home = getenv("HOME");
    char here[200];
    struct err e;

    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    snprintf(secrets[0], sizeof secrets[0], "%s/.mokao-secret-%d",
             home ? home : "/root", (int)getpid());
    snprintf(secrets[1], sizeof secrets[1], "%s/.mokao-secret-%d", here,
             (int)getpid());
    snprintf(secrets[2], sizeof secrets[2], "/tmp/.mokao-secret-%d",
             (int)getpid());
    for (int i = 0; i < 3; i++) {
        t_ok(io_replace(secrets[i], STR("s3cret"), &e), &e);
        chmod(secrets[i], 0644);
    }
}

static void remove_secrets(void)
{
    for (int i = 0; i < 3; i++)
        unlink(secrets[i]);
}

START_TEST(secret_files_are_out_of_sight)
{
    struct sandbox_result r;
    char source[2000];

    if (!have_sandbox())
        return;
    hide_secrets();
    snprintf(source, sizeof source,
             "import os\n"
             "seen = 0\n"
             "for p in %s%s%s%s%s%s%s:\n"
             "    for q in (p, '/proc/1/root' + p, '/box/../' + p):\n"
             "        try: seen += len(open(q).read())\n"
             "        except OSError: pass\n"
             "    try:\n"
             "        os.symlink(p, '/tmp/link%%d' %% len(p))\n"
             "        seen += len(open('/tmp/link%%d' %% len(p)).read())\n"
             "    except OSError: pass\n"
             "for d in ('/root', '/home', '/srv', '/etc/passwd', '/var',\n"
             "          '/usr/local', '/sys', '/run', '/mnt', '/proc'):\n"
             "    if os.path.exists(d): print(d, 'is there')\n"
             "print(seen)\n",
             "('", secrets[0], "', '", secrets[1], "', '", secrets[2],
             "', '/etc/shadow')");
    attack(source, &r);
    remove_secrets();
    saw(&r, "0");
    sandbox_result_free(&r);
}
END_TEST

START_TEST(the_environment_is_empty)
{
    struct sandbox_result r;

    if (!have_sandbox())
        return;
    setenv("MOKAO_TEST_API_KEY", "sk-not-for-you", 1);
    attack("import os\n"
           "print(sorted(set(os.environ) - {'PWD', 'LC_CTYPE'}))\n"
           "print(os.getcwd(), os.getuid(), os.path.exists('/proc/1/environ'))",
           &r);
    unsetenv("MOKAO_TEST_API_KEY");
    saw(&r, "['HOME', 'LANG', 'PATH', 'PYTHONHASHSEED']\n/tmp 65534 False");
    sandbox_result_free(&r);
}
END_TEST

START_TEST(descriptors_are_not_inherited)
{
    struct sandbox_result r;
    int fd;

    if (!have_sandbox())
        return;
    fd = open("/etc/passwd", O_RDONLY); /* without close-on-exec, on purpose */
    attack("import os\n"
           "open_ones = []\n"
           "for fd in range(3, 256):\n"
           "    try:\n"
           "        os.fstat(fd)\n"
           "        open_ones.append(fd)\n"
           "    except OSError: pass\n"
           "print(open_ones)",
           &r);
    close(fd);
    saw(&r, "[]");
    sandbox_result_free(&r);
}
END_TEST

/* ---- what it reaches ---- */

/* A server of ours on the loopback of the machine. */
static int listen_here(int *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, n), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

START_TEST(there_is_no_network)
{
    struct sandbox_result r;
    char source[1000];
    int port, fd;

    if (!have_sandbox())
        return;
    fd = listen_here(&port);
    snprintf(
        source, sizeof source,
        "import socket\n"
        "reached = 0\n"
        "for a in (('127.0.0.1', %d), ('8.8.8.8', 53), ('10.0.0.1', 80)):\n"
        "    try:\n"
        "        socket.create_connection(a, 0.3)\n"
        "        reached += 1\n"
        "    except OSError: pass\n"
        "try:\n"
        "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    s.sendto(b'x', ('8.8.8.8', 53))\n"
        "    reached += 1\n"
        "except OSError: pass\n"
        "print(reached, [n for _, n in socket.if_nameindex()])",
        port);
    attack(source, &r);
    close(fd);
    saw(&r, "0 ['lo']");
    sandbox_result_free(&r);
}
END_TEST

START_TEST(other_processes_are_out_of_reach)
{
    struct sandbox_result r;
    char source[800];

    if (!have_sandbox())
        return;
    snprintf(source, sizeof source,
             "import os, signal\n"
             "hit = []\n"
             "for pid in [%d, %d] + list(range(3, 3000)):\n"
             "    if pid == os.getpid(): continue\n"
             "    try:\n"
             "        os.kill(pid, signal.SIGTERM)\n"
             "        hit.append(pid)\n"
             "    except OSError: pass\n"
             "print(hit)",
             (int)getpid(), (int)getppid());
    attack(source, &r);
    saw(&r, "[]");
    sandbox_result_free(&r);
}
END_TEST

START_TEST(dangerous_calls_are_refused)
{
    struct sandbox_result r;

    if (!have_sandbox())
        return;
    /* ptrace of the parent, unshare, mount, keyctl, bpf, perf, clone3 */
    attack(
        "import ctypes, errno\n"
        "c = ctypes.CDLL(None, use_errno=True)\n"
        "def call(*a):\n"
        "    ctypes.set_errno(0)\n"
        "    return c.syscall(*a) < 0 and errno.errorcode[ctypes.get_errno()]\n"
        "import os, platform\n"
        "x86 = platform.machine() == 'x86_64'\n"
        "n = dict(ptrace=101, unshare=272, mount=165, keyctl=250, bpf=321,\n"
        "         perf=298, setns=308) if x86 else \\\n"
        "    dict(ptrace=117, unshare=97, mount=40, keyctl=219, bpf=280,\n"
        "         perf=241, setns=268)\n"
        "print(call(n['ptrace'], 16, os.getppid(), 0, 0),\n"
        "      call(n['unshare'], 0x10000000), call(n['mount'], 0, 0, 0, 0, 0),\n"
        "      call(n['keyctl'], 0, 0, 0), call(n['bpf'], 0, 0, 0),\n"
        "      call(n['perf'], 0, 0, 0, 0, 0), call(n['setns'], 0, 0),\n"
        "      call(435, 0, 0))",
        &r);
    saw(&r, "EPERM EPERM EPERM EPERM EPERM EPERM EPERM ENOSYS");
    sandbox_result_free(&r);
}
END_TEST

START_TEST(nothing_outside_can_be_written)
{
    struct sandbox_result r;
    char outside[100], source[1200];

    if (!have_sandbox())
        return;
    snprintf(outside, sizeof outside, "/tmp/.mokao-written-%d", (int)getpid());
    snprintf(
        source, sizeof source,
        "import os\n"
        "wrote = []\n"
        "for p in ('/x', '/usr/x', '/usr/bin/python3', '/box/main.py',\n"
        "          '/box/x', '/dev/x', '/dev/shm/x', '/etc/x', '/lib/x'):\n"
        "    try:\n"
        "        open(p, 'w')\n"
        "        wrote.append(p)\n"
        "    except OSError: pass\n"
        "    try:\n"
        "        os.chmod(p, 0o777)\n"
        "        wrote.append(p)\n"
        "    except OSError: pass\n"
        "open('%s', 'w').write('x')\n"
        "print(wrote)",
        outside);
    attack(source, &r);
    saw(&r, "[]");
    ck_assert_msg(!io_exists(outside), "its /tmp is ours");
    sandbox_result_free(&r);
}
END_TEST

/* ---- what it uses up ---- */

static int64_t run_ms(const char *source, struct sandbox_result *r)
{
    int64_t start = io_now_ns();

    attack(source, r);
    return (io_now_ns() - start) / 1000000;
}

START_TEST(fork_bombs_stay_small)
{
    struct sandbox_result r;

    if (!have_sandbox())
        return;
    attack("import os, time\n"
           "n = 0\n"
           "try:\n"
           "    for i in range(1000):\n"
           "        if os.fork() == 0:\n"
           "            time.sleep(60)\n"
           "        n += 1\n"
           "except OSError: pass\n"
           "print(n < 20)",
           &r);
    ck_assert_int_eq(r.end, SANDBOX_EXITED);
    saw(&r, "True");
    sandbox_result_free(&r);
    /* all of them multiply; the clock ends it, and nothing is left */
    ck_assert_int_lt(run_ms("import os\n"
                            "while True:\n"
                            "    try: os.fork()\n"
                            "    except OSError: pass",
                            &r),
                     30000);
    ck_assert_int_eq(r.end, SANDBOX_TIME);
    sandbox_result_free(&r);
}
END_TEST

START_TEST(what_stays_behind_is_killed)
{
    struct sandbox_result r;

    if (!have_sandbox())
        return;
    /* A daemon that holds nothing of ours, and one that holds stdout. */
    ck_assert_int_lt(run_ms("import os, time\n"
                            "for close in (True, False):\n"
                            "    if os.fork() == 0:\n"
                            "        os.setsid()\n"
                            "        if close:\n"
                            "            os.close(1); os.close(2)\n"
                            "        time.sleep(300)\n"
                            "print('left')",
                            &r),
                     20000);
    saw(&r, "left");
    sandbox_result_free(&r);
}
END_TEST

START_TEST(the_disk_is_not_filled)
{
    struct sandbox_result r;

    if (!have_sandbox())
        return;
    attack("n = 0\n"
           "try:\n"
           "    for i in range(100):\n"
           "        f = open('/tmp/f%d' % i, 'wb', buffering=0)\n"
           "        n += f.write(bytes(1 << 20))\n"
           "except OSError as x: print(x.errno)\n"
           "print(n <= 8 << 20)",
           &r);
    saw(&r, "28\nTrue"); /* ENOSPC */
    sandbox_result_free(&r);
}
END_TEST

START_TEST(memory_is_limited)
{
    struct sandbox_result r;

    if (!have_sandbox())
        return;
    attack("x = []\n"
           "try:\n"
           "    while True: x.append(bytearray(1 << 20))\n"
           "except MemoryError:\n"
           "    n = len(x)\n"
           "    del x\n"
           "    print(n < 128)",
           &r);
    saw(&r, "True");
    sandbox_result_free(&r);
}
END_TEST

START_TEST(output_is_cut)
{
    struct sandbox_result r;

    if (!have_sandbox())
        return;
    attack("while True: print('x' * 1000)", &r);
    ck_assert_int_eq(r.end, SANDBOX_OUTPUT);
    ck_assert_uint_eq(r.out.n, 100000);
    sandbox_result_free(&r);
    attack("import sys\nwhile True: sys.stderr.write('x' * 1000)", &r);
    ck_assert_int_eq(r.end, SANDBOX_OUTPUT);
    sandbox_result_free(&r);
}
END_TEST

START_TEST(endless_programs_end)
{
    struct sandbox_result r;

    if (!have_sandbox())
        return;
    ck_assert_int_lt(run_ms("while True: pass", &r), 20000);
    ck_assert_int_eq(r.end, SANDBOX_TIME);
    sandbox_result_free(&r);
    /* without using the processor, and deaf to signals */
    ck_assert_int_lt(run_ms("import signal, time\n"
                            "for s in range(1, 32):\n"
                            "    try: signal.signal(s, signal.SIG_IGN)\n"
                            "    except (OSError, ValueError): pass\n"
                            "while True: time.sleep(100)",
                            &r),
                     20000);
    ck_assert_int_eq(r.end, SANDBOX_TIME);
    sandbox_result_free(&r);
}
END_TEST

START_TEST(a_missing_program_is_told)
{
    static const char *const argv[] = { "/usr/bin/no-such-program", NULL };
    struct sandbox_job job = { .argv = argv,
                               .cpu_s = 1,
                               .memory_mb = 64,
                               .processes = 8,
                               .disk_mb = 1,
                               .output_max = 1000 };
    struct sandbox_result r;
    struct err e;

    sandbox_result_init(&r);
    ck_assert_int_eq(sandbox_run(&job, &r, &e), ERR_NOENV);
    ck_assert_ptr_nonnull(strstr(e.msg, "no sandbox to run code in"));
    sandbox_result_free(&r);
}
END_TEST

/* ---- the matcher ---- */

static bool same(const struct json *want, const char *got)
{
    return !want || !strcmp(json_string(want), got);
}

static bool case_passes(const struct json *c, size_t number)
{
    struct match_in in = {
        .expected = json_get(c, "expected"),
        .options = json_get(c, "options"),
        .response = str_of(json_string(json_get(c, "response"))),
    };
    const char *verdict = json_string(json_get(c, "verdict"));
    const struct json *score = json_get(c, "score");
    struct match_out out;
    struct arena a;
    struct err e;
    bool fine;

    /* "name" is what a suite's matcher has and a case leaves out */
    arena_init(&a, 0);
    t_ok(match_code.check(&in, &e), &e);
    t_ok(match_code.run(&in, &a, &out, &e), &e);
    ck_assert_uint_le(out.span_at + out.span_len, in.response.n);
    fine = !strcmp(verdict, verdict_name(out.verdict)) &&
           same(json_get(c, "rule"), out.rule) &&
           (!score || fabs(json_number(score) - out.score) < 1e-9);
    if (!fine)
        fprintf(stderr, "code.jsonl:%zu: got %s by \"%s\" (%g), expected %s\n",
                number, verdict_name(out.verdict), out.rule, out.score,
                verdict);
    arena_free(&a);
    return fine;
}

START_TEST(code_reads_labelled_answers)
{
    struct io_lines l = { .number = 0 };
    size_t n = 0, failed = 0;
    struct buf b;

    if (!have_sandbox())
        return;
    buf_init(&b, 1 << 24);
    t_read("tests/golden/match/code.jsonl", &b);
    l.rest = buf_view(&b);
    while (io_next_line(&l)) {
        struct json *c;
        struct err e;
        if (!str_trim(l.line).n || (quick() && l.number % 4 != 1))
            continue;
        t_ok(json_parse(&c, l.line, &e), &e);
        failed += !case_passes(c, l.number);
        n++;
        json_free(c);
    }
    buf_free(&b);
    ck_assert_msg(!failed, "%zu of %zu cases", failed, n);
    ck_assert_uint_ge(n, quick() ? 8 : 40);
}
END_TEST

START_TEST(check_says_what_is_wrong)
{
    static const struct {
        const char *item, *msg;
    } cases[] = {
        { "{\"expected\":{\"test\":\"x\"},\"options\":{}}",
          "language: missing, expected a string" },
        { "{\"expected\":{\"test\":\"x\"},\"options\":{\"language\":\"perl\"}}",
          "language: expected python, c or c++, got \"perl\"" },
        { "{\"expected\":\"x\",\"options\":{\"language\":\"c\"}}",
          "answer: expected an object with test, asserts or cases" },
        { "{\"expected\":{},\"options\":{\"language\":\"c\"}}",
          "answer: expected one of test, asserts, cases in it" },
        { "{\"expected\":{\"asserts\":[\"x\"]},\"options\":{\"language\":"
          "\"c\"}}",
          "answer: asserts: only for python" },
        { "{\"expected\":{\"cases\":[{\"in\":\"x\"}]},\"options\":{"
          "\"language\":\"c\"}}",
          "answer: cases: out: missing, expected a string" },
        { "{\"expected\":{\"test\":\"x\"},\"options\":{\"language\":\"c\","
          "\"link\":[\"../x\"]}}",
          "link: expected names such as \"crypto\"" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct match_in in = { .expected = NULL };
        struct json *j;
        struct err e;

        t_ok(json_parse(&j, str_of(cases[i].item), &e), &e);
        in.expected = json_get(j, "expected");
        in.options = json_get(j, "options");
        ck_assert_int_eq(match_code.check(&in, &e), ERR_FORMAT);
        ck_assert_str_eq(e.msg, cases[i].msg);
        json_free(j);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_test(tc, a_program_runs);
    tcase_add_test(tc, secret_files_are_out_of_sight);
    tcase_add_test(tc, the_environment_is_empty);
    tcase_add_test(tc, descriptors_are_not_inherited);
    tcase_add_test(tc, there_is_no_network);
    tcase_add_test(tc, other_processes_are_out_of_reach);
    tcase_add_test(tc, dangerous_calls_are_refused);
    tcase_add_test(tc, nothing_outside_can_be_written);
    tcase_add_test(tc, fork_bombs_stay_small);
    tcase_add_test(tc, what_stays_behind_is_killed);
    tcase_add_test(tc, the_disk_is_not_filled);
    tcase_add_test(tc, memory_is_limited);
    tcase_add_test(tc, output_is_cut);
    tcase_add_test(tc, endless_programs_end);
    tcase_add_test(tc, a_missing_program_is_told);
    tcase_add_test(tc, code_reads_labelled_answers);
    tcase_add_test(tc, check_says_what_is_wrong);
}

T_MAIN("exec", setup)
