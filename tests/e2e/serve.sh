# The endpoint as clients see it: every route, refusals, streams, many at once.
. tests/e2e.sh
model=tests/golden/tiny/qwen2.gguf
same() { [ "$1" = "$2" ]; }
# A value out of a JSON file, by SQLite's path.
member() { sqlite3 :memory: "SELECT json_extract(CAST(readfile('$1') AS TEXT), '$2')"; }
lacks() { ! grep -qF -- "$2" "$1"; }

# serve NAME OPTION...: starts one; url, pid, and its files $TMP/NAME.url, .log
serve() {
    name=$1
    shift
    "$MOKAO" serve -m $model --name tiny --template plain --port 0 --threads 1 "$@" >"$TMP/$name.url" 2>"$TMP/$name.log" &
    pid=$!
    i=0
    while [ ! -s "$TMP/$name.url" ] && [ $i -lt 200 ]; do
        sleep 0.1
        i=$((i + 1))
    done
    url=$(cat "$TMP/$name.url")
}
stop() { # the last one; its exit status in $rc
    kill -INT $pid
    wait $pid
    rc=$?
}
get() { curl -sS -m 60 -o "$TMP/body" -w '%{http_code}' -H "Authorization: Bearer $token" "$@"; }
# ask PATH JSON: status, the answer in $TMP/body
ask() { get -H 'Content-Type: application/json' --data-binary "$2" "$url$1"; }
# refused STATUS PARAM NAME PATH JSON
refused() {
    ok "$3" same "$(ask "$4" "$5")" "$1"
    ok "$3: says where" same "$(member "$TMP/body" '$.error.param')" "$2"
    ok "$3: says why" test -n "$(member "$TMP/body" '$.error.message')"
}

# --- starting
exits 2 "no model" timeout 20 "$MOKAO" serve
exits 2 "other machines need a token" timeout 20 "$MOKAO" serve -m $model --host 0.0.0.0 --no-auth --port 0
says err "token"
exits 2 "names of hosts are no addresses" timeout 20 "$MOKAO" serve -m $model --host some.example --port 0
exits 2 "an empty token" env MOKAO_SERVE_TOKEN= timeout 20 "$MOKAO" serve -m $model --port 0
says err "MOKAO_SERVE_TOKEN"
exits 2 "an unknown template" timeout 20 "$MOKAO" serve -m $model --template nonsense --port 0
says err "nonsense"
exits 4 "a missing file" timeout 20 "$MOKAO" serve -m gguf:none.gguf --port 0

