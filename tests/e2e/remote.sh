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
exits 4 "wrong keys" env OPENAI_API_KEY=sk-mock-wrong TENCENTCLOUD_SECRET_KEY=wrong IFLYTEK_SPARK_API_SECRET=wrong \
    SENSENOVA_API_KEY= SENSENOVA_SECRET_ACCESS_KEY=wrong "$MOKAO" run -m openai -m tencent_hunyuan -m iflytek_spark_ws -m sensenova -m moonshot \
    --models "$TMP/m/models.json" -s "$TMP/colours" --ask generate --rpm 100000 --concurrency 2 \
    --db "$TMP/wrong.db"
cat "$TMP/out" "$TMP/err" >>"$TMP/said"
ok "are found out soon" test "$(grep -c '"denied"' "$TMP/m/log")" -le 24
# What was still waiting is told as not sent.
ok "as what they are" same "$(sqlite3 "$TMP/wrong.db" \
    "SELECT DISTINCT code FROM failure WHERE message NOT LIKE '%: not sent%'")" AUTH
ok "others are not stopped" same "$(sqlite3 "$TMP/wrong.db" 'SELECT count(*) FROM response')" $n
exits 4 "a key that is missing" env -u OPENAI_API_KEY \
    "$MOKAO" run -m openai --models "$TMP/m/models.json" -s "$TMP/colours" --db "$TMP/none.db"
says err OPENAI_API_KEY
mock_stop

# TLS: a certificate that nobody vouches for, and the same one vouched for.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$TMP/key.pem" -out "$TMP/cert.pem" 2>/dev/null
rm -f "$TMP/m/log" "$TMP/m/ready"
mock "$TMP/m" --only openai --tls "$TMP/cert.pem" "$TMP/key.pem"
tls() {
    "$MOKAO" run -m openai+tls --models "$TMP/m/models.json" -s "$TMP/colours" --ask generate --db "$TMP/$1.db"
}
exits 4 "an unknown certificate" tls untrusted
cat "$TMP/out" "$TMP/err" >>"$TMP/said"
ok "is a network error" same "$(sqlite3 "$TMP/untrusted.db" 'SELECT DISTINCT code FROM failure')" NET
ok "and gets no request" same "$(grep -c '"try"' "$TMP/m/log")" 0
SSL_CERT_FILE=$TMP/cert.pem
export SSL_CERT_FILE
exits 0 "a certificate that is vouched for" tls trusted
mock_stop
no_leak "no key is stored, printed or recorded" "$TMP"/*.db "$TMP"/*.jsonl "$TMP"/*.log "$TMP/said" "$TMP/m/log"
finish
