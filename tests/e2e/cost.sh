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
exits 0 "the program's own rate" "$MOKAO" run -m openai:gpt-4 -s logic --limit 1 --db "$TMP/dry.db" --dry-run
says out "1 USD = 7.1 CNY (2025-11, round default, see --rate)"
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

# Vendors at work, eight requests in flight of two models that share a budget.
vendors() {
    mkdir "$TMP/mock"
    python3 tests/mock/mock.py --out "$TMP/mock" --only openai,deepseek --idle 30 --life 120 >"$TMP/mock/ready" 2>&1 &
    mock=$!
    k=0
    while [ $k -lt 100 ] && ! grep -q ready "$TMP/mock/ready"; do
        sleep 0.1
        k=$((k + 1))
    done
    grep -q ready "$TMP/mock/ready" || return 1
    eval "$(python3 tests/mock/keys.py)"
    python3 tests/mock/suite.py "$TMP/colours" 40
    urls=$(sed -n 's/.*"base_url": "\(.*\)".*/\1/p' "$TMP/mock/models.json")
    cat >"$TMP/vendors.json" <<END
{ "models": [
    { "id": "dear", "provider": "openai", "model": "mock", "base_url": "$(echo "$urls" | sed -n 1p)",
      "price": { "in": 10, "out": 30, "currency": "USD", "date": "2026-11-01" } },
    { "id": "cheap", "provider": "deepseek", "model": "mock", "base_url": "$(echo "$urls" | sed -n 2p)",
      "price": { "in": 1, "cached": 0.1, "out": 2, "currency": "CNY", "date": "2026-11-01" } } ] }
END
}
bought() { # what the database's answers are, but for times and row numbers
    sqlite3 "$1" "SELECT m.id, i.digest, p.hash, r.text, r.finish, r.prompt_tokens, r.cached_tokens, r.output_tokens,
        c.verdict, c.extracted FROM sample s JOIN model m ON m.pk = s.model JOIN item i ON i.pk = s.item
        JOIN prompt p ON p.pk = s.prompt LEFT JOIN response r ON r.sample = s.pk LEFT JOIN score c ON c.sample = s.pk
        ORDER BY 2, 1"
}
ask="-s $TMP/colours --ask generate --max-tokens 50"
if command -v python3 >/dev/null && vendors; then
    db=$TMP/v.db
    pair="run --models $TMP/vendors.json -m dear -m cheap $ask --concurrency 8 --db $db"
    # shellcheck disable=SC2086
    exits 3 "two models share a budget" "$MOKAO" $pair --budget 0.05 --record "$TMP/v.jsonl"
    says err "the budget is spent"
    ok "and keep it" test "$(sql 'SELECT sum(cny_nano) FROM sample_cost')" -le 50000000
    ok "but for what is there" test "$(sql 'SELECT count(*) FROM response')" -gt 5
    # shellcheck disable=SC2086
    exits 0 "then go on" "$MOKAO" $pair --budget 5 --record "$TMP/v.jsonl"
    ok "to all answers, each paid once" same "$(sql 'SELECT count(*), count(nano) FROM sample_cost')" '80|80'
    exits 0 "their bill" "$MOKAO" report cost --db "$db" --format csv
    says out "USD"
    secret=$(python3 tests/mock/keys.py secret | sed -n 1p)
    ok "no key is in database or record" sh -c "! grep -aq -e sk-mock -e '$secret' '$TMP/v.db' '$TMP/v.jsonl'"

    # One model alone: the replay's database is the same.
    # shellcheck disable=SC2086
    exits 0 "a vendor's model is recorded" "$MOKAO" run --models "$TMP/vendors.json" -m cheap $ask --db "$TMP/one.db" \
        --record "$TMP/one.jsonl"
    # shellcheck disable=SC2086
    exits 0 "and replayed" "$MOKAO" run -m "replay:$TMP/one.jsonl" $ask --db "$TMP/two.db"
    bought "$TMP/one.db" | cut -d'|' -f2- >"$TMP/want"
    bought "$TMP/two.db" | cut -d'|' -f2- >"$TMP/got"
    ok "to the same database" cmp "$TMP/want" "$TMP/got"
    ok "of forty answers" same "$(wc -l <"$TMP/want" | tr -d ' ')" 40
    kill "$mock"
else
    skip "no python3"
fi
finish
