# HTTP/2: nghttpx with a test's certificate stands before the mock, so calls
# share connections; what breaks in one of them, or breaks them all, loses
# nothing.
. tests/e2e.sh
. tests/mock.sh
PATH=$PATH:/usr/sbin
command -v nghttpx >/dev/null || { skip "no nghttpx (Debian: nghttp2-proxy): HTTP/2 is not tested"; finish; }
full=$([ "${MOKAO_TEST_MODE:-full}" = quick ] || echo yes)
same() { [ "$1" = "$2" ]; }
judge() { python3 tests/mock/judge.py "$@"; }
sql() { sqlite3 "$TMP/$1.db" "$2"; }

front_pid=''
# front_start OPTION...: listens on $port.
front_start() {
    nghttpx --conf=/dev/null --single-process --workers=1 --no-ocsp -f "127.0.0.1,$port" -b "127.0.0.1,$back" \
        --accesslog-file="$TMP/access" --accesslog-format='$remote_port $alpn $status' --errorlog-file="$TMP/front" \
        "$@" "$TMP/key.pem" "$TMP/cert.pem" >/dev/null 2>&1 &
    front_pid=$!
    front_wait=0
    until grep -q Listening "$TMP/front" 2>/dev/null; do
        front_wait=$((front_wait + 1))
        [ $front_wait -lt 100 ] && kill -0 $front_pid 2>/dev/null || return 1
        sleep 0.1
    done
}
# front OPTION...: HTTP/2 before the mock, on a port of its own.
front() {
    for _ in 1 2 3; do
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        rm -f "$TMP/front" "$TMP/access"
        front_start "$@" && return
        front_stop
    done
    echo "FAILED: nghttpx does not start"
    cat "$TMP/front"
    exit 1
}
front_stop() {
    [ -n "$front_pid" ] || return 0
    kill -9 "$front_pid" 2>/dev/null
    wait "$front_pid" 2>/dev/null
    front_pid=''
}
trap '[ -z "$front_pid" ] || kill -9 "$front_pid"; [ -z "$mock_pid" ] || kill "$mock_pid"; rm -rf "$TMP"' EXIT

# run NAME MODEL N OPTION...: N items asked of the model x, through nghttpx
run() {
    run_name=$1 run_model=$2 run_n=$3
    shift 3
    judge model "$TMP/m" openai "$run_model" "$TMP/direct.json"
    sed "s|http://127.0.0.1:$back/|https://127.0.0.1:$port/|" "$TMP/direct.json" >"$TMP/$run_name.json"
    "$MOKAO" run -m x --models "$TMP/$run_name.json" -s "$TMP/s$run_n" --db "$TMP/$run_name.db" --ask generate \
        --rpm 1000000 --tpm 1000000000 "$@"
}
connections() { cut -d' ' -f1 "$TMP/access" | sort -u | wc -l; }
most_busy() { sed -n 's/.*"busy": \([0-9]*\).*/\1/p' "$TMP/m/log" | sort -n | tail -n 1; }
all_h2() { same "$(cut -d' ' -f2 "$TMP/access" | sort -u)" h2; }

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>/dev/null
for n in 6 40 300; do
    python3 tests/mock/suite.py "$TMP/s$n" $n
