# A run of remote models that is interrupted, killed or hurried: what was
# answered and stored is never asked again.  The API is tests/bench/fake_api.
. tests/e2e.sh
api=$(dirname "$MOKAO")/tests/bench/fake_api
[ -x "$api" ] || { skip "$api is not built: make check"; finish; }
python3 --version >/dev/null 2>&1 || { skip "no python3"; finish; }
export OPENAI_API_KEY=sk-mock-signals-0123456789
same() { [ "$1" = "$2" ]; }
less() { [ "$1" -le "$2" ]; }
sql() { sqlite3 "$TMP/a.db" "$1"; }

# serve DELAY_MS: an API; its port in $port
serve() {
    rm -f "$TMP/api"
    "$api" "$1" 100 >"$TMP/api" &
    pid=$!
    port=
    for _ in $(seq 100); do
        port=$(head -n 1 "$TMP/api" 2>/dev/null)
        [ -n "$port" ] && return
        sleep 0.2
    done
}
# Ends it; how many requests it answered in $asked.
unserve() {
    kill "$pid"
    wait "$pid"
    asked=$(sed -n 's/ answered.*//p' "$TMP/api")
}
# run C ARGS...: a run with C in flight, in the background; its id in $runner
run() {
    c=$1
    shift
    "$MOKAO" run --ask generate --concurrency "$c" -m "openai:http://127.0.0.1:$port/v1#m" -s "$TMP/s" \
        --db "$TMP/a.db" "$@" >"$TMP/run" 2>"$TMP/run.err" &
    runner=$!
}
ended() { # CODE NAME: the run in the background must end with it
    wait "$runner"
    code=$?
    ok "$2: exits $1" same "$code" "$1"
    ok "$2: nothing found by a sanitizer" sh -c "! grep -q 'Sanitizer\|runtime error' '$TMP/run.err'"
}
until_asked() { # waits until the first request has come, and a little more
    for _ in $(seq 200); do
        grep -q asked "$TMP/api" && break
        sleep 0.1
    done
    sleep 0.3
}
until_stored() { # N: waits until so many answers are stored
    for _ in $(seq 100); do
        n=$(sql "SELECT count(*) FROM response" 2>/dev/null)
        [ "${n:-0}" -ge "$1" ] && return
        sleep 0.1
    done
}
clean() { rm -f "$TMP/a.db"*; }

# --- a thousand instant answers: little time, little memory
python3 tests/mock/suite.py "$TMP/s" 1000
serve 0
run 16 --json
ended 0 "instant answers"
unserve
ok "each item is asked once" same "$asked" 1000
ok "all are stored" same "$(sql 'SELECT count(*) FROM response')" 1000

# --- kill -9 with 16 in flight: at most those are asked twice
clean
serve 100
run 16
until_stored 100
kill -9 "$runner"
wait "$runner" 2>/dev/null
stored=$(sql "SELECT count(*) FROM response")
ok "the database is whole after kill -9" same "$(sql 'PRAGMA integrity_check')" ok
unserve
first=$asked
ok "some were stored, not all" less 100 "$stored"
serve 0
run 16
ended 0 "resumed after kill -9"
unserve
ok "what was stored is not asked again" same "$asked" $((1000 - stored))
ok "at most a commit group and what was in flight was asked twice" less $((first + asked)) $((1000 + 64 + 32))
ok "every item has one answer" same "$(sql 'SELECT count(DISTINCT sample), count(*) FROM response')" "1000|1000"
ok "the tokens are whole" same "$(sql 'SELECT sum(prompt_tokens), sum(output_tokens) FROM response')" "60000|4000"
ok "every latency is there" same "$(sql 'SELECT count(*) FROM response WHERE latency_ns > 0')" 1000

# --- Ctrl-C, SIGTERM with a thousand in flight: what is under way is finished
for signal in INT TERM; do
    clean
    serve 1500
    run 1000
    until_asked
    kill -s $signal "$runner"
    ended 130 "SIG$signal"
    unserve
    ok "SIG$signal: what was answered is stored" same "$(sql 'SELECT count(*) FROM response')" "$asked"
done
stored=$asked
ok "SIGTERM: something was under way" less 1 "$stored"
serve 0
run 1000
ended 0 "resumed after SIGTERM"
unserve
ok "only the rest is asked" same "$asked" $((1000 - stored))

# --- twice: at once
clean
serve 60000
run 1000
until_asked
kill -s INT "$runner"
sleep 0.5
kill -s INT "$runner"
ended 130 "a second signal stops at once"
unserve
ok "nothing was answered, nothing is stored" same "$(sql 'SELECT count(*) FROM response')" 0
ok "and nothing counts as failed" same "$(sql 'SELECT count(*) FROM failure')" 0

# --- several models of one key at the same time
clean
serve 300
start=$(date +%s%N)
"$MOKAO" run --ask generate --concurrency 50 --limit 100 -s "$TMP/s" --db "$TMP/a.db" --json \
    -m "openai:http://127.0.0.1:$port/v1#a" -m "openai:http://127.0.0.1:$port/v1#b" \
    -m "openai:http://127.0.0.1:$port/v1#c" -m "openai:http://127.0.0.1:$port/v1#d" >"$TMP/run" 2>"$TMP/run.err"
ok "four models at once" same "$?" 0
took=$((($(date +%s%N) - start) / 1000000))
unserve
ok "each is asked everything" same "$asked" 400
ok "they were in flight together" sh -c "[ $(sed -n 's/.*answered, \([0-9]*\) at once.*/\1/p' "$TMP/api") -gt 50 ]"
echo "four models, 100 items each, 50 in flight: $took ms"

# --- the key is nowhere
ok "no key in the database or the output" sh -c "! grep -a sk-mock-signals '$TMP/a.db' '$TMP/run' '$TMP/run.err'"
finish
