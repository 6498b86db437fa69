#!/bin/sh
# Layout, layers, warnings of both compilers, clang-tidy, cppcheck, the manual,
# the scripts.  Files or checks named on the command line narrow it.
set -u
bad=0
sh tests/deps.sh lint || exit
files=$(git ls-files --cached --others --exclude-standard -- '*.c' '*.h')
# Test macros expand to code that the checks of size and flow would judge.
sources=$(echo "$files" | grep '\.c$' | grep -v '^tests/')

step() {
    echo "lint: $1"
    shift
    "$@" || { echo "lint: failed: $1"; bad=1; }
}
format() { echo "$files" | xargs clang-format --dry-run --Werror; }
forbidden() { # calls that style.md leaves out
    ! echo "$files" | grep -v '^tests/' |
        xargs grep -nE '\b(strcpy|strcat|sprintf|strtok|atoi|gets|setlocale|alloca)\(' &&
        ! echo "$files" | grep -vE '^(tests/|harness/base/mem\.c)' |
        xargs grep -nE '[^_a-z>.](malloc|calloc|realloc|free|strdup)\('
}
export FLAGS='-std=c11 -D_GNU_SOURCE -I. -DMK_VERSION="0" -DMK_SHARE="x" -I/usr/include/cjson -mavx2 -mfma -mf16c'
tidy() { # the files come before the compiler's flags
    # shellcheck disable=SC2016
    echo "$sources" | xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- $FLAGS 2>/dev/null' _
}
check() {
    # shellcheck disable=SC2086
    echo "$sources" |
        xargs cppcheck --quiet -j 2 --enable=warning,performance,portability,style --inline-suppr \
            --suppress=variableScope --suppress=missingIncludeSystem --suppress=unusedFunction \
            --error-exitcode=1 -D_GNU_SOURCE -I.
}
fuzzers() { # they are built only when they run
    for f in tests/fuzz/*.c; do
        # shellcheck disable=SC2086
        clang -fsyntax-only -std=c11 -Wall -Wextra -Werror $FLAGS "$f" || return
    done
}
manual() { mandoc -T lint -W warning harness/cli/mokao.1; }
scripts() { git ls-files '*.sh' .ci/run | xargs shellcheck -S warning -s sh -e SC1091,SC2089,SC2090; }

step layers sh tests/layers.sh
step format format
step forbidden forbidden
step gcc make -s CI=1 V=debug CC=gcc all tests-built
step clang make -s CI=1 V=clang all tests-built
step fuzzers fuzzers
step manual manual
step scripts scripts
step cppcheck check
step clang-tidy tidy
exit $bad
