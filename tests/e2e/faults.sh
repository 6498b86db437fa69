# What vendors and networks do wrong: nothing is lost, double, or counted as
# wrong; a run that faults have ended is completed by a second one.
. tests/e2e.sh
. tests/mock.sh
full=$([ "${MOKAO_TEST_MODE:-full}" = quick ] || echo yes)
same() { [ "$1" = "$2" ]; }
judge() { python3 tests/mock/judge.py "$@"; }
sql() { sqlite3 "$1" "$2"; }
python3 tests/mock/suite.py "$TMP/s2" 2
python3 tests/mock/suite.py "$TMP/s6" 6
python3 tests/mock/suite.py "$TMP/s1000" 1000
mock "$TMP/m"

# The fault matrix: each misbehaviour is a model, every second item meets it,
# once or for ever; then all is well again and the same command goes on.
matrix() { # matrix ROW HOW_LONG HOW GROUP FIRST|SECOND
    matrix_name=$1-$2-$3-$4 matrix_more='--timeout 60'
    [ "$4" != waits ] || matrix_more='--timeout 2'
    [ "$3" = whole ] || matrix_more="$matrix_more --stream"
    models=$(judge table "$TMP/m" "$1" "$2" "$3" "$4")
    # shellcheck disable=SC2086
    "$MOKAO" run $models --models "$TMP/m/$matrix_name.json" -s "$TMP/s$(items "$4")" --db "$TMP/$matrix_name.db" \
        --ask generate --rpm 100000 --tpm 100000000 --retries 1 $matrix_more \
        >"$TMP/$matrix_name.$5.out" 2>"$TMP/$matrix_name.$5.err"
    echo $? >"$TMP/$matrix_name.$5.rc"
}
items() {
    if [ "$1" = huge ] || [ -z "$full" ]; then echo 2; else echo 6; fi
}
waves='openai-once-stream-most openai-once-whole-waits iflytek_spark_ws-once-stream-most'
[ -z "$full" ] || waves="$waves openai-once-whole-most openai-always-stream-most openai-always-whole-most
    openai-always-whole-waits openai-once-stream-huge iflytek_spark_ws-always-stream-most
    openai-once-stream-waits openai-always-stream-waits
    iflytek_spark_ws-once-stream-waits iflytek_spark_ws-always-stream-waits
    openai-always-whole-huge iflytek_spark_ws-always-stream-huge"
for turn in first second; do
    for group in most waits huge; do
        pids=''
        for r in $waves; do
            case $r in *-$group) ;; *) continue ;; esac
            # shellcheck disable=SC2046
            matrix $(echo "$r" | tr - ' ') $turn &
            pids="$pids $!"
        done
        # Without a number it would wait for the mock too.
        # shellcheck disable=SC2086
        [ -z "$pids" ] || wait $pids
    done
    for r in $waves; do
        want=3
        case $turn-$r in second-* | *-once-*-waits | *-once-*-huge) want=0 ;; esac
        got=$(cat "$TMP/$r.$turn.rc")
        ok "$r: the $turn run exits with $want" same "$got" "$want"
        [ "$got" -le 3 ] || cat "$TMP/$r.$turn.err"
        # shellcheck disable=SC2046
        set -- $(echo "$r" | tr - ' ')
        ok "$r: what the $turn run stored" judge $turn "$TMP/m" "$TMP/$r.db" "$(items "$4")" "$@"
    done
    kill -USR1 $mock_pid # all is well from now on
