#!/bin/sh
# make bench: figures of this machine.  Engine speed on every model that is in
# models/; what the peers do on the same files is compared in docs/benchmarks.md.
set -u
threads=$(nproc)
for f in models/*.gguf; do
    [ -e "$f" ] || { echo "no models/*.gguf: make models"; exit 4; }
    ./mokao bench -m "$f" -p 128,512 -n 64 -t "$threads" -r 5 || exit
done
sh tests/bench/remote.sh
sh tests/bench/scores.sh
echo "matchers on junk: kind, junk, bytes, ms of CPU; the slowest"
MOKAO_TIMES=table build/release/tests/t_match_any | grep -P '\t' | sort -t "$(printf '\t')" -k 4 -n -r | head -n 10
