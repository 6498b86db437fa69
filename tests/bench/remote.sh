# Remote models, part of make bench: 10,000 requests against an API that takes
# 200 ms for each, 1,000 in flight (the ideal is 2.0 s); then 1,000 answers that
# come at once, which cost what the harness itself costs.
# shellcheck shell=sh
set -u
api=build/release/tests/bench/fake_api
base=/dev/shm
[ -w "$base" ] || base=/tmp
dir=$(mktemp -d "$base/mokao-bench-XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
export OPENAI_API_KEY=sk-bench

# measure ITEMS DELAY_MS IN_FLIGHT
measure() {
    python3 tests/mock/suite.py "$dir/s" "$1"
    "$api" "$2" 120 >"$dir/api" &
    api_id=$!
    sleep 0.5
    rm -f "$dir/a.db"*
    /usr/bin/time -f '%e %U %S %M' -o "$dir/time" ./mokao run --ask generate --concurrency "$3" --json -s "$dir/s" \
        -m "openai:http://127.0.0.1:$(head -n 1 "$dir/api")/v1#m" --db "$dir/a.db" >"$dir/out" 2>"$dir/err" || cat "$dir/err"
    kill "$api_id"
    wait "$api_id" 2>/dev/null
    read -r wall user system memory <"$dir/time"
    asking=$(sqlite3 :memory: "SELECT json_extract(CAST(readfile('$dir/out') AS TEXT), '\$[0].elapsed_ms') / 1000.0")
    at_api=$(sed -n 's/.*after .* s, \(.*\) s/\1/p' "$dir/api")
    ramp=$(sed -n 's/.*after \(.*\) s, .*/\1/p' "$dir/api")
    echo "remote: $1 requests of $2 ms, $3 in flight: $at_api s at the API" \
        "($ramp s until all were in flight), $asking s asking and storing," \
        "$wall s in all; CPU $user + $system s, $((memory / 1024)) MB"
}
measure 10000 200 1000
measure 1000 200 1000
measure 1000 0 16
