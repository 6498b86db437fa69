# Programs as models: the example of the documentation, records of it, faults.
. tests/e2e.sh
suites='-s logic -s dialogue'
same() { [ "$1" = "$2" ]; }
# Everything that a run stores of its answers, but for times and row numbers.
content() {
    sqlite3 "$1" "SELECT i.digest, p.hash, g.hash, s.turn, s.trial, r.text, r.reasoning, r.logprobs, r.finish, r.margin,
        r.prompt_tokens, r.cached_tokens, r.output_tokens, c.verdict, c.score, c.extracted, c.rule, c.matcher,
        (SELECT group_concat(f.code || f.message) FROM failure f WHERE f.sample = s.pk)
        FROM sample s JOIN item i ON i.pk = s.item JOIN prompt p ON p.pk = s.prompt
        JOIN params g ON g.pk = s.params LEFT JOIN response r ON r.sample = s.pk LEFT JOIN score c ON c.sample = s.pk
        ORDER BY 1, 2, 4, 5"
}

if command -v python3 >/dev/null; then
    sed -n '/^```python/,/^```/{/^```/d;p;}' docs/runners.md >"$TMP/model.py"
    # shellcheck disable=SC2086
    exits 0 "the documentation's example runs" "$MOKAO" run -m "cmd:python3 $TMP/model.py" $suites --concurrency 2 \
        --db "$TMP/a.db" --record "$TMP/a.jsonl"
    says out " 0 failed"
    # shellcheck disable=SC2086
    exits 0 "and again asks nothing" "$MOKAO" run -m "cmd:python3 $TMP/model.py" $suites --db "$TMP/a.db"
    says out "0 answered"
    # shellcheck disable=SC2086
    exits 0 "replays without the program" "$MOKAO" run -m "replay:$TMP/a.jsonl" $suites --db "$TMP/b.db"
    content "$TMP/a.db" >"$TMP/want"
    content "$TMP/b.db" >"$TMP/got"
    ok "to the same database" cmp "$TMP/want" "$TMP/got"
    ok "which is not empty" test "$(wc -l <"$TMP/want")" -gt 50
else
    skip "no python3"
fi

exits 0 "the engine's answers too" "$MOKAO" run -m gguf:tests/golden/tiny/qwen2.gguf -s logic --completion --threads 1 \
    --max-tokens 6 --db "$TMP/c.db" --record "$TMP/c.jsonl"
exits 0 "are replayed" "$MOKAO" run -m "replay:$TMP/c.jsonl" -s logic --completion --max-tokens 6 --db "$TMP/d.db"
content "$TMP/c.db" >"$TMP/want"
content "$TMP/d.db" >"$TMP/got"
ok "to the same database with log-probabilities" cmp "$TMP/want" "$TMP/got"
ok "which are there" grep -q logprob "$TMP/want"

export MOKAO_E2E_API_KEY=sk-e2e-0123456789
exits 3 "errors of a program are errors of the samples" "$MOKAO" run -m "cmd:sh tests/cmd_model.sh refuse" -s logic \
    --limit 2 --db "$TMP/e.db" --record "$TMP/e.jsonl"
ok "with their code" same "$(sqlite3 "$TMP/e.db" 'SELECT DISTINCT code FROM failure')" FILTERED
exits 3 "recorded errors are errors again" "$MOKAO" run -m "replay:$TMP/e.jsonl" -s logic --limit 2 --db "$TMP/f.db"
content "$TMP/e.db" >"$TMP/want"
content "$TMP/f.db" >"$TMP/got"
ok "with code and message" cmp "$TMP/want" "$TMP/got"
exits 4 "a program that only dies ends the run" "$MOKAO" run -m "cmd:sh -c 'echo \$MOKAO_E2E_API_KEY >&2; exit 1'" \
    -s logic --db "$TMP/g.db" --record "$TMP/g.jsonl"
says err "10 processes without an answer: sh ended before it had answered (exit status 1; it said: ****"
ok "no key is kept" sh -c "! grep -aq sk-e2e '$TMP/g.db' '$TMP/g.jsonl' '$TMP/e.db' '$TMP/e.jsonl'"
exits 4 "a missing program" "$MOKAO" run -m "cmd:no-such-program-1" -s logic --db "$TMP/g.db"
says err "no such program"
exits 2 "a quote that is open" "$MOKAO" run -m "cmd:sh -c 'x" -s logic --db "$TMP/g.db"

# Interrupted while it waits for a program.
(exec "$MOKAO" run -m "cmd:sh tests/cmd_model.sh hang" -s logic --db "$TMP/h.db" >"$TMP/out" 2>"$TMP/err") &
pid=$!
sleep 1
kill -INT $pid
sleep 0.3
kill -INT $pid
wait $pid
ok "two interrupts end it at once" same $? 130
finish
