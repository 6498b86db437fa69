# Models behind providers: what is listed, what is missing, what is told.
. tests/e2e.sh
key=sk-0123456789abcdef # must never be seen anywhere
unset ZHIPUAI_API_KEY ZAI_API_KEY MOKAO_PROVIDERS VLLM_API_KEY VLLM_BASE_URL
export XDG_CONFIG_HOME="$TMP/config"
same() { [ "$1" = "$2" ]; }
lacks() { ! grep -qF -- "$2" "$1"; }
row() { "$MOKAO" model list --providers --format csv | grep "^$1,"; }

# --- the table
exits 0 "model list --providers" "$MOKAO" model list --providers
says out "zhipu"
says out "ZHIPUAI_API_KEY / ZAI_API_KEY"
exits 0 "the table as JSON" "$MOKAO" model list --providers --json
cp "$TMP/out" "$TMP/list"
for id in $(sed -n 's/^      "id": "\([^"]*\)".*/\1/p' runners/providers.json); do
    ok "$id is listed" grep -q "\"$id\"" "$TMP/list"
    ok "$id is in docs/providers.md" grep -q "^| \`$id\` |" docs/providers.md
done
ok "a key that is not set" sh -c 'echo "$1" | grep -q ",no,"' sh "$(row zhipu)"
ok "a server of one's own needs none" sh -c 'echo "$1" | grep -q ",not needed,"' sh "$(row vllm)"
export ZHIPUAI_API_KEY=$key
ok "a key that is set" sh -c 'echo "$1" | grep -q ",yes,"' sh "$(row zhipu)"
"$MOKAO" model list --providers --format csv >"$TMP/table"
ok "a key is not shown" lacks "$TMP/table" "$key"
unset ZHIPUAI_API_KEY

# --- a row of one's own
cat >"$TMP/rows.json" <<'EOF'
{"providers":[{"id":"acme","aliases":["某厂"],"base_url":"http://127.0.0.1:9/v1","paths":{"chat":"/chat/completions"},"env":{"key":"ACME_KEY"}}]}
EOF
ok "a row of one's own" sh -c 'MOKAO_PROVIDERS="$1" "$0" model list --providers --format csv | grep -q "^acme,"' "$MOKAO" "$TMP/rows.json"
echo '{"providers":[{"id":"acme","auth":"magic"}]}' >"$TMP/bad.json"
exits 2 "a faulty row" env MOKAO_PROVIDERS="$TMP/bad.json" "$MOKAO" model list --providers
says err "bad.json: row acme: auth: no \"magic\""

# --- what is wrong with a spec
exits 2 "a provider that there is not" "$MOKAO" model check opnai:gpt-4o
says err 'did you mean "openai"?'
exits 2 "a key in an address" "$MOKAO" model check "http://user:$key@127.0.0.1:9/v1#m"
ok "it is not shown" lacks "$TMP/err" "$key"
exits 4 "a missing key is named" "$MOKAO" model check zhipu:glm-4
says err "ZHIPUAI_API_KEY"
exits 4 "nobody answers" env ACME_KEY=$key MOKAO_PROVIDERS="$TMP/rows.json" "$MOKAO" model check 某厂:m
ok "a key is in no message" lacks "$TMP/err" "$key"
ok "a key is in no table" lacks "$TMP/out" "$key"
finish
