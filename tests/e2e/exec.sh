# Answers that are run: programs in the sandbox, queries in a private database.
. tests/e2e.sh
same() { [ "$1" = "$2" ]; }
sql() { sqlite3 "$TMP/r.db" "$1"; }
mkdir -p "$TMP/exam"
cat >"$TMP/exam/suite.json" <<'END'
{"id":"exam","version":"1","title":{"zh":"编程","en":"Programs"},"ability":"基础能力/代码","language":"zh","licence":"Apache-2.0",
"template":"direct-zh","matcher":{"name":"code","language":"python","seconds":2},"metric":"accuracy"}
END
cat >"$TMP/exam/items.jsonl" <<'END'
{"id":"right","question":"写 add","answer":{"entry":"add","test":"assert add(1, 2) == 3"}}
{"id":"wrong","question":"写 sub","answer":{"entry":"sub","test":"assert sub(1, 2) == -1"}}
{"id":"query","question":"查人数","answer":"SELECT count(*) FROM t","matcher":{"name":"sql","db":"CREATE TABLE t(a); INSERT INTO t VALUES (1),(2)"}}
END
cat >"$TMP/model.py" <<'END'
import json, sys
replies = {"add": "```python\ndef add(a, b):\n    return a + b\n```",
           "sub": "```python\ndef sub(a, b):\n    return a + b\n```",
           "人数": "```sql\nSELECT 2\n```"}
for line in sys.stdin:
    q = json.loads(line)
    asked = q["messages"][-1]["content"]
    text = next(r for k, r in replies.items() if k in asked)
    print(json.dumps({"id": q["id"], "text": text}), flush=True)
END
run() { "$MOKAO" run -m "cmd:python3 $TMP/model.py" -s "$TMP/exam" --db "$TMP/r.db" "$@"; }
verdicts() { sql "SELECT group_concat(item || ' ' || coalesce(verdict || ' ' || rule, 'none'), ', ') FROM (SELECT * FROM sample_scores ORDER BY item)"; }

ok "the suite is sound" "$MOKAO" suite check "$TMP/exam"
# Without a sandbox nothing is run: answers are kept, and told of.
MOKAO_BWRAP=/nonexistent/bwrap
export MOKAO_BWRAP
exits 4 "no sandbox" run
says err "2 answers are stored without a score: no sandbox to run code in: /nonexistent/bwrap is missing: install the package bubblewrap"
ok "queries need none" same "$(verdicts)" "query correct same, right none, wrong none"
exits 4 "nor can they be scored again" "$MOKAO" score --db "$TMP/r.db"
says out "0 scored"
says err "2 answers stay without a score"
unset MOKAO_BWRAP
"$MOKAO" score --db "$TMP/r.db" >"$TMP/scored" 2>"$TMP/why"
if [ $? -eq 4 ]; then
    skip "$(cat "$TMP/why")"
    finish
fi
ok "taken up later" grep -q "2 scored" "$TMP/scored"
ok "the verdicts" same "$(verdicts)" "query correct same, right correct passed, wrong wrong failed"
exits 0 "scoring again" "$MOKAO" score --json --db "$TMP/r.db"
says out '"scored":0'
exits 0 "every one" "$MOKAO" score --all --json --db "$TMP/r.db"
says out '"scored":3,"changed":0'
exits 0 "another trial, with a sandbox" run --trials 2
says out "2 of 3 correct"
ok "of all" same "$(sql 'SELECT count(*) FROM score')" 6
finish
