#!/bin/sh
# make demo: real models through the ten suites, a ranking, plots, a database.
#   demo.sh [MODEL.gguf]
set -u
user_model=${1:-}
db=results/demo.db
suites='semantic chitchat dialogue writing knowledge code logic calculation roleplay safety'

if [ -n "$user_model" ]; then
    set -- -m "$user_model"
else
    sh tests/models.sh smollm2 qwen2.5-coder-0.5b
    set --
    [ -s models/smollm2-135m-instruct-q4_1.gguf ] && set -- "$@" -m smollm2-135m
    [ -s models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf ] && set -- "$@" -m qwen2.5-coder-0.5b
    if [ $# -eq 0 ]; then
        echo "no model could be fetched; with a file of your own: make demo MODEL=/path/model.gguf"
        exit 4
    fi
fi
for s in $suites; do set -- "$@" -s "$s"; done
mkdir -p results
./mokao run --db $db --max-tokens 96 "$@"
status=$?
[ $status -eq 0 ] || [ $status -eq 3 ] || exit $status

./mokao report rank --db $db || exit
./mokao report matrix --db $db || exit
for kind in rank matrix; do
    ./mokao report $kind --db $db --format md >results/$kind.md &&
        ./mokao report $kind --db $db --plot results/$kind.svg >/dev/null &&
        ./mokao report $kind --db $db --plot results/$kind.png >/dev/null || exit
done
cat <<TXT

Every answer is in $db (sqlite3 $db "select * from leaderboard").
Tables: results/rank.md, results/matrix.md.  Plots: results/rank.svg, results/matrix.svg (and .png).
One answer: ./mokao report audit --db $db --suite logic --item logic-001
TXT
exit $status
