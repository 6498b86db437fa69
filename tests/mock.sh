# Sourced after tests/e2e.sh by the scripts that need mock vendors.
# shellcheck shell=sh
mock_pid=''

# mock DIR [OPTION...]: starts the server; DIR/models.json, DIR/log appear.
mock() {
    mock_dir=$1
    shift
    mkdir -p "$mock_dir"
    python3 tests/mock/mock.py --out "$mock_dir" "$@" >"$mock_dir/ready" 2>"$mock_dir/err" &
    mock_pid=$!
    mock_wait=0
    until grep -q ready "$mock_dir/ready" 2>/dev/null; do
        mock_wait=$((mock_wait + 1))
        if [ $mock_wait -gt 200 ] || ! kill -0 $mock_pid 2>/dev/null; then
            echo "FAILED: the mock server does not start"
            cat "$mock_dir/err"
            exit 1
        fi
        sleep 0.1
    done
}
# Ends it; it has found no fault in itself.
mock_stop() {
    [ -n "$mock_pid" ] || return 0
    kill "$mock_pid" 2>/dev/null
    wait "$mock_pid" 2>/dev/null
    mock_pid=''
    ok "the mock server is sound" test ! -s "$mock_dir/err"
}
trap '[ -z "$mock_pid" ] || kill "$mock_pid" 2>/dev/null; rm -rf "$TMP"' EXIT
eval "$(python3 tests/mock/keys.py)"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY CURL_CA_BUNDLE SSL_CERT_FILE
# No file of the user's has a say.
XDG_CONFIG_HOME=$TMP/config
export XDG_CONFIG_HOME
# no_leak NAME FILE...: none of the keys is in the files.
no_leak() {
    e2e_name=$1
    shift
    python3 tests/mock/keys.py secret >"$TMP/secrets"
    echo mock-minted- >>"$TMP/secrets"
    ok "$e2e_name" test -z "$(grep -laFf "$TMP/secrets" -- "$@")"
}
