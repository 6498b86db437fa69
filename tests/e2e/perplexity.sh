# mokao perplexity: sums, windows, and the log-probability of each token.
. tests/e2e.sh
model=tests/golden/tiny/qwen2.gguf
text="模型评测 evaluates models, one token after another."
printf %s "$text" >"$TMP/text"
ppl() { "$MOKAO" perplexity -m $model -t 1 --activations f32 --json "$@"; }
# field FILE PATH: a member of the first table, or of others by its path.
field() { sqlite3 :memory: "SELECT json_extract(CAST(readfile('$1') AS TEXT), '$2')"; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; exit !(a != "" && b != "" && d < 1e-4 && d > -1e-4) }'; }

exits 0 "a file" ppl "$TMP/text"
cp "$TMP/out" "$TMP/a.json"
exits 0 "the same from stdin" sh -c '"$0" perplexity -m "$1" -t 1 --activations f32 --json - <"$2"' "$MOKAO" $model "$TMP/text"
cp "$TMP/out" "$TMP/b.json"
ok "gives the same" diff "$TMP/a.json" "$TMP/b.json"
row='$.tables[0].rows[0]'
nll=$(field "$TMP/a.json" "$row.nll") n=$(field "$TMP/a.json" "$row.tokens")
ok "per token" near "$(field "$TMP/a.json" "$row.nll_token")" "$(awk "BEGIN { print $nll / $n }")"
ok "per byte" near "$(field "$TMP/a.json" "$row.nll_byte")" \
    "$(awk "BEGIN { print $nll / $(field "$TMP/a.json" "$row.bytes") }")"
ok "perplexity is e to the mean" near "$(field "$TMP/a.json" "$row.perplexity")" "$(awk "BEGIN { printf \"%.12g\", exp($nll / $n) }")"

# --- each token, against the logits that generate shows for the text before it
exits 0 "every token" ppl --tokens "$TMP/text"
cp "$TMP/out" "$TMP/t.json"
total=$(sqlite3 :memory: "SELECT -sum(json_extract(value, '\$.logprob')) FROM json_each(CAST(readfile('$TMP/t.json') AS TEXT), '\$.tables[1].rows')")
ok "the tokens add up to the whole" near "$total" "$nll"
for k in 1 7; do
    ids=$(sqlite3 :memory: "SELECT group_concat(json_extract(value, '\$.id')) FROM json_each(CAST(readfile('$TMP/t.json') AS TEXT), '\$.tables[1].rows') WHERE key < $k")
    id=$(field "$TMP/t.json" "\$.tables[1].rows[$k].id")
    "$MOKAO" generate -m $model -t 1 --activations f32 --ids "$ids" -n 1 --logits 1000 --json >"$TMP/g.json"
    ok "token $k is as likely as generate says" near "$(field "$TMP/t.json" "\$.tables[1].rows[$k].logprob")" \
        "$(sqlite3 :memory: "SELECT json_extract(value, '\$.logprob') FROM json_each(CAST(readfile('$TMP/g.json') AS TEXT), '\$.top') WHERE json_extract(value, '\$.id') = $id")"
done

# --- windows
exits 0 "a window of the whole text, any stride" ppl --window 64 --stride 3 "$TMP/text"
ok "changes nothing" near "$(field "$TMP/out" "$row.nll")" "$nll"
exits 0 "small windows" ppl --window 8 --stride 7 --tokens "$TMP/text"
cp "$TMP/out" "$TMP/w.json"
ok "score every token once" test "$(field "$TMP/w.json" "$row.tokens")" -eq "$n"
ok "the first window is the same" near "$(field "$TMP/w.json" '$.tables[1].rows[7].logprob')" "$(field "$TMP/t.json" '$.tables[1].rows[7].logprob')"
ids=$(sqlite3 :memory: "SELECT group_concat(json_extract(value, '\$.id')) FROM json_each(CAST(readfile('$TMP/t.json') AS TEXT), '\$.tables[1].rows') WHERE key = 7")
id=$(field "$TMP/t.json" '$.tables[1].rows[8].id')
"$MOKAO" generate -m $model -t 1 --activations f32 --ids "$ids" -n 1 --logits 1000 --json >"$TMP/g.json"
ok "a stride of 7 leaves one token before the ninth" near "$(field "$TMP/w.json" '$.tables[1].rows[8].logprob')" \
    "$(sqlite3 :memory: "SELECT json_extract(value, '\$.logprob') FROM json_each(CAST(readfile('$TMP/g.json') AS TEXT), '\$.top') WHERE json_extract(value, '\$.id') = $id")"

# --- refusals
exits 2 "a stride as long as the window" ppl --window 8 --stride 8 "$TMP/text"
says err "less than the window"
exits 2 "a window beyond the model" ppl --window 100000 "$TMP/text"
says err "was trained on"
exits 4 "no such file" ppl "$TMP/none"
exits 2 "text that is no UTF-8" sh -c 'printf "a\377" | "$0" perplexity -m "$1" -' "$MOKAO" $model
says err "no UTF-8"
exits 2 "an empty text" sh -c 'printf "" | "$0" perplexity -m "$1" -' "$MOKAO" $model
says err "two tokens"
exits 2 "no file" ppl
says err "FILE is missing"
finish
