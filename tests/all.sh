#!/bin/sh
# make test-all: after `make test`, what takes longer.
set -u
bad=0
sh tests/deps.sh all || exit
# Without its checks of undefined values: PCRE2 compiled by its JIT trips them.
echo "== valgrind over the unit tests"
make V=debug all tests-built || exit
for t in build/debug/tests/t_*; do
    case $t in *.o | *.d | *t_real) continue ;; esac
    CK_FORK=no MOKAO_TEST_MODE=quick valgrind -q --undef-value-errors=no --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$t" \
        >build/valgrind.log 2>&1 || { echo "valgrind: $t"; tail -n 30 build/valgrind.log; bad=1; }
done
echo "== thread sanitizer"
make V=tsan build/tsan/tests/t_pool build/tsan/tests/t_jobs build/tsan/tests/t_serve build/tsan/mokao || exit
for t in build/tsan/tests/t_pool build/tsan/tests/t_jobs build/tsan/tests/t_serve; do "$t" || bad=1; done
MOKAO=$PWD/build/tsan/mokao sh tests/e2e/run.sh || bad=1
MOKAO=$PWD/build/tsan/mokao sh tests/e2e/serve.sh || bad=1
echo "== fuzzing, ${FUZZ_SECONDS:-60} s each"
for f in tests/fuzz/fuzz_*.c; do
    make -s fuzz T="$(basename "$f" .c | sed s/fuzz_//)" S="${FUZZ_SECONDS:-60}" >build/fuzz.log 2>&1 ||
        { echo "fuzz: $f"; tail -n 30 build/fuzz.log; bad=1; }
done
exit $bad
