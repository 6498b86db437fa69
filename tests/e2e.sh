# Sourced by the scripts in tests/e2e: counts checks, prints the closing line.
# shellcheck shell=sh
set -u
: "${MOKAO:=$PWD/mokao}"
e2e_passed=0 e2e_failed=0 e2e_skipped=0
base=/dev/shm
[ -w "$base" ] || base=/tmp
TMP=$(mktemp -d "$base/mokao-e2e-XXXXXX") || exit 1
trap 'rm -rf "$TMP"' EXIT

# ok NAME COMMAND...: the command must succeed.
ok() {
    e2e_name=$1
    shift
    if "$@" >"$TMP/out" 2>"$TMP/err"; then
        e2e_passed=$((e2e_passed + 1))
    else
        e2e_failed=$((e2e_failed + 1))
        echo "FAILED: $e2e_name: $*"
        sed 's/^/    /' "$TMP/out" "$TMP/err"
    fi
}
# exits N NAME COMMAND...: the command must exit with N; output in $TMP/out, err.
exits() {
    e2e_want=$1 e2e_name=$2
    shift 2
    "$@" >"$TMP/out" 2>"$TMP/err"
    e2e_got=$?
    if [ "$e2e_got" -eq "$e2e_want" ]; then
        e2e_passed=$((e2e_passed + 1))
    else
        e2e_failed=$((e2e_failed + 1))
        echo "FAILED: $e2e_name: exit $e2e_got, expected $e2e_want: $*"
        sed 's/^/    /' "$TMP/out" "$TMP/err"
    fi
}
# says FILE TEXT: out or err of the last command must contain the text.
says() {
    if grep -qF -- "$2" "$TMP/$1"; then
        e2e_passed=$((e2e_passed + 1))
    else
        e2e_failed=$((e2e_failed + 1))
        echo "FAILED: $e2e_name: std$1 lacks \"$2\":"
        sed 's/^/    /' "$TMP/$1"
    fi
}
skip() {
    echo "SKIP: $*"
    e2e_skipped=$((e2e_skipped + 1))
}
finish() {
    echo "$(basename "$0" .sh): $e2e_passed passed, $e2e_failed failed, $e2e_skipped skipped"
    [ "$e2e_failed" -eq 0 ]
    exit $?
}
