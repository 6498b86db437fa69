#!/bin/sh
# Runs every test program and end-to-end script, prints one closing line.
#   run.sh quick|full BUILD_DIR
set -u
mode=$1 dir=$2 passed=0 failed=0 skipped=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
export MOKAO="$PWD/$dir/mokao" MOKAO_TEST_MODE="$mode"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1}" UBSAN_OPTIONS=print_stacktrace=1

count() { # adds the closing line of $log, or one result for a script without one
    line=$(grep -E '[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    if [ -n "$line" ]; then
        passed=$((passed + $(echo "$line" | sed 's/.*[^0-9]\([0-9]*\) passed.*/\1/')))
        failed=$((failed + $(echo "$line" | sed 's/.* \([0-9]*\) failed.*/\1/')))
        n=$(echo "$line" | sed -n 's/.* \([0-9]*\) skipped.*/\1/p')
        skipped=$((skipped + ${n:-0}))
    elif [ "$1" -ne 0 ]; then
        failed=$((failed + 1))
    fi
    if [ "$1" -ne 0 ] || grep -q '^SKIP' "$log"; then
        grep -vE '^[0-9]+%: Checks' "$log"
    else
        tail -n 1 "$log"
    fi
    if [ "$1" -ne 0 ] && [ -n "$line" ] && echo "$line" | grep -q ' 0 failed'; then
        failed=$((failed + 1)) # died after its closing line: a leak, say
        echo "FAILED: $2 exited with $1"
    fi
}

for t in "$dir"/tests/t_*; do
    case $t in *.o | *.d) continue ;; esac
    "$t" >"$log" 2>&1
    count $? "$t"
done
for s in tests/e2e/*.sh; do
    [ -e "$s" ] || continue
    sh "$s" >"$log" 2>&1
    count $? "$s"
done
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
