# Scoring stored responses, part of make bench: N (1,000,000) choice responses of
# 100 models, texts from the labelled answers of the tests, judged for the first
# time and then again with nothing to change.
# shellcheck shell=sh
set -u
n=${1:-1000000}
base=/dev/shm
[ -w "$base" ] || base=/tmp
dir=$(mktemp -d "$base/mokao-bench-XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
db=$dir/a.db
: >"$dir/none.jsonl"

fill() { # an empty database of this version, then its rows
    : >"$db"
    ./mokao judge --labels "$dir/none.jsonl" --db "$db" >/dev/null && sqlite3 "$db" >/dev/null <<SQL
PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;
CREATE TEMP TABLE pool (i INTEGER PRIMARY KEY, text TEXT);
INSERT INTO pool (text) SELECT value ->> 'response' FROM json_each('[' || replace(rtrim(
    CAST(readfile('tests/golden/match/choice.jsonl') AS TEXT), char(10)), char(10), ',') || ']');
CREATE TEMP TABLE many (i INTEGER PRIMARY KEY);
WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i + 1 < $n) INSERT INTO many SELECT i FROM c;
BEGIN;
INSERT INTO run (pk, started_ms) VALUES (1, 0);
INSERT INTO prompt VALUES (1, 'p', '{}');
INSERT INTO params VALUES (1, 'g', '{}');
INSERT INTO suite (pk, id, digest, matcher) VALUES (1, 's', 'd', '{"name":"choice"}');
INSERT INTO model (pk, fingerprint, id, open, domestic) SELECT i + 1, 'm' || i, 'm' || i, 1, 1 FROM many WHERE i < 100;
INSERT INTO item (pk, digest, answer, choices, matcher, n_turns, n_judged) SELECT i + 1, 'i' || i, '"' || char(65 + i % 4)
    || '"', '{"A":"红色","B":"绿色","C":"蓝色","D":"黄色"}', '{"name":"choice"}', 1, 1 FROM many WHERE i < $n / 100;
INSERT INTO suite_item SELECT 1, i, i + 1, '' FROM many WHERE i < $n / 100;
INSERT INTO sample (pk, run, model, item, prompt, params, turn, trial)
    SELECT i + 1, 1, i % 100 + 1, i / 100 + 1, 1, 1, 0, 0 FROM many WHERE i < $n / 100 * 100;
INSERT INTO response (sample, finish, attempts, text) SELECT s.pk, 'stop', 1, p.text
    FROM sample AS s JOIN pool AS p ON p.i = 1 + s.pk % (SELECT count(*) FROM pool);
COMMIT;
SQL
}

measure() { # WHAT OPTIONS...
    what=$1
    shift
    /usr/bin/time -f '%e %U %S %M' -o "$dir/time" ./mokao score --db "$db" "$@" >"$dir/out" 2>/dev/null || cat "$dir/out"
    read -r wall user system memory <"$dir/time"
    echo "scores: $what: $(head -n 1 "$dir/out"): $wall s; CPU $user + $system s, $((memory / 1024)) MB"
}

fill || exit
measure "first time"
measure "again, all" --all
[ -z "${KEEP:-}" ] || cp "$db" "$KEEP"
