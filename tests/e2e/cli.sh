# The command line itself, and the verbs that use the engine without a runner.
. tests/e2e.sh
tiny=tests/golden/tiny/qwen2.gguf
bad=tests/golden/badgguf/bad-magic.gguf
same() { [ "$1" = "$2" ]; }
# A member of the JSON in a file, by SQLite's path.
member() { sqlite3 :memory: "SELECT json_extract(CAST(readfile('$1') AS TEXT), '$2')"; }

# --- main
exits 2 "no verb is wrong usage" "$MOKAO"
says err "Usage: mokao VERB"
exits 0 "--help prints the verbs" "$MOKAO" --help
verbs=$(sed -n 's/^  \([a-z]*\)  *[^ -].*/\1/p' "$TMP/out")
ok "there are a dozen verbs" test "$(echo "$verbs" | wc -l)" -ge 12
ok "verbs are sorted" same "$verbs" "$(echo "$verbs" | sort)"
exits 0 "-h is the same" "$MOKAO" -h
exits 0 "help is the same" "$MOKAO" help
says out "Usage: mokao VERB"
exits 0 "help VERB is VERB --help" "$MOKAO" help report
says out "Usage: mokao report"
exits 2 "help of no verb" "$MOKAO" help nothing
exits 0 "--version" "$MOKAO" --version
says out "mokao 0."
exits 2 "an unknown verb names the nearest" "$MOKAO" genrate
says err 'did you mean "generate"?'
exits 2 "an unknown verb far from all" "$MOKAO" xyzzyplugh
says err "see mokao --help"
exits 2 "an unknown option" "$MOKAO" report rank --nonsense
exits 2 "a number that is none" "$MOKAO" bench -m $tiny -r five
says err "--repetitions: expected a whole number"
exits 4 "a full disk is told" sh -c '"$0" --help >/dev/full' "$MOKAO"
says err "standard output"

# --- help and manual name the same options
options() { "$MOKAO" "$1" --help | sed -n 's/^  *\(-[a-z], *\)\{0,1\}--\([a-z-]*\).*/\2/p' | grep -vx help | sort; }
manual() {
    sed -n "/^\.Ss mokao $1\$/,/^\.S[sh] /p" harness/cli/mokao.1 | sed -n '/^\.It Fl/p' |
        grep -o 'Fl -[a-z-]*' | sed 's/Fl -//' | sort
}
for verb in $(echo "$verbs" | grep -vx help); do
    options "$verb" >"$TMP/help"
    manual "$verb" >"$TMP/manual"
    ok "$verb --help and mokao.1 name the same options" diff "$TMP/help" "$TMP/manual"
    ok "$verb has options" test -s "$TMP/help"
done

# --- words and numbers of options that several verbs have
exits 2 "run --ask knows its words" "$MOKAO" run -m x -s y --ask guess
says err '--ask: expected auto, score or generate, got "guess"'
exits 2 "suite --ask knows the same" "$MOKAO" suite show x --ask guess
says err '--ask: expected auto, score or generate, got "guess"'
exits 2 "run --activations knows its words" "$MOKAO" run -m x -s y --activations q4
says err '--activations: expected q8 or f32, got "q4"'
for verb in "run -s y" "judge --candidate y"; do
    # shellcheck disable=SC2086
    exits 2 "$verb counts threads" "$MOKAO" $verb -m x --threads 0
    says err 'threads: expected a whole number from 1 to 1024, got "0"'
    # shellcheck disable=SC2086
    exits 2 "$verb counts money" "$MOKAO" $verb -m x --budget -1
    says err 'budget: expected a number from 0 to 1e+09, got "-1"'
done

# --- help is golden: GOLDEN=write rewrites it
for verb in $verbs; do
    "$MOKAO" "$verb" --help >"$TMP/help"
    [ "${GOLDEN:-}" = write ] && cp "$TMP/help" "tests/golden/help/$verb.txt"
    ok "$verb --help is as recorded" diff "$TMP/help" "tests/golden/help/$verb.txt"
