# mokao suite and import: lists, shows, checks, makes and imports suites.
. tests/e2e.sh
keep() { cp "$TMP/out" "$TMP/$1"; } # the checks write over out
export XDG_DATA_HOME="$TMP/data"
broken=tests/golden/suite/broken

exits 0 "lists the suites" "$MOKAO" suite list
says out "logic"
exits 0 "as JSON" "$MOKAO" suite list --json
keep list
ok "which is JSON" python3 -c "import json; t = json.load(open('$TMP/list'))['tables'][0]; assert len(t['rows']) >= 10"

exits 0 "shows a suite" "$MOKAO" suite show logic
says out "基础能力/逻辑与推理"
exits 0 "shows an item and its prompt" "$MOKAO" suite show tests/golden/suite/good 1 --shots 1 --template choice-zh-cot
says out "<assistant>"
says out "答案：A"
exits 0 "in plain text" "$MOKAO" suite show tests/golden/suite/good 1 --template lm-choice-zh
says out '<options> " A" " B" " C" " D"'
exits 2 "names the nearest item" "$MOKAO" suite show logic logic-0001
says err 'did you mean "logic-001"?'
exits 2 "names the nearest suite" "$MOKAO" suite show logik
says err 'did you mean "logic"?'
exits 2 "names the nearest template" "$MOKAO" suite show logic logic-001 --template choice-hz
says err 'did you mean "choice-zh"?'
exits 2 "says how many examples there are" "$MOKAO" suite show logic logic-001 --shots 99
says err "99 are asked for"

exits 0 "the house's suites are clean" "$MOKAO" suite check suites/data/*
says out "no faults"
exits 2 "tells every fault" "$MOKAO" suite check $broken
says out "$broken/items.jsonl:4: anwser: unknown field; did you mean \"answer\"?"
says out "$broken/items.jsonl:2: id: \"1\" is taken by line 1"
says err "43 faults"
exits 2 "of a folder without a suite" "$MOKAO" suite check tests
says out "tests/suite.json: is not there"
exits 0 "suspicions are no faults" "$MOKAO" suite check tests/golden/suite/odd
says out "suspicious: answer: stands in the question"
exits 2 "faults as JSON" "$MOKAO" suite check --json $broken
keep faults
ok "which is JSON" python3 -c "import json; json.load(open('$TMP/faults'))"

exits 0 "makes a suite" "$MOKAO" suite new "$TMP/my-suite"
exits 0 "that is clean" "$MOKAO" suite check "$TMP/my-suite"
exits 2 "never over another" "$MOKAO" suite new "$TMP/my-suite"
exits 2 "nor under a bad name" "$MOKAO" suite new "$TMP/My Suite"
exits 2 "wants an action" "$MOKAO" suite
exits 2 "knows its actions" "$MOKAO" suite frobnicate
says err "expected check, list, new or show"
exits 0 "tells its options" "$MOKAO" suite --help
says out "--template"

# A small exam in CMMLU's layout.
mkdir -p "$TMP/exam/dev" "$TMP/exam/test"
printf ',Question,A,B,C,D,Answer\n0,Q1,a,b,c,d,A\n' >"$TMP/exam/dev/law.csv"
printf ',Question,A,B,C,D,Answer\n0,"Q, 2",a,b,c,d,B\n' >"$TMP/exam/test/law.csv"
exits 0 "imports an exam" "$MOKAO" import cmmlu "$TMP/exam" --dest "$TMP/s"
says out "digest"
keep first
exits 0 "imports it again" "$MOKAO" import cmmlu "$TMP/exam" --dest "$TMP/s"
keep second
ok "to the same digest" cmp "$TMP/first" "$TMP/second"
export MOKAO_SUITES="$TMP/s"
exits 0 "it is found by its id" "$MOKAO" suite show cmmlu law-0 --shots 1
says out "Q, 2"
printf ',Question,A,B,C,D,Answer\n0,Q,a,b,c,B\n' >"$TMP/exam/test/law.csv"
exits 2 "tells the broken row" "$MOKAO" import cmmlu "$TMP/exam" --dest "$TMP/s"
says err "law.csv: row 2 (line 2): 6 columns, the heading has 7"
exits 0 "and keeps the old suite" "$MOKAO" suite check "$TMP/s/cmmlu"
exits 2 "tells the layout expected" "$MOKAO" import ceval "$TMP/exam" --dest "$TMP/s"
says err "expected the layout of C-Eval"
exits 2 "names the nearest format" "$MOKAO" import cmmul "$TMP/exam"
says err 'did you mean "cmmlu"?'
exits 2 "wants a folder" "$MOKAO" import cmmlu
exits 0 "help names the formats" "$MOKAO" import --help
says out "ceval"
says out "cmmlu"
finish
