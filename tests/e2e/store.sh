# Shards that are merged, responses that are scored again, results exported.
. tests/e2e.sh
model=gguf:tests/golden/tiny/qwen2.gguf
same() { [ "$1" = "$2" ]; }
sql() { sqlite3 "$@"; }
# All that is stored, but for times and row numbers.
content() {
    sql "$1" "SELECT m.fingerprint, i.digest, p.hash, g.hash, s.turn, s.trial, r.text, r.logprobs, c.verdict, c.extracted
        FROM sample s JOIN model m ON m.pk = s.model JOIN item i ON i.pk = s.item JOIN prompt p ON p.pk = s.prompt
        JOIN params g ON g.pk = s.params LEFT JOIN response r ON r.sample = s.pk LEFT JOIN score c ON c.sample = s.pk
        ORDER BY 1, 2, 5, 6"
}
run() { "$MOKAO" run -m $model -s logic --completion --max-tokens 6 --threads 1 --limit 12 "$@"; }

ok "the whole" run --db "$TMP/whole.db"
ok "shard 1" run --db "$TMP/1.db" --shard 1/2
ok "shard 2" run --db "$TMP/2.db" --shard 2/2
exits 0 "shards are merged" "$MOKAO" merge --db "$TMP/all.db" "$TMP/1.db" "$TMP/2.db"
says out "0 samples were there"
content "$TMP/whole.db" >"$TMP/want"
content "$TMP/all.db" >"$TMP/got"
ok "into the whole" cmp "$TMP/want" "$TMP/got"
exits 0 "merging again" "$MOKAO" merge --json --db "$TMP/all.db" "$TMP/2.db"
says out '"samples":0'
exits 2 "not with itself" "$MOKAO" merge --db "$TMP/all.db" "$TMP/all.db"
exits 4 "what is missing is named" "$MOKAO" merge --db "$TMP/all.db" "$TMP/none.db"
says err none.db
exits 2 "merge wants databases" "$MOKAO" merge

k=$(sql "$TMP/all.db" "SELECT count(*) FROM score WHERE verdict <> 'unparsable'")
sql "$TMP/all.db" "UPDATE score SET verdict = 'unparsable', score = 0, version = 0"
n=$(sql "$TMP/all.db" "SELECT count(*) FROM score")
exits 0 "a dry run says what would change" "$MOKAO" score --dry-run --diff --format csv --db "$TMP/all.db"
says err "$n scored"
ok "response by response" same "$(grep -c ',unparsable,' "$TMP/out")" "$k"
ok "and writes nothing" same "$(sql "$TMP/all.db" "SELECT count(*) FROM score_history")" 0
exits 0 "scores again what an older matcher judged" "$MOKAO" score --db "$TMP/all.db"
says out "$n scored"
content "$TMP/all.db" >"$TMP/got"
ok "to the same verdicts" cmp "$TMP/want" "$TMP/got"
ok "the old ones are kept" same "$(sql "$TMP/all.db" "SELECT count(*) FROM score_history")" "$n"
exits 0 "the report tells it later" "$MOKAO" report rescore --format csv --db "$TMP/all.db"
ok "the same" same "$(grep -c ',unparsable,' "$TMP/out")" "$k"
exits 0 "then nothing is due" "$MOKAO" score --json --db "$TMP/all.db"
says out '"scored":0'
exits 4 "no database is made" "$MOKAO" score --db "$TMP/none.db"
ok "really" test ! -e "$TMP/none.db"

exits 0 "exports CSV" "$MOKAO" export csv --db "$TMP/all.db"
says out "model,suite,"
exits 0 "exports JSON Lines into a file" "$MOKAO" export json --db "$TMP/all.db" --output "$TMP/all.jsonl"
ok "one line a sample" same "$(wc -l <"$TMP/all.jsonl")" "$(sql "$TMP/all.db" "SELECT count(*) FROM sample")"
exits 2 "of models that are stored" "$MOKAO" export json --db "$TMP/all.db" -m nobody --output "$TMP/x.jsonl"
ok "leaves no half file" test ! -e "$TMP/x.jsonl" -a ! -e "$TMP/x.jsonl.partial"
exits 0 "exports a suite" "$MOKAO" export suite -s logic --output "$TMP/logic"
ok "that is one" "$MOKAO" suite check "$TMP/logic"
exits 2 "into a folder" "$MOKAO" export suite -s logic
exits 2 "formats are known" "$MOKAO" export parquet
finish
