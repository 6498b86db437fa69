# A whole run on a tiny model: store, resume, interrupt, kill, record, replay.
. tests/e2e.sh
model=gguf:tests/golden/tiny/qwen2.gguf
suites='-s logic -s dialogue'
ask="--completion --max-tokens 6 --threads 1"
db=$TMP/a.db
# Everything that a run stores, but for times and row numbers.
content() {
    sqlite3 "$1" "SELECT m.fingerprint, i.digest, p.hash, g.hash, s.turn, s.trial, r.text, r.logprobs, r.finish,
        r.prompt_tokens, r.output_tokens, c.verdict, c.score, c.extracted, c.rule, c.matcher
        FROM sample s JOIN model m ON m.pk = s.model JOIN item i ON i.pk = s.item JOIN prompt p ON p.pk = s.prompt
        JOIN params g ON g.pk = s.params LEFT JOIN response r ON r.sample = s.pk LEFT JOIN score c ON c.sample = s.pk
        ORDER BY 1, 2, 5, 6"
}
count() { sqlite3 "$1" "SELECT count(*) FROM response"; }
same() { [ "$1" = "$2" ]; }

# shellcheck disable=SC2086
run() { "$MOKAO" run -m $model $suites $ask "$@"; }

exits 0 "a run ends well" run --db "$db"
n=$(count "$db")
ok "every turn has a response" test "$n" -gt 50
exits 0 "a second run asks nothing" run --db "$db"
says out "0 answered"
ok "and stores nothing" same "$(count "$db")" "$n"
content "$db" >"$TMP/want"

exits 0 "threads change nothing" run --db "$TMP/t.db" --threads 3 --concurrency 1
content "$TMP/t.db" >"$TMP/got"
ok "same bits with 3 threads, one request at a time" cmp "$TMP/want" "$TMP/got"

# Killed at random moments, resumed, and in the end the same.
k=0
rm -f "$TMP/k.db"
while [ $k -lt 20 ]; do
    # shellcheck disable=SC2086
    "$MOKAO" run -m $model $suites $ask --db "$TMP/k.db" >/dev/null 2>&1 &
    pid=$!
    sleep "0.$(awk "BEGIN { srand($k); printf \"%03d\", rand() * 400 + 20 }")"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    k=$((k + 1))
done
exits 0 "resumes after 20 kills" run --db "$TMP/k.db"
content "$TMP/k.db" >"$TMP/got"
ok "same content as without kills" cmp "$TMP/want" "$TMP/got"
ok "the database is sound" same "$(sqlite3 "$TMP/k.db" 'PRAGMA integrity_check')" ok

# Interrupted: what is finished is stored, exit status 130.
# shellcheck disable=SC2086
(exec "$MOKAO" run -m $model $suites $ask --trials 50 --temperature 1 --db "$TMP/i.db" >"$TMP/out" 2>"$TMP/err") &
pid=$!
for _ in $(seq 300); do # until the first answers are stored
    [ "$(count "$TMP/i.db" 2>/dev/null || echo 0)" -gt 0 ] 2>/dev/null && break
    sleep 0.1
done
kill -INT $pid
wait $pid
ok "interrupted runs exit with 130" same $? 130
ok "and keep what was answered" test "$(count "$TMP/i.db")" -gt 0

exits 0 "dialogues turn by turn" "$MOKAO" report turns --db "$db" --format csv
says out "qwen2,dialogue,2,"
says out "qwen2,dialogue,全对,"

exits 3 "prompts longer than the context fail alone" run --db "$TMP/l.db" --context 64
ok "with their reason" same "$(sqlite3 "$TMP/l.db" "SELECT DISTINCT code FROM failure")" LIMIT

exits 0 "records" run --db "$TMP/r.db" --record "$TMP/r.jsonl"
# shellcheck disable=SC2086
exits 0 "replays without a model" "$MOKAO" run -m "replay:$TMP/r.jsonl" $suites $ask --db "$TMP/r.db"
ok "to the same verdicts" same "$(sqlite3 "$TMP/r.db" "SELECT count(*) FROM (SELECT item, turn, verdict
    FROM sample_scores GROUP BY suite, item, turn HAVING min(verdict) <> max(verdict))")" 0

exits 2 "unknown models are named" "$MOKAO" run -m smolm2-135m -s logic --db "$TMP/x.db"
says err 'did you mean "smollm2-135m"'
exits 2 "unknown suites are named" "$MOKAO" run -m $model -s logik --db "$TMP/x.db"
says err 'logic'
exits 4 "missing files" "$MOKAO" run -m gguf:none.gguf -s logic --db "$TMP/x.db"
exits 2 "files that are no GGUF" "$MOKAO" run -m gguf:README.md -s logic --db "$TMP/x.db"
printf 'PRAGMA user_version = 999;' | sqlite3 "$TMP/r.db"
exits 2 "newer databases are left alone" run --db "$TMP/r.db"
finish