done

# --- completion
if command -v bash >/dev/null; then
    completes() {
        bash -c '. harness/cli/mokao.bash
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _mokao "$1" "${@: -1}"; printf "%s\n" "${COMPREPLY[@]}"' sh "$MOKAO" "$@"
    }
    ok "completes verbs" same "$(completes rep)" report
    ok "completes options" same "$(completes report --plot-)" --plot-data
    ok "completes kinds of reports" same "$(completes report ma)" matrix
    ok "completes tensor types" same "$(completes quantize a.gguf b.gguf Q6)" Q6_K
    ok "completes formats" same "$(completes report rank --format js)" json
else
    skip "bash is not here"
fi

# --- starts fast (the program as installed, not the instrumented one)
if [ -x ./mokao ]; then
    best=999
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        t0=$(date +%s%N)
        ./mokao --version >/dev/null
        t=$((($(date +%s%N) - t0) / 1000000))
        [ $t -lt $best ] && best=$t
    done
    ok "starts in less than 20 ms ($best)" test "$best" -lt 20
else
    skip "./mokao is not built"
fi

# --- tokenize
exits 0 "tokenize" "$MOKAO" tokenize -m $tiny "Hello 世界"
says out "	"
exits 0 "tokenize from stdin" sh -c 'printf "Hello 世界" | "$0" tokenize -m "$1" --json -' "$MOKAO" $tiny
cp "$TMP/out" "$TMP/a.json"
ok "as many pieces as ids" same "$(member "$TMP/a.json" '$.n')" \
    "$(sqlite3 :memory: "SELECT count(*) FROM json_each(CAST(readfile('$TMP/a.json') AS TEXT), '\$.pieces')")"
exits 2 "text that is no UTF-8" sh -c 'printf "\377" | "$0" tokenize -m "$1" -' "$MOKAO" $tiny
says err "UTF-8"
exits 2 "tokenize without a text" "$MOKAO" tokenize -m $tiny
exits 2 "tokenize without a model" "$MOKAO" tokenize hello

