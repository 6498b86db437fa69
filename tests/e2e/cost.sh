# Money: prices and rates, budgets that stop and go on, what a run costs.
. tests/e2e.sh
suites='-s logic -s dialogue --completion --max-tokens 6'
db=$TMP/a.db
cat >"$TMP/models.json" <<END
{ "models": [
    { "id": "usd", "runner": "replay", "path": "r.jsonl",
      "price": { "in": 1, "out": 2, "cached": 0.5, "currency": "USD", "date": "2026-11-01" } },
    { "id": "eur", "runner": "replay", "path": "r.jsonl",
      "price": { "in": 1, "out": 2, "currency": "EUR", "date": "2026-11-01" } } ],
  "rates": { "USD": { "cny": 7, "date": "2026-11-20" } } }
END
same() { [ "$1" = "$2" ]; }
sql() { sqlite3 "$db" "$1"; }
# shellcheck disable=SC2086
run() { "$MOKAO" run --models "$TMP/models.json" $suites --db "$db" "$@"; }

# shellcheck disable=SC2086
exits 0 "a record to replay" "$MOKAO" run -m gguf:tests/golden/tiny/qwen2.gguf $suites --threads 1 \
    --db "$TMP/r.db" --record "$TMP/r.jsonl"

exits 0 "a run says what it has cost" run -m usd --json
cp "$TMP/out" "$TMP/json"
member() { sqlite3 :memory: "SELECT json_extract(CAST(readfile('$TMP/json') AS TEXT), '\$[0].$1')"; }
ok "in the vendor's currency" same "$(member cost)" "$(sqlite3 "$TMP/r.db" "SELECT sum(
    round(((prompt_tokens - cached_tokens) * 1.0 + cached_tokens * 0.5 + output_tokens * 2.0) * 1000)) / 1e9
    FROM response")"
ok "and in CNY" same "$(member 'cost_cny')" "$(sql 'SELECT sum(cny_nano) / 1e9 FROM sample_cost')"
ok "by the file's rate" same "$(sql 'SELECT cny, rate_date FROM price')" '7.0|2026-11-20'
total=$(sql 'SELECT sum(cny_nano) FROM sample_cost')
n=$(sql 'SELECT count(*) FROM response')

# Four calls that stop, then one with enough: nothing is lost or asked twice.
rm -f "$db"
k=0
while [ $k -lt 4 ]; do
    exits 3 "a budget that is too small ends in part" run -m usd --budget 0.02
    says err "the budget is spent"
    k=$((k + 1))
    ok "no call spends more" same "$(sql 'SELECT count(*) FROM (SELECT 1 FROM sample_cost JOIN sample ON
        sample.pk = sample GROUP BY run HAVING sum(cny_nano) > 20000000)')" 0
done
ok "something was asked" test "$(sql 'SELECT count(*) FROM response')" -gt 20
exits 0 "a larger one goes on" run -m usd --budget 10
ok "to all answers" same "$(sql 'SELECT count(*) FROM response')" "$n"
ok "at the same cost in all" same "$(sql 'SELECT sum(cny_nano) FROM sample_cost')" "$total"

# Estimates: nothing is asked, no key and no network is needed.
exits 0 "a dry run asks nothing" "$MOKAO" run -m gguf:tests/golden/tiny/qwen2.gguf -s logic --completion \
    --max-tokens 6 --db "$TMP/dry.db" --dry-run --json
cp "$TMP/out" "$TMP/json"
ok "and stores no answer" same "$(sqlite3 "$TMP/dry.db" 'SELECT count(*) FROM sample')" 0
member() { sqlite3 :memory: "SELECT json_extract(CAST(readfile('$TMP/json') AS TEXT), '\$[0].$1')"; }
ok "it counts as the engine does" same "$(member prompt_tokens.likely)" "$(sqlite3 "$TMP/r.db" "SELECT
    sum(prompt_tokens) FROM sample_scores WHERE suite = 'logic'")"
ok "and says so" same "$(member prompt_tokens_from)" "counted by the model's tokenizer"
exits 0 "a vendor's model, without its key" env -u OPENAI_API_KEY "$MOKAO" run -m openai:gpt-4 -s logic -s dialogue \
    --rpm 60 --db "$TMP/dry.db" --dry-run --json
cp "$TMP/out" "$TMP/json"
low=$(member cost_cny.low) likely=$(member cost_cny.likely) high=$(member cost_cny.high)
ok "has a price between bounds" same "$(sqlite3 :memory: "SELECT 0 < $low AND $low < $likely AND $likely < $high")" 1
ok "by a rate that is named" same "$(sqlite3 "$TMP/dry.db" "SELECT count(*) FROM price WHERE currency = 'USD' AND
    rate_date IS NOT NULL AND source IS NOT NULL")" 1
ok "takes its time" same "$(member seconds)" "$(member requests)"
exits 0 "an unknown price is said" "$MOKAO" run -m "replay:$TMP/r.jsonl" -s logic --db "$TMP/dry.db" --dry-run
says out "cost           unknown: no price is known"
says out "guessed from the characters"

exits 0 "--rate goes before the file's" run -m usd --fresh --rate USD=8 --trials 2
ok "for what is bought from now on" same "$(sql 'SELECT group_concat(cny) FROM (SELECT cny FROM price ORDER BY cny)')" '7.0,8.0'
exits 4 "no budget without a rate" run -m eur --budget 1
says err "--rate EUR=CNY"
exits 4 "no budget without a price" run -m "replay:$TMP/r.jsonl" --budget 1
says err "price"
exits 2 "rates are checked" run -m usd --rate dollar=7
says err "--rate"
finish
