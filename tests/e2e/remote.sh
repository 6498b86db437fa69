# Every provider's row, whole and streaming, against a mock of that vendor that
# verifies signatures and parameters; where keys go and where they do not.
. tests/e2e.sh
. tests/mock.sh
full=$([ "${MOKAO_TEST_MODE:-full}" = quick ] || echo yes)
n=$([ -z "$full" ] && echo 4 || echo 8)
same() { [ "$1" = "$2" ]; }
ok "the mock verifies signatures as the vendors do" python3 tests/mock/check.py tests/golden/signing.json
mock "$TMP/m"
python3 tests/mock/suite.py "$TMP/colours" $n
all=$(sed -n 's/.*"id": "\([^"]*\)".*/-m \1/p' "$TMP/m/models.json")
run() { # run DB OPTION...: all rows
    run_db=$1
    shift
    # shellcheck disable=SC2086
    "$MOKAO" run $all --models "$TMP/m/models.json" -s "$TMP/colours" --rpm 100000 --tpm 100000000 \
        --ask generate --temperature 0 --timeout 20 --db "$run_db" "$@"
}
for how in whole stream; do
    stream=''
    [ $how = whole ] || stream=--stream
    : >"$TMP/m/log"
    # shellcheck disable=SC2086
    exits 0 "every row answers ($how)" run "$TMP/$how.db" $stream --record "$TMP/$how.jsonl"
    cat "$TMP/out" "$TMP/err" >>"$TMP/said"
    ok "rightly, in its own shape ($how)" python3 tests/mock/judge.py rows "$TMP/m" "$TMP/$how.db" $n $how
    cp "$TMP/m/log" "$TMP/$how.log"
    ok "tokens are minted once a run" test "$(grep -c '"call": "minted"' "$TMP/m/log")" -le 2
done

# Models that want parameters left out, renamed or clamped; the mock refuses
# what their vendors refuse.
quirks=$(python3 tests/mock/judge.py quirks "$TMP/m" "$TMP/quirks.json")
: >"$TMP/m/log"
# shellcheck disable=SC2086
exits 0 "models with rules of their own" "$MOKAO" run $quirks --models "$TMP/quirks.json" -s "$TMP/colours" --limit 2 \
    --rpm 100000 --tpm 100000000 --ask generate --temperature 0 --top-p 1 --top-k 3 --db "$TMP/quirks.db"
ok "nothing is refused" same "$(grep -c '"refused"\|"denied"\|"lost"' "$TMP/m/log")" 0

# Options by the log-probabilities of the first token, or of the echoed prompt.
exits 0 "scores by log-probability" "$MOKAO" run -m openai -m deepseek -m vllm -m volc_ark -m aliyun_compat \
    --models "$TMP/m/models.json" -s "$TMP/colours" --rpm 100000 --tpm 100000000 --ask score --db "$TMP/score.db"
ok "as right as generation" same "$(sqlite3 "$TMP/score.db" \
    'SELECT DISTINCT answered, correct, wrong FROM leaderboard')" "$n|$((n * 3 / 4))|$((n / 4))"

# Dialogues have turns of their own: vendors that want them in turn get them so.
if [ -n "$full" ]; then
    # shellcheck disable=SC2086
    exits 0 "dialogues" "$MOKAO" run $all --models "$TMP/m/models.json" -s dialogue --limit 3 --rpm 100000 \
        --tpm 100000000 --ask generate --db "$TMP/talk.db"
fi

# Tokens that the vendor calls expired are minted anew.
kill -USR2 $mock_pid
: >"$TMP/m/log"
exits 0 "tokens that have expired" "$MOKAO" run -m baidu_qianfan_v1 -m huawei_pangu --models "$TMP/m/models.json" \
    -s "$TMP/colours" --fresh --db "$TMP/whole.db" --ask generate --rpm 100000 --concurrency 1

# A key that is wrong stops its model at once, and only that; one that is
# missing is named.
: >"$TMP/m/log"
exits 4 "wrong keys" env OPENAI_API_KEY=sk-mock-wrong GEMINI_API_KEY=wrong TENCENTCLOUD_SECRET_KEY=wrong \
    IFLYTEK_SPARK_API_SECRET=wrong SENSENOVA_API_KEY= SENSENOVA_SECRET_ACCESS_KEY=wrong HUAWEICLOUD_SDK_SK=wrong \
    QIANFAN_SK=wrong "$MOKAO" run -m openai -m gemini -m tencent_hunyuan -m iflytek_spark_ws -m sensenova -m huawei_pangu \
    -m baidu_qianfan_v1 -m moonshot \
    --models "$TMP/m/models.json" -s "$TMP/colours" --ask generate --rpm 100000 --concurrency 1 \
    --db "$TMP/wrong.db"
cat "$TMP/out" "$TMP/err" >>"$TMP/said"
for m in openai gemini; do
    says err "$m: stopped, 3 requests in a row failed: $m: HTTP 40"