serve a --db "$TMP/none.db"
token=$(sed -n 's/^token: //p' "$TMP/a.log")
root=${url%/v1}
ok "prints an address" test -n "$root"
ok "and a token" test ${#token} -eq 48
exits 4 "a port that is taken" timeout 20 "$MOKAO" serve -m $model --port "${root##*:}"
says err "cannot listen"

# --- who may ask
ok "health needs no token" same "$(curl -sS -m 9 "$root/health")" '{"status":"ok"}'
for path in / /v1/models /v1/completions; do
    ok "no token: $path" same "$(curl -sS -m 9 -o "$TMP/body" -w '%{http_code}' "$root$path")" 401
    ok "in the API's shape: $path" same "$(member "$TMP/body" '$.error.code')" invalid_api_key
done
ok "a wrong token" same "$(curl -sS -m 9 -o "$TMP/body" -w '%{http_code}' -H "Authorization: Bearer x$token" "$url/models")" 401
ok "no password for the API" same "$(curl -sS -m 9 -o "$TMP/body" -w '%{http_code}' -u ":$token" "$url/models")" 401
ok "another host's name" same "$(get -H 'Host: evil.example' "$url/models")" 403
ok "another page's request" same "$(get -H 'Origin: http://evil.example' "$url/models")" 403
ok "the page by password" same "$(curl -sS -m 9 -o "$TMP/body" -w '%{http_code}' -u ":$token" "$root/")" 200
ok "no results yet" grep -q "no results yet" "$TMP/body"

# --- models, errors
ok "models" same "$(get "$url/models")" 200
ok "one model" same "$(member "$TMP/body" '$.data[0].id')" tiny
ok "a model" same "$(get "$url/models/tiny")" 200
ok "its id" same "$(member "$TMP/body" '$.id')" tiny
ok "no such model" same "$(get "$url/models/other")" 404
ok "no such path" same "$(get "$url/nothing")" 404
ok "no such method" same "$(get "$url/completions")" 405
ok "no such method on the page" same "$(get -X DELETE "$root/")" 405
refused 400 "" "no JSON" /completions '{"model"'
refused 404 model "another model" /completions '{"model":"gpt-4","prompt":"a"}'
refused 400 prompt "no prompt" /completions '{"model":"tiny"}'
refused 400 n "a wrong number" /completions '{"model":"tiny","prompt":"a","n":0}'
refused 400 messages "no messages" /chat/completions '{"model":"tiny","prompt":"a"}'
refused 400 prompt "too long" /completions '{"model":"tiny","prompt":"a","max_tokens":5000}'
ok "with its code" same "$(member "$TMP/body" '$.error.code')" context_length_exceeded
head -c 17000000 /dev/zero | tr '\0' ' ' >"$TMP/large"
ok "a body that is too large" same "$(get --data-binary "@$TMP/large" "$url/completions")" 413
ok "its code" same "$(member "$TMP/body" '$.error.code')" request_too_large

# --- the tokenizer
ok "the tokenizer" same "$(get "$root/tokenizer_info")" 200
eos=$(member "$TMP/body" '$.eos_token')
ok "tells its end token" test -n "$eos"
tokens() { get -d "{\"prompt\":\"$1\",\"add_special_tokens\":false}" "$root/tokenize" >/dev/null && member "$TMP/body" '$.tokens'; }
ok "a control token has one id" same "$(tokens "$eos")" "[511]"
ok "but is text inside of text" test "$(tokens "a$eos" | tr -cd , | wc -c)" -gt 2
ids=$(tokens 模型abc)
ok "ids as text" same "$(get -d "{\"tokens\":$ids}" "$root/detokenize")" 200
ok "the same text" same "$(member "$TMP/body" '$.prompt')" 模型abc
ok "no text" same "$(get -d '{"prompt":7}' "$root/tokenize")" 400
ok "no ids" same "$(get -d '{"tokens":[1,99999]}' "$root/detokenize")" 400

# --- completions
ask /completions '{"model":"tiny","prompt":"abc","max_tokens":8,"temperature":0}' >"$TMP/status"
ok "a completion" same "$(cat "$TMP/status")" 200
ok "its object" same "$(member "$TMP/body" '$.object')" text_completion
text=$(member "$TMP/body" '$.choices[0].text')
exits 0 "generate" "$MOKAO" generate -m $model --prompt abc -n 8 --threads 1 --json
cp "$TMP/out" "$TMP/generate"
whole() { sed "s/$(printf '\357\277\275').*//"; } # as far as characters are whole
ok "says what generate says" same "$(echo "$text" | whole)" "$(member "$TMP/generate" '$.text' | whole)"
ok "counts tokens" same "$(member "$TMP/body" '$.usage.completion_tokens')" \
    "$(sqlite3 :memory: "SELECT json_array_length(CAST(readfile('$TMP/generate') AS TEXT), '\$.tokens')")"

# Echoed log-probabilities against generate's, and between the ways to ask.
ids=$(sqlite3 :memory: "WITH g (j) AS (SELECT CAST(readfile('$TMP/generate') AS TEXT))
    SELECT group_concat(v) FROM (SELECT value AS v FROM g, json_each(j, '\$.prompt_ids')
    UNION ALL SELECT json_extract(value, '\$.id') FROM g, json_each(j, '\$.tokens'))")
ok "echo of token ids" same "$(ask /completions "{\"model\":\"tiny\",\"prompt\":[$ids],\"max_tokens\":0,\"echo\":true,\"logprobs\":1}")" 200
cp "$TMP/body" "$TMP/echo"
ok "the first has none" same "$(member "$TMP/echo" '$.choices[0].logprobs.token_logprobs[0]')" ""
ok "the others are generate's" same "$(sqlite3 :memory: "WITH g (j) AS (SELECT CAST(readfile('$TMP/generate') AS TEXT)),
    s (j) AS (SELECT CAST(readfile('$TMP/echo') AS TEXT)),
    a (i, v) AS (SELECT key + json_array_length(g.j, '\$.prompt_ids'), json_extract(value, '\$.logprob')
        FROM g, json_each(g.j, '\$.tokens')),
    b (i, v) AS (SELECT key, value FROM s, json_each(s.j, '\$.choices[0].logprobs.token_logprobs'))
    SELECT count(*) > 1 AND max(abs(a.v - b.v)) < 1e-12 FROM a JOIN b USING (i)")" 1
ok "a list of lists" same "$(ask /completions "{\"model\":\"tiny\",\"prompt\":[[$ids],[$ids]],\"max_tokens\":1,\"echo\":true,\"logprobs\":1}")" 200
for i in 0 1; do
    ok "the same again ($i)" same "$(member "$TMP/body" "\$.choices[$i].logprobs.token_logprobs" | sed 's/,[^,]*$//')" \
        "$(member "$TMP/echo" '$.choices[0].logprobs.token_logprobs' | sed 's/]$//')"
done
ok "echo of text" same "$(ask /completions '{"model":"tiny","prompt":["模型abc","b"],"max_tokens":2,"echo":true,"logprobs":0,"temperature":0}')" 200
ok "begins with it" test "$(member "$TMP/body" '$.choices[0].text' | cut -c 1-9)" = "模型abc"
ok "offsets count characters" same "$(sqlite3 :memory: "WITH s (j) AS (SELECT CAST(readfile('$TMP/body') AS TEXT))
    SELECT count(*) FROM s, json_each(j, '\$.choices[0].logprobs.tokens') AS t
    WHERE t.value NOT LIKE 'bytes:%' AND t.value NOT LIKE '<|%' AND substr(json_extract(j, '\$.choices[0].text'),
    1 + json_extract(j, '\$.choices[0].logprobs.text_offset[' || t.key || ']'), length(t.value)) <> t.value")" 0
ask /completions '{"model":"tiny","prompt":"abc","max_tokens":20,"seed":7,"n":3}' >/dev/null
member "$TMP/body" '$.choices' >"$TMP/seeded"
ask /completions '{"model":"tiny","prompt":"abc","max_tokens":20,"seed":7,"n":3}' >/dev/null
ok "a seed gives the same again" same "$(member "$TMP/body" '$.choices')" "$(cat "$TMP/seeded")"
ok "and choices differ" test "$(member "$TMP/body" '$.choices[0].text')" != "$(member "$TMP/body" '$.choices[1].text')"

# --- streams
events() { # of the stream in $TMP/body, as one JSON array
    sed -n 's/^data: //p' "$TMP/body" | grep -v '^\[DONE\]' | tr '\n' ',' | sed 's/^/[/; s/,$/]/' >"$TMP/events"
}
joined() { sqlite3 :memory: "SELECT group_concat(json_extract(value, '$1'), '') FROM json_each(CAST(readfile('$TMP/events') AS TEXT))"; }
ask /completions '{"model":"tiny","prompt":"abc","max_tokens":8,"temperature":0,"stream":true,"stream_options":{"include_usage":true}}' >/dev/null
events
ok "a stream ends with its mark" same "$(tail -n 2 "$TMP/body" | head -n 1)" 'data: [DONE]'
ok "says the same" same "$(joined '$.choices[0].text')" "$text"
ok "with usage" same "$(member "$TMP/events" '$[#-1].usage.completion_tokens')" 8
chat='"model":"tiny","messages":[{"role":"user","content":"abc"}],"max_completion_tokens":8,"temperature":0'
ok "a chat" same "$(ask /chat/completions "{$chat,\"logprobs\":true,\"top_logprobs\":2}")" 200
said=$(member "$TMP/body" '$.choices[0].message.content')
ok "its role" same "$(member "$TMP/body" '$.choices[0].message.role')" assistant
ok "its tops" same "$(sqlite3 :memory: "SELECT json_array_length(CAST(readfile('$TMP/body') AS TEXT), '\$.choices[0].logprobs.content[0].top_logprobs')")" 2
ask /chat/completions "{$chat,\"stream\":true}" >/dev/null
events
ok "a chat's stream says the same" same "$(joined '$.choices[0].delta.content')" "$said"
ok "begins with the role" same "$(member "$TMP/events" '$[0].choices[0].delta.role')" assistant
ok "ends with the reason" test -n "$(member "$TMP/events" '$[#-1].choices[0].finish_reason')"
first=$(sqlite3 :memory: "SELECT substr('$text', 3, 1)")
ask /completions "$(sqlite3 :memory: "SELECT json_object('model', 'tiny', 'prompt', 'abc', 'max_tokens', 8, 'temperature', 0, 'stop', '$first')")" >/dev/null
ok "a stop string ends it" same "$(member "$TMP/body" '$.choices[0].finish_reason')" stop
member "$TMP/body" '$.choices[0].text' >"$TMP/cut"
ok "and is no part of the text" lacks "$TMP/cut" "$first"

# --- sixteen at once say what each says alone
request() { echo "{\"model\":\"tiny\",\"prompt\":\"some words in common, then $(($1 * 7919)) ${2:-}\",\"max_tokens\":60,\"seed\":$1,\"logprobs\":2,\"echo\":true}"; }
all() { seq 1 16; }
for i in $(all); do
    curl -sS -m 100 -H "Authorization: Bearer $token" -d "$(request "$i")" "$url/completions" >"$TMP/many.$i" &
    clients="${clients:-} $!"
done
# shellcheck disable=SC2086
wait $clients
bad=0
for i in $(all); do
    ask /completions "$(request "$i")" >/dev/null
    same "$(member "$TMP/body" '$.choices')" "$(member "$TMP/many.$i" '$.choices')" || bad=$((bad + 1))
    test -n "$(member "$TMP/body" '$.choices[0].text')" || bad=$((bad + 1))
done
ok "sixteen at once say what each says alone" same $bad 0

# --- clients that go, and the end
curl -sS -m 0.2 -H "Authorization: Bearer $token" -d '{"model":"tiny","prompt":"a","max_tokens":500,"n":64,"ignore":1}' \
    "$url/completions" >/dev/null 2>&1
ok "a client that goes away does no harm" same "$(get "$url/models")" 200
rm -f "$TMP/body"
curl -sS -m 60 -H "Authorization: Bearer $token" -d '{"model":"tiny","prompt":"a","max_tokens":300,"n":8,"stream":true}' \
    "$url/completions" >"$TMP/body" &
client=$!
i=0
while [ ! -s "$TMP/body" ] && [ $i -lt 100 ]; do
    sleep 0.1
    i=$((i + 1))
done
stop
wait $client
ok "Ctrl-C ends well" same $rc 0
ok "and finishes what is under way" grep -q '^data: \[DONE\]' "$TMP/body"
ok "the token is in no line of a request" same "$(grep -c "$token" "$TMP/a.log")" 1

# --- no token, a page with results
exits 0 "a run to show" "$MOKAO" run -m gguf:$model -s logic --limit 3 --completion --max-tokens 4 --threads 1 --db "$TMP/r.db"
token=none
serve b --no-auth --db "$TMP/r.db" --quiet
ok "without a token" same "$(curl -sS -m 9 -o "$TMP/body" -w '%{http_code}' "$url/models")" 200
ok "the page" same "$(curl -sS -m 9 -o "$TMP/body" -w '%{http_code}' "${url%/v1}/")" 200
ok "is the leaderboard" grep -q qwen2 "$TMP/body"
stop
ok "no line for each request" same "$(wc -c <"$TMP/b.log")" 0

# --- more at once than it admits
serve two --no-auth --concurrency 1 --queue 1
forty=$(for i in $(seq 40); do echo "-o $TMP/full.$i $url/completions"; done)
# shellcheck disable=SC2086
curl -sS -Z --parallel-immediate --parallel-max 40 -m 60 -w '%{http_code} %header{retry-after} %{filename_effective}\n' \
    -d '{"model":"tiny","prompt":"a","max_tokens":100,"n":2}' $forty >"$TMP/forty" 2>/dev/null
admitted=$(grep -c '^200 ' "$TMP/forty")
ok "some are answered" test "$admitted" -ge 1 -a "$admitted" -lt 40
ok "the others are told for how long to wait" same "$(grep -c '^429 [1-9]' "$TMP/forty")" $((40 - admitted))
bad=0
for f in $(sed -n 's/^429 [0-9]* //p' "$TMP/forty"); do
    same "$(member "$f" '$.error.code')" rate_limit_exceeded || bad=$((bad + 1))
done
ok "in the API's shape" same $bad 0
ok "then there is room" same "$(ask /completions '{"model":"tiny","prompt":"b","max_tokens":2,"n":2}')" 200
# A run with more in flight than are admitted waits, and loses nothing.
python3 tests/mock/suite.py "$TMP/twelve" 12
exits 0 "a run of twelve at once" env MOKAO_SERVE_TOKEN=unused "$MOKAO" run -m "mokao:$url#tiny" -s "$TMP/twelve" \
    --max-tokens 8 --temperature 0 --ask generate --concurrency 12 --db "$TMP/two.db"
ok "some had to wait" test "$(sqlite3 "$TMP/two.db" 'SELECT max(attempts) FROM response')" -gt 1
ok "all are answered" same "$(sqlite3 "$TMP/two.db" 'SELECT (SELECT count(*) FROM response), (SELECT count(*) FROM failure)')" '12|0'
stop

MOKAO_SERVE_TOKEN=from-outside
export MOKAO_SERVE_TOKEN
serve c
token=from-outside
ok "a token from outside" same "$(get "$url/models")" 200
stop
ok "is not printed" lacks "$TMP/c.log" from-outside
finish
