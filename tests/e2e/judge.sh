# A judge from the command line: both orders, going on, records, labels, report.
. tests/e2e.sh
tiny=gguf:tests/golden/tiny/qwen2.gguf
# A judge that holds the first answer for the better one, and says so in words.
cat >"$TMP/judge" <<'JUDGE'
while read -r line; do
    printf '{"id":%s,"text":"A is better."}\n' "$(printf '%s' "$line" | sed 's/.*"id":\("[^"]*"\).*/\1/')"
done
JUDGE
judge="cmd:sh $TMP/judge"
db=$TMP/a.db
same() { [ "$1" = "$2" ]; }
sql() { sqlite3 "$db" "$1"; }

exits 0 "a candidate answers" "$MOKAO" run -m $tiny -s dialogue --completion --max-tokens 6 --threads 1 --limit 2 --db "$db"
exits 0 "so does a baseline" "$MOKAO" run -m gguf:tests/golden/tiny/gemma3.gguf -s dialogue --completion --max-tokens 6 \
    --threads 1 --limit 2 --db "$db"
n=$(sql "SELECT count(*) FROM sample AS s JOIN item AS i ON i.pk = s.item JOIN model AS m ON m.pk = s.model
    WHERE m.id = 'qwen2' AND s.turn = i.n_turns - 1")
pair="--candidate qwen2 --baseline gemma3 --db $db"

exits 2 "no judge is wrong usage" "$MOKAO" judge --candidate qwen2 --db "$db"
says err "-m MODEL is missing"
exits 2 "no candidate too" "$MOKAO" judge -m x --db "$db"
says err "--candidate MODEL is missing"
exits 4 "no database" "$MOKAO" judge -m $tiny --candidate qwen2 --db "$TMP/none.db"
says err "no such database"
exits 2 "an unknown rubric" "$MOKAO" judge -m $tiny --candidate qwen2 --db "$db" --rubric nice
says err 'no rubric "nice"'
# shellcheck disable=SC2086
exits 2 "a judge must chat" "$MOKAO" judge -m $tiny $pair --dry-run
says err "no chat template"
cat >"$TMP/models.json" <<END
{ "models": [ { "id": "judge", "runner": "gguf", "path": "$PWD/tests/golden/tiny/llama-mha.gguf", "template": "chatml" } ] }
END
# shellcheck disable=SC2086
exits 0 "a dry run asks nothing" "$MOKAO" judge -m judge --models "$TMP/models.json" $pair --dry-run
says out "$((2 * n)) questions to ask"
says out "requests       $((2 * n))"
says out "counted by the model's tokenizer"
says out "cost           unknown: no price is known"
# shellcheck disable=SC2086
exits 0 "nor does one of a judge behind an API" "$MOKAO" judge -m openai:gpt-4-turbo $pair --dry-run --json --rpm 60
says out '"prompt_tokens_from":"guessed from the characters'
says out '"currency":"USD"'
says out "\"seconds\":$((2 * n)),"
exits 2 "a report before it says what to do" "$MOKAO" report judge --db "$db"
says err "mokao judge"

# shellcheck disable=SC2086
exits 0 "a program judges" "$MOKAO" judge -m "$judge" $pair --max-tokens 4 --record "$TMP/j.jsonl"
says out "$((2 * n)) answered ($((2 * n)) without a verdict)"
# shellcheck disable=SC2086
exits 0 "and is not asked again" "$MOKAO" judge -m "$judge" $pair --max-tokens 4
says out "0 answered"
ok "each pair in both orders" same "$(sql "SELECT count(*) || ' ' || sum(swapped) FROM judgement")" "$((2 * n)) $n"

# The same questions, answered by another judge: always for the first.
sqlite3 :memory: "CREATE TABLE l(j); INSERT INTO l SELECT value FROM json_each('[' ||
    replace(rtrim(CAST(readfile('$TMP/j.jsonl') AS TEXT), char(10)), char(10), ',') || ']');
    SELECT json_set(j, '\$.text', '理由。' || char(10) || '[[A]]', '\$.finish', 'stop') FROM l" >"$TMP/first.jsonl"
# shellcheck disable=SC2086
exits 0 "a recorded judge" "$MOKAO" judge -m "replay:$TMP/first.jsonl" $pair --max-tokens 4 --json
says out "\"verdicts\":$((2 * n))"
exits 0 "is reported" "$MOKAO" report judge --db "$db" --format csv
cp "$TMP/out" "$TMP/report"
ok "its bias is seen" same "$(sed -n '/^judge,rubric,answers/,$p' "$TMP/report" | grep "^first," | cut -d, -f3-7)" "$((2 * n)),0,0,0,100"
ok "all pairs are split" same "$(grep "^first,pairwise-zh,qwen2,gemma3" "$TMP/report" | head -n 1 | cut -d, -f6-10)" "$n,0,$n,0,$n"
ok "scores stay" same "$(sql "SELECT count(*) FROM score_history")" 0

# Chats: both dialogues are shown whole, with their roles.
cp "$TMP/judge" "$TMP/other"
for m in judge other; do
    exits 0 "a program answers in a chat" "$MOKAO" run -m "cmd:sh $TMP/$m" -s dialogue --limit 2 --db "$TMP/c.db"
done
exits 0 "and is judged" "$MOKAO" judge -m "$judge" --candidate "cmd:sh $TMP/judge" --baseline "cmd:sh $TMP/other" --db "$TMP/c.db"
ok "both dialogues whole" same "$(sqlite3 "$TMP/c.db" "SELECT count(*) FROM judgement AS j JOIN prompt AS p ON p.pk = j.prompt
    WHERE p.json LIKE '%<<<回答A %[用户]%[助手]%[用户]%[助手]%<<<回答B %[用户]%[助手]%[用户]%[助手]%以上各标记%'")" "$((2 * n))"

item=$(sql "SELECT id FROM suite_item LIMIT 1")
echo "item,model,baseline,verdict
$item,qwen2,gemma3,win" >"$TMP/l.csv"
exits 0 "labels need no judge" "$MOKAO" judge --labels "$TMP/l.csv" --db "$db"
says out "1 labels stored"
finish