# --- generate: the reference's greedy tokens
json=${tiny%.gguf}.json
ids=$(member "$json" '$.prompt' | tr -d '[]')
exits 0 "generate from ids" "$MOKAO" generate -m $tiny --ids "$ids" -n 16 --activations f32 --logits 3 --json
cp "$TMP/out" "$TMP/g.json"
greedy=$(sqlite3 :memory: "SELECT json_group_array(json_extract(value, '\$.id'))
    FROM json_each(CAST(readfile('$TMP/g.json') AS TEXT), '\$.tokens')")
ok "its greedy tokens are the reference's" same "$greedy" "$(member "$json" '$.greedy')"
ok "finish is told" same "$(member "$TMP/g.json" '$.finish')" length
ok "the first token is the likeliest" same "$(member "$TMP/g.json" '$.top[0].id')" "$(member "$TMP/g.json" '$.tokens[0].id')"
ok "and has its log-probability" same "$(member "$TMP/g.json" '$.top[0].logprob')" "$(member "$TMP/g.json" '$.tokens[0].logprob')"
exits 0 "sampling with a seed" "$MOKAO" generate -m $tiny -p 你好 -n 12 --temperature 1 --seed 7 --json
cp "$TMP/out" "$TMP/s1.json"
exits 0 "again, with other threads" "$MOKAO" generate -m $tiny -p 你好 -n 12 --temperature 1 --seed 7 --json -t 2
cp "$TMP/out" "$TMP/s2.json"
ok "same seed, same tokens" cmp "$TMP/s1.json" "$TMP/s2.json"
exits 0 "another seed" "$MOKAO" generate -m $tiny -p 你好 -n 12 --temperature 1 --seed 8 --json
cp "$TMP/out" "$TMP/s3.json"
ok "other seed, other tokens" sh -c '! cmp -s "$1" "$2"' sh "$TMP/s1.json" "$TMP/s3.json"
exits 0 "a stop string ends it" "$MOKAO" generate -m $tiny --ids "$ids" -n 16 --activations f32 --json --stop um
cp "$TMP/out" "$TMP/stop.json"
ok "with the token that holds it" same "$(member "$TMP/stop.json" '$.finish')" stop
ok "and the text before it" sh -c 'case $1 in *j) ;; *) exit 1 ;; esac' sh "$(member "$TMP/stop.json" '$.text')"
exits 0 "no tokens, only logits" "$MOKAO" generate -m $tiny -p hi -n 0 --logits 4
ok "four lines" same "$(wc -l <"$TMP/out")" 4
exits 2 "two prompts" "$MOKAO" generate -m $tiny -p a -c b
exits 2 "an id beyond the vocabulary" "$MOKAO" generate -m $tiny --ids 999999
says err "--ids: expected numbers from 0 to 511"
exits 2 "ids that are none" "$MOKAO" generate -m $tiny --ids 1,x
exits 4 "a file that is not there" "$MOKAO" generate -m /nonexistent.gguf -p a
says err "/nonexistent.gguf"
exits 2 "a file that is broken" "$MOKAO" generate -m $bad -p a
says err "bad-magic.gguf"
exits 2 "a model that is not known" "$MOKAO" generate -m smolm2-135m -p a
says err "smollm2-135m"

# --- model
exits 0 "model list" "$MOKAO" model list
says out "smollm2-135m"
exits 4 "a models file that is not there" "$MOKAO" model list --models "$TMP/none.json"
exits 0 "model show" "$MOKAO" model show $tiny --tensors
says out "qwen2"
says out "token_embd.weight"
says out "general.architecture"
exits 0 "model show as JSON" "$MOKAO" model show $tiny --json
cp "$TMP/out" "$TMP/show.json"
ok "with the file's size" same "$(member "$TMP/show.json" '$.tables[0].rows[0].file_bytes')" "$(wc -c <$tiny)"
exits 2 "show of a broken file" "$MOKAO" model show $bad
exits 0 "model check" "$MOKAO" model check $tiny
says out "ok"
exits 4 "check goes on after a missing file" "$MOKAO" model check /nonexistent.gguf $tiny
says out "ok"
says err "/nonexistent.gguf"
exits 2 "model without an action" "$MOKAO" model
exits 2 "model with a wrong action" "$MOKAO" model shwo

# --- bench
exits 0 "bench" "$MOKAO" bench -m $tiny -p 8,16 -n 4 -r 2 -t 1,2 --json
cp "$TMP/out" "$TMP/bench.json"
rows() { sqlite3 :memory: "SELECT count(*) FROM json_each(CAST(readfile('$TMP/bench.json') AS TEXT), '\$.tables[0].rows') WHERE $1"; }
ok "a row for each test and thread count" same "$(rows 1)" 6
ok "speeds are in order" same "$(rows "json_extract(value, '\$.tokens_s_min') > 0 AND
    json_extract(value, '\$.tokens_s_min') <= json_extract(value, '\$.tokens_s_median') AND
    json_extract(value, '\$.tokens_s_median') <= json_extract(value, '\$.tokens_s_max')")" 6
ok "memory and bandwidth are measured" same "$(rows "json_extract(value, '\$.peak_bytes') > 0 AND
    json_extract(value, '\$.memory_gb_s') > 0")" 6
ok "decoding has a share of it" same "$(rows "json_extract(value, '\$.share_percent') > 0")" 2
exits 0 "bench as CSV" "$MOKAO" bench $tiny -p 0 -n 2 -r 1 -t 1 -o csv
ok "a heading and a row" same "$(wc -l <"$TMP/out")" 2
exits 4 "bench of no file" "$MOKAO" bench -m /nonexistent.gguf
finish
