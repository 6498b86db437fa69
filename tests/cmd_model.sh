#!/bin/sh
# A model for the tests of cmd: that misbehaves as its first argument says.
id() { printf %s "$1" | sed 's/.*"id":"\([0-9]*\)".*/\1/'; }
say() { printf '{"id":"%s","text":"%s","output_tokens":3,"prompt_tokens":7}\n' "$(id "$1")" "$2"; }
prompt() { printf %s "$1" | sed 's/.*"prompt":"\([^"]*\)".*/\1/'; }
way=$1 place=${2:-}
while IFS= read -r line; do
    case $way in
    echo) say "$line" "$(prompt "$line")" ;;
    reverse) # reads three, answers the last first
        IFS= read -r second
        IFS= read -r third
        say "$third" "$(prompt "$third")"
        say "$second" "$(prompt "$second")"
        say "$line" "$(prompt "$line")"
        ;;
    once) # ends after each answer
        say "$line" once
        exit 0
        ;;
    die)
        echo "no such weights; $MOKAO_TEST_API_KEY" >&2
        exit 3
        ;;
    die-once) # the first process that is asked "b" ends
        if [ "$(prompt "$line")" = b ] && mkdir "$place" 2>/dev/null; then exit 1; fi
        say "$line" "$(prompt "$line")"
        ;;
    kill) kill -9 $$ ;;
    hang) sleep 30 ;;
    garbage) echo "Loading the model ..." ;;
    wrong-id) echo '{"id":"no","text":"x"}' ;;
    number-id) printf '{"id":%s,"text":"x"}\n' "$(id "$line")" ;;
    twice)
        say "$line" x
        say "$line" x
        ;;
    half)
        printf '{"id":"%s","te' "$(id "$line")"
        exit 0
        ;;
    no-text) printf '{"id":"%s","finish":"stop"}\n' "$(id "$line")" ;;
    bytes) printf '{"id":"%s","text":"\377"}\n' "$(id "$line")" ;;
    nul) printf '{"id":"%s","text":"a\000b"}\n' "$(id "$line")" ;;
    long) head -c 70000000 /dev/zero | tr '\0' x ;;
    refuse) printf '{"id":"%s","error":{"code":"FILTERED","message":"\344\270\215"}}\n' "$(id "$line")" ;;
    own-code) printf '{"id":"%s","error":{"code":"E42","message":"m"}}\n' "$(id "$line")" ;;
    busy) # busy at first, then an answer
        if mkdir "$place" 2>/dev/null; then
            printf '{"id":"%s","error":{"code":"RATE","message":"m","retry":true}}\n' "$(id "$line")"
        else
            say "$line" later
        fi
        ;;
    score) printf '{"id":"%s","logprobs":[-2,-0.5],"option_tokens":[1,1]}\n' "$(id "$line")" ;;
    short-score) printf '{"id":"%s","logprobs":[-2],"option_tokens":[1]}\n' "$(id "$line")" ;;
    blank) # empty lines and CR are no answers and no faults
        printf '\n\r\n'
        printf '{"id":"%s","text":"x"}\r\n' "$(id "$line")"
        ;;
    esac
done
