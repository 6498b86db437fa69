# Reports of a real run on tiny models: kinds, formats, plots, what is missing.
. tests/e2e.sh
db=$TMP/r.db
report() { "$MOKAO" report "$@" --db "$db"; }
same() { [ "$1" = "$2" ]; }
valid() { [ "$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('$1') AS TEXT))")" = 1 ]; }
escapes() { grep -c "$(printf '\033')" "$1"; }

exits 4 "no database" report rank
says err "no such database"
exits 2 "no kind" report
exits 2 "an unknown kind" report rnak
exits 2 "an unknown format" report rank --format pdf
exits 2 "a picture of another kind" report rank --plot x.pdf
says err ".svg or .png"
exits 2 "audit has no picture" report audit --plot x.svg
exits 2 "items belong to audit" report rank x-1

exits 0 "a run to report on" "$MOKAO" run -m gguf:tests/golden/tiny/qwen2.gguf -m gguf:tests/golden/tiny/llama2-gqa.gguf \
    -s logic -s knowledge -s calculation --limit 6 --completion --max-tokens 4 --threads 1 --db "$db"
exits 0 "rank" report rank
says out "模型排名"
says out "sha256"
says out "mokao 0."
ok "no colour in a pipe" same "$(escapes "$TMP/out")" 0
exits 0 "rank in English" report rank --lang en
says out "Holm correction"
exits 0 "rank as JSON" report rank --json
cp "$TMP/out" "$TMP/rank.json"
ok "that is JSON" valid "$TMP/rank.json"
exits 0 "rank as CSV" report rank --format csv
says err "sha256"
ok "a line a model and a heading" same "$(wc -l <"$TMP/out")" 3
exits 0 "rank as Markdown" report rank --format md
says out "| ---: |"
exits 0 "rank as a page" report rank --format html
says out "</html>"
exits 0 "matrix" report matrix
says out "逻辑与推理"
exits 0 "matrix by suite" report matrix --by suite
says out "logic"
exits 2 "matrix by what is not there" report matrix --by colour
exits 0 "audit of one suite" report audit -s logic --json
cp "$TMP/out" "$TMP/audit.json"
ok "that is JSON too" valid "$TMP/audit.json"
item=$(sqlite3 "$db" "SELECT item FROM sample_scores WHERE suite = 'logic' LIMIT 1")
exits 0 "audit of one item" report audit "$item"
says out "$item"
says out "[prompt]"
exits 0 "audit of the rules" report audit --rules --lang en
says out "never fired"
says out "Drift"
exits 0 "a sample to check" report audit --rules --sample 5 --seed 3 -f csv
tr -d '\r' <"$TMP/out" >"$TMP/sample.csv"
ok "has a heading and the column to fill" grep -q ',check$' "$TMP/sample.csv"
sed '1!s/,$/,1/' "$TMP/sample.csv" >"$TMP/checked.csv"
exits 0 "the marks read back" report audit --rules --checked "$TMP/checked.csv" --lang en
says out "Wilson"
sed '1!s/,$/,maybe/' "$TMP/sample.csv" >"$TMP/bad.csv"
exits 2 "a mark that is none" report audit --rules --checked "$TMP/bad.csv"
says err "check: expected 1"
exits 4 "no such file" report audit --rules --checked "$TMP/no.csv"
exits 2 "rules are no ranking" report rank --rules
exits 2 "a sample of what" report audit --sample 5
exits 2 "draw or read back" report audit --rules --sample 5 --checked "$TMP/checked.csv"
exits 2 "all samples" report audit --rules --verdict wrong
exits 2 "a model that is not there" report rank -m nobody
says err 'no model "nobody" in the database; did you mean "'
exits 2 "a suite that is not there" report rank -s logik
says err 'no suite "logik" in the database; did you mean "logic"?'
exits 2 "a subset that is not there" report matrix -s 'logic/none*'
says err 'no suite "logic/none*"'
exits 2 "an item that is not there" report audit --item logic-0001
says err 'no item "logic-0001" in the database; did you mean "logic-001"?'
exits 2 "a kind that is none names the nearest" report rnak
says err 'did you mean "rank"?'
exits 0 "reports read and do not write" chmod a-w "$db"
exits 0 "rank of a read-only database" report rank

if command -v gnuplot >/dev/null; then
    exits 0 "bars" report rank --plot "$TMP/rank.svg" --plot-data "$TMP/keep"
    ok "are drawn" grep -q "</svg>" "$TMP/rank.svg"
    ok "from data that is kept" test -s "$TMP/keep/data.tsv"
    exits 0 "a radar" report matrix --plot "$TMP/matrix.png"
    ok "is drawn" test -s "$TMP/matrix.png"
    exits 2 "a radar of two axes" report matrix -s logic -s knowledge --plot "$TMP/two.png"
    says err "at least 3"
else
    skip "gnuplot is not here"
fi
mkdir "$TMP/empty"
exits 4 "without gnuplot" env PATH="$TMP/empty" "$MOKAO" report rank --db "$db" --plot "$TMP/no.svg"
says err "gnuplot-nox"
finish
