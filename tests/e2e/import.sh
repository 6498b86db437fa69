# Answers of other harnesses: imported, judged, reported, as a user would.
. tests/e2e.sh
db=$TMP/a.db
got=tests/golden/outputs
same() { [ "$1" = "$2" ]; }
import() { "$MOKAO" import "$@" --db "$db" --dest "$TMP/s"; }
report() { "$MOKAO" report "$@" --db "$db" --lang en; }

exits 0 "logs of inspect_ai as it writes them" import inspect $got/inspect-eval
says out "seasons, sums"
says out "mock/tiny-model"
exits 0 "again: nothing is new" import inspect $got/inspect-eval --json
says out '"new": 0'
says out '"stored": 6'
says out '"suites": "seasons, sums"'
exits 0 "they are ranked" report rank
says out "mock/tiny-model"
exits 0 "a sample that failed is none that is wrong" report audit --verdict failed
says out "connection reset"
exits 0 "the suite is one that other models can be asked" "$MOKAO" suite check "$TMP/s/seasons"
head -c 900 $got/inspect-eval/seasons.eval >"$TMP/cut.eval"
exits 2 "a log that was cut off" import inspect "$TMP/cut.eval"
says err "cut.eval: the end of the archive"
exits 2 "a folder without logs" import inspect $got/jsonl
says err "no file *.eval or *.json below it"
exits 4 "no such folder" import inspect "$TMP/none"
exits 2 "the nearest format" import inspekt $got/inspect-eval
says err 'did you mean "inspect"?'

# Several boxes that differ, and keys that are no letters.
cat >"$TMP/m.jsonl" <<'END'
{"id":"1","question":"1/4+1/4","answer":"1/2","matcher":{"name":"math"},"response":"\\boxed{1/4}，再加：\\boxed{0.5}","model":"m","suite":"marks"}
{"id":"2","question":"1+1","answer":"2","matcher":{"name":"math"},"response":"\\boxed{4/2}，即\\boxed{2}","model":"m","suite":"marks"}
{"id":"3","question":"首都？","choices":{"甲":"上海","乙":"北京"},"answer":"乙","response":"答案：乙","model":"m","suite":"marks"}
{"id":"4","question":"一周？","choices":{"①":"七天","②":"八天"},"answer":"①","response":"选②","model":"m","suite":"marks"}
END
exits 0 "math, and choices by other keys" import jsonl "$TMP/m.jsonl" --json
says out '"judged": 4'
says out '"correct": 3'
exits 0 "the rules are audited" report audit --rules -s marks -f csv
ok "a box that contradicts the last one is told once" same "$(grep -c "^math,boxed,\"boxed, earlier\",1,1,1" "$TMP/out")" 1
exits 0 "what was read" report audit -s marks --item 4
says out "extracted"
says out "②"
sed 's/答案：乙/答案：甲/' "$TMP/m.jsonl" >"$TMP/n.jsonl"
exits 2 "another answer of the same model" import jsonl "$TMP/n.jsonl"
says err "--trial N"
exits 0 "is a trial of its own" import jsonl "$TMP/n.jsonl" --trial 1
finish