done
no_leak "no key in databases and messages" "$TMP"/*.db "$TMP"/*.err "$TMP"/*.out "$TMP/m/log"
ok "nobody went to another host" same "$(grep -c '"row": "thief"' "$TMP/m/log")" 0
mock_stop

# A thousand items and one model; --models and the rest in $ask.
x_exec=''
one() { # one ROW NAME: the model x, its address this mock's
    judge model "$TMP/m" "$1" "$2" "$TMP/x.json"
}
x() { # x DB OPTION...: (x ...) & is the program itself
    x_db=$1
    shift
    $x_exec "$MOKAO" run -m x --models "$TMP/x.json" -s "$TMP/s1000" --db "$x_db" --ask generate --rpm 1000000 --tpm 1000000000 "$@"
}
count() { sql "$1" "SELECT count(*) FROM response"; }
rm -rf "$TMP/m"
mock "$TMP/m" --only openai,moonshot

until_asked() { # until_asked N: the mock has got N requests; not for ever
    waited=0
    while [ "$(grep -c '"try"' "$TMP/m/log")" -lt "$1" ] && [ $waited -lt 600 ]; do
        sleep 0.05
        waited=$((waited + 1))
    done
}

# 50 of 1000 are refused for good, half of them by a filter.
one moonshot mock~400~every40~times0~filter~every40~rest7~times0
exits 3 "a run with items refused for good ends" x "$TMP/refused.db" --concurrency 64
says out "  the first failure: "
says out " (1 attempt); "
ok "950 answers" same "$(count "$TMP/refused.db")" 950
ok "each refusal in its class" same \
    "$(sql "$TMP/refused.db" "SELECT code, count(*), max(attempts) FROM failure GROUP BY code ORDER BY code")" \
    "$(printf 'FILTERED|25|1\nREJECTED|25|1')"
ok "none counts as wrong" same \
    "$(sql "$TMP/refused.db" "SELECT answered, failed, correct, wrong FROM leaderboard")" "950|50|725|225"

# Killed with 16 in flight: no stored answer is asked again.
: >"$TMP/m/log"
one openai mock~delay20~spread30
k=0
times=$([ -z "$full" ] && echo 2 || echo 5)
while [ $k -lt "$times" ]; do
    (x_exec='exec' x "$TMP/kill.db" --concurrency 16 >/dev/null 2>&1) &
    pid=$!
    until_asked $((170 * (k + 1)))
    kill -9 $pid
    wait $pid
    [ $k -eq 0 ] || ok "what was stored is not asked again" judge unasked "$TMP/m" "$TMP/kill.db" "$TMP/kept"
    judge keep "$TMP/m" "$TMP/kill.db" "$TMP/kept"
    k=$((k + 1))
done
n=$(count "$TMP/kill.db")
ok "killed in the middle" test "$n" -gt 100 -a "$n" -lt 1000
exits 0 "a last run completes it" x "$TMP/kill.db" --concurrency 16
ok "it is not asked again" judge unasked "$TMP/m" "$TMP/kill.db" "$TMP/kept"
ok "1000 answers, sums of tokens whole" judge complete "$TMP/m" "$TMP/kill.db" 1000 $((5 * (16 + 64)))
ok "the database is sound" same "$(sql "$TMP/kill.db" 'PRAGMA integrity_check')" ok

# A thousand instant answers cost next to nothing.
one openai mock
exits 0 "1000 instant answers" python3 tests/mock/usage.py "$TMP/used" \
    "$MOKAO" run -m x --models "$TMP/x.json" -s "$TMP/s1000" --db "$TMP/fast.db" --concurrency 64 --ask generate --rpm 1000000
case $MOKAO in
*/asan/* | */tsan/* | */debug/* | */cov/* | */clang/*) skip "CPU and memory: not of this build" ;;
*)
    echo "1000 instant answers: $(cat "$TMP/used") (seconds of CPU, MB)"
    ok "less than a second of CPU" test "$(cut -d. -f1 "$TMP/used")" -lt 1
    ok "less than 30 MB" test "$(sed 's/.* \([0-9]*\)\..*/\1/' "$TMP/used")" -lt 30
    ;;
esac

# Stopped with a thousand in flight: what was answered is stored, the rest follows.
for signal in INT TERM KILL; do
    [ $signal = KILL ] || [ -n "$full" ] || continue
    : >"$TMP/m/log"
    one openai mock~v1~spread2500
    db=$TMP/$signal.db
    (x_exec='exec' x "$db" --concurrency 1000 >"$TMP/out" 2>"$TMP/err") &
    pid=$!
    until_asked 1000
    sleep 0.3
    kill -$signal $pid
    wait $pid
    rc=$?
    case $signal in
    KILL) want=137 ;;
    *) want=130 ;;
    esac
    ok "SIG$signal: exits with $want" same $rc $want
    ok "SIG$signal: a thousand were in flight" same "$(grep -c '"try"' "$TMP/m/log")" 1000
    ok "SIG$signal: something is stored" test "$(count "$db")" -gt 0
    judge keep "$TMP/m" "$db" "$TMP/kept"
    one openai mock~v1~spread2500
    exits 0 "SIG$signal: a second run completes it" x "$db" --concurrency 1000
    ok "SIG$signal: and asks for no stored answer" judge unasked "$TMP/m" "$db" "$TMP/kept"
    ok "SIG$signal: 1000 answers, sums whole" judge complete "$TMP/m" "$db" 1000 1000
done
mock_stop
finish