done
mock "$TMP/m" --only openai
back=$(sed -n 's|.*http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$TMP/m/models.json")

# A certificate that nobody vouches for is refused here too.
front
exits 4 "an unknown certificate" run untrusted mock 6
says err SSL_CERT_FILE
cat "$TMP/out" "$TMP/err" >>"$TMP/said"
ok "nothing was sent" same "$(grep -c '"try"' "$TMP/m/log")" 0
SSL_CERT_FILE=$TMP/cert.pem
export SSL_CERT_FILE

# Whole and streamed, all of them over one connection and many at once.
for how in whole stream; do
    stream=''
    [ $how = whole ] || stream=--stream
    front_stop
    front
    : >"$TMP/m/log"
    exits 0 "40 answers ($how)" run $how mock~delay100 40 --concurrency 20 $stream
    cat "$TMP/out" "$TMP/err" >>"$TMP/said"
    ok "each right, its tokens told ($how)" judge complete "$TMP/m" "$TMP/$how.db" 40 0
    ok "by HTTP/2 and nothing else ($how)" all_h2
    ok "over one connection ($how)" same "$(connections)" 1
    ok "many at once ($how)" test "$(most_busy)" -ge 10
    ok "streamed as it was asked for ($how)" same "$(grep -c '"stream": true' "$TMP/m/log")" \
        "$([ $how = whole ] && echo 0 || echo 40)"
done

# What befalls one call leaves those beside it alone: a status, a stream that
# is reset in the middle of its answer (what nghttpx makes of a cut), a time.
for fault in $([ -z "$full" ] && echo cut || echo 503 cut reset stall); do
    stream='' patience=60
    [ $fault != cut ] || stream=--stream
    [ $fault != stall ] || patience=5
    : >"$TMP/m/log"
    : >"$TMP/access"
    exits 0 "$fault, then all is well" run $fault "mock~delay50~$fault~every4~times1" 40 --concurrency 20 \
        --timeout $patience $stream
    cat "$TMP/out" "$TMP/err" >>"$TMP/said"
    ok "$fault: 40 right answers" judge complete "$TMP/m" "$TMP/$fault.db" 40 0
    ok "$fault: ten were asked twice" same "$(sql $fault "SELECT attempts, count(*) FROM response GROUP BY 1")" \
        "$(printf '1|30\n2|10')"
    ok "$fault: over one connection" same "$(connections)" 1
done

if [ -n "$full" ]; then
    # A server that takes 15 requests a connection and says GOAWAY then.
    front_stop
    front --frontend-max-requests=15
    : >"$TMP/m/log"
    exits 0 "connections that end in good order" run away mock~delay50 40 --concurrency 20 --stream
    ok "40 right answers, none asked twice" judge complete "$TMP/m" "$TMP/away.db" 40 0
    ok "they did end" test "$(connections)" -ge 2

    # As many on a connection as the server takes, if it says so before they are
    # sent: libcurl takes 100 for granted until then.
    front_stop
    front --frontend-http2-max-concurrent-streams=1000
    for try in 1 2 3; do
        : >"$TMP/m/log"
        : >"$TMP/access"
        exits 0 "300 in flight" run one$try mock~delay2000 300 --concurrency 300
        ok "300 right answers" judge complete "$TMP/m" "$TMP/one$try.db" 300 0
        [ "$(connections)" -gt 1 ] || break
    done
    ok "over one connection" same "$(connections)" 1

    # More at a time than a connection takes: none waits for room in it.  (Those
    # beyond it get a connection each: so libcurl does once it knows of HTTP/2.)
    front_stop
    front --frontend-http2-max-concurrent-streams=50
    : >"$TMP/m/log"
    : >"$TMP/access"
    exits 0 "300 in flight, 50 a connection" run many mock~delay2000 300 --concurrency 300
    ok "300 right answers" judge complete "$TMP/m" "$TMP/many.db" 300 0
    ok "fewer connections than calls" test "$(connections)" -ge 2 -a "$(connections)" -lt 300
    ok "more at once than a connection takes" test "$(most_busy)" -gt 50
    ok "by HTTP/2 alone" all_h2

    # The connection is cut with 32 calls on it; the server is back at once.
    front_stop
    front
    : >"$TMP/m/log"
    (run cut32 mock~delay200 300 --concurrency 32 --retries 6 >>"$TMP/said" 2>&1) &
    runner=$!
    waited=0
    while [ "$(grep -c '"try"' "$TMP/m/log")" -lt 100 ] && [ $waited -lt 600 ]; do
        sleep 0.05
        waited=$((waited + 1))
    done
    front_stop
    rm -f "$TMP/front"
    front_start || { echo "FAILED: nghttpx does not start again"; exit 1; }
    wait $runner
    ok "a connection that breaks ends no run" same $? 0
    ok "none is lost, none asked without need" judge complete "$TMP/m" "$TMP/cut32.db" 300 64
    ok "what was in flight was asked again" test "$(sql cut32 'SELECT count(*) FROM response WHERE attempts > 1')" -gt 0
fi
front_stop
mock_stop
no_leak "no key is stored, printed or logged" "$TMP"/*.db "$TMP/said" "$TMP/access" "$TMP/front" "$TMP/m/log"
finish
