#!/bin/sh
# Installs what is missing from Debian's packages; says what and why; does
# nothing when all is there.   deps.sh [lint|all]
set -u
missing=''

# need PACKAGE WHY TEST...: the package is missing when the test fails.
need() {
    package=$1 why=$2
    shift 2
    "$@" >/dev/null 2>&1 && return
    echo "missing: $package ($why)"
    missing="$missing $package"
}
have() { command -v "$1"; }
lib() { pkg-config --exists "$1"; }
header() { [ -e "/usr/include/$1" ]; }
debian() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

need gcc "the compiler" have cc
need libc6-dev "the C library's headers" header stdio.h
need pkg-config "finds the libraries" have pkg-config
need libsqlite3-dev "the results database" lib sqlite3
need libcjson-dev "JSON" lib libcjson
need libpcre2-dev "regular expressions" lib libpcre2-8
need libutf8proc-dev "Unicode" lib libutf8proc
need libopencc-dev "Traditional to Simplified" lib opencc
need libgmp-dev "exact arithmetic of answers" lib gmp
need libmpfr-dev "values of mathematical answers" lib mpfr
need libssl-dev "SHA-256, signatures" lib openssl
need libcurl4-openssl-dev "remote models" lib libcurl
need libmicrohttpd-dev "mokao serve" lib libmicrohttpd
need zlib1g-dev "benchmarks packed with gzip" lib zlib
need libarchive-dev "logs of inspect_ai" lib libarchive
need check "the unit tests" lib check
need opencc "the list of phrases that a test compares folding with" have opencc_dict
need curl "the tests of mokao serve" have curl
need bubblewrap "the sandbox of the code matcher" have bwrap
need g++ "programs in C++ of the code matcher" have g++
need gnuplot-nox "plots" have gnuplot
need fonts-noto-cjk "Chinese labels of plots" debian fonts-noto-cjk
need sqlite3 "looking into the database" have sqlite3
need time "memory in make bench" have /usr/bin/time
need python3 "mock vendors of the tests" have python3
need python3-jieba "dictionary of Chinese words" debian python3-jieba
need openssl "certificates of the tests" have openssl
need python3-pip "fetching the demo's models" python3 -m pip --version
# Where systemd runs the package starts a proxy on port 3000: not unasked.
[ -d /run/systemd/system ] && [ "${1:-}" != all ] ||
    need nghttp2-proxy "HTTP/2 in the tests" test -x /usr/sbin/nghttpx
case ${1:-} in lint | all)
    need clang "the second compiler, fuzzing" have clang
    need clang-format "layout" have clang-format
    need clang-tidy "static analysis" have clang-tidy
    need cppcheck "static analysis" have cppcheck
    need mandoc "checks the manual" have mandoc
    need shellcheck "checks the scripts" have shellcheck ;;
esac
case ${1:-} in all)
    need valgrind "memory checks" have valgrind
    need gcovr "coverage" have gcovr
    need libclang-rt-14-dev "sanitizers of clang" debian libclang-rt-14-dev ;;
esac

[ -n "$missing" ] || exit 0
sudo=''
[ "$(id -u)" -eq 0 ] || sudo=sudo
if ! command -v apt-get >/dev/null; then
    echo "no apt-get here: install the equivalents of:$missing"
    exit 4
fi
echo "installing:$missing"
# The lists of a fresh machine are empty; only then is an update needed.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing >/dev/null 2>&1 ||
    { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing >/dev/null; } ||
    { echo "could not install:$missing (try: apt-get install$missing)"; exit 4; }