done
says err "check the key and what it may use (GEMINI_API_KEY)"
# A token that is refused for ever is a wrong key in the end.
says err "huawei_pangu: stopped, 3 requests in a row failed: pangu: HTTP 401"
says err "baidu_qianfan_v1: stopped, there is no token: qianfan_v1: HTTP 401"
says out " not asked, 0 stored before"
ok "are found out soon" test "$(grep -c '"denied"' "$TMP/m/log")" -le 30
ok "as what they are" same "$(sqlite3 "$TMP/wrong.db" "SELECT DISTINCT code FROM failure")" AUTH
ok "others are not stopped" same "$(sqlite3 "$TMP/wrong.db" 'SELECT count(*) FROM response')" $n
exits 0 "the right ones are asked everything" "$MOKAO" run -m openai -m gemini --models "$TMP/m/models.json" \
    -s "$TMP/colours" --ask generate --rpm 100000 --db "$TMP/wrong.db"
ok "and answer all" same "$(sqlite3 "$TMP/wrong.db" 'SELECT count(*) FROM response')" $((3 * n))
exits 4 "a key that is missing" env -u OPENAI_API_KEY \
    "$MOKAO" run -m openai --models "$TMP/m/models.json" -s "$TMP/colours" --db "$TMP/none.db"
says err OPENAI_API_KEY
mock_stop

# TLS, under HTTP and under a WebSocket: a certificate that nobody vouches for,
# the same one vouched for, and one of another host.
certificate() { # certificate NAME SUBJECT
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mock -addext "subjectAltName=$2" \
        -keyout "$TMP/$1.key" -out "$TMP/$1.pem" 2>/dev/null
}
tls() { # tls MODEL DB OPTION...
    tls_model=$1 tls_db=$2
    shift 2
    "$MOKAO" run -m "$tls_model" --models "$TMP/m/models.json" -s "$TMP/colours" --ask generate --rpm 100000 \
        --db "$TMP/$tls_db.db" "$@"
}
refused() { # refused MODEL DB WHAT: by its certificate, before anything is sent
    exits 4 "$1: $3" tls "$1" "$2"
    says err SSL_CERT_FILE
    cat "$TMP/out" "$TMP/err" >>"$TMP/said"
    ok "$1: $3 is a network error" same "$(sqlite3 "$TMP/$2.db" 'SELECT DISTINCT code FROM failure')" NET
    ok "$1: what was not sent is no failure" same \
        "$(sqlite3 "$TMP/$2.db" "SELECT count(*) FROM failure WHERE message LIKE '%not sent%'")" 0
    ok "$1: and gets no request" same "$(grep -c '"try"\|"denied"' "$TMP/m/log")" 0
}
certificate here IP:127.0.0.1
certificate other DNS:other.example
rm -f "$TMP/m/log" "$TMP/m/ready"
mock "$TMP/m" --only openai,iflytek_spark_ws --tls "$TMP/here.pem" "$TMP/here.key"
for m in openai+tls iflytek_spark_ws+tls; do
    refused $m "$m-untrusted" "an unknown certificate"
done
SSL_CERT_FILE=$TMP/here.pem
export SSL_CERT_FILE
for m in openai+tls iflytek_spark_ws+tls; do
    exits 0 "$m: a certificate that is vouched for" tls $m $m
    cat "$TMP/out" "$TMP/err" >>"$TMP/said"
    ok "$m: all are answered" same "$(sqlite3 "$TMP/$m.db" \
        'SELECT answered, correct, wrong FROM leaderboard')" "$n|$((n * 3 / 4))|$((n / 4))"
done
# What frames are cut into by TLS and by the network makes no difference.
for fault in $([ -z "$full" ] && echo cut || echo slow cut reset masked hangup); do
    python3 tests/mock/judge.py model "$TMP/m" iflytek_spark_ws+tls "generalv3.5~$fault~every2" "$TMP/x.json"
    exits 0 "wss: $fault" "$MOKAO" run -m x --models "$TMP/x.json" -s "$TMP/colours" --ask generate --rpm 100000 \
        --db "$TMP/wss-$fault.db"
    ok "wss: $fault: all are answered" same "$(sqlite3 "$TMP/wss-$fault.db" 'SELECT count(*) FROM response')" $n
done
mock_stop
rm -f "$TMP/m/log" "$TMP/m/ready"
mock "$TMP/m" --only openai,iflytek_spark_ws --tls "$TMP/other.pem" "$TMP/other.key"
SSL_CERT_FILE=$TMP/other.pem
for m in openai+tls iflytek_spark_ws+tls; do
    refused $m "$m-other" "a certificate of another host"
done
mock_stop
no_leak "no key is stored, printed or recorded" "$TMP"/*.db "$TMP"/*.jsonl "$TMP"/*.log "$TMP/said" "$TMP/m/log"
finish
