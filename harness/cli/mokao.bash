# Completion for bash. Verbs and options are asked of the program itself, which
# answers in milliseconds, so that they are never out of date.
# shellcheck shell=bash
_mokao_verbs() {
    "$1" --help 2>/dev/null | sed -n 's/^  \([a-z]*\)  *[^ -].*/\1/p'
}
_mokao_options() {
    "$1" "$2" --help 2>/dev/null |
        sed -n 's/^  *\(-[a-z]\), \(--[a-z-]*\).*/\1 \2/p; s/^  *\(--[a-z-]*\).*/\1/p'
}
# First words of the lists in a verb's help: kinds of reports, formats.
_mokao_words() {
    case $2 in
    model) echo "list show check" ;;
    suite) echo "list show check new" ;;
    quantize) echo "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS" ;;
    report | import | export)
        "$1" "$2" --help 2>/dev/null |
            sed -n '/one of:$\|^Formats:$\|^Benchmarks:$/,$s/^  \([a-z-]*\)  .*/\1/p'
        ;;
    esac
}
_mokao() {
    local program=$1 word=$2 verb=${COMP_WORDS[1]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="$(_mokao_verbs "$program") --help --version"
    else
        case $before in
        --format) words="table md csv json html" ;;
        --by) words="ability difficulty group suite subset" ;;
        --verdict) words="correct cut-off failed near-tie refused unparsable unscored wrong" ;;
        --rubric) words="correct-en correct-zh grade-en grade-zh pairwise-en pairwise-zh" ;;
        --lang) words="zh en" ;;
        --ask) words="auto score generate" ;;
        --activations) words="q8 f32" ;;
        --device) words="auto cpu ref" ;;
        *)
            case $word in
            -*) words=$(_mokao_options "$program" "$verb") ;;
            *) [ "$COMP_CWORD" -eq "$([ "$verb" = quantize ] && echo 4 || echo 2)" ] && words=$(_mokao_words "$program" "$verb") ;;
            esac
            ;;
        esac
    fi
    while IFS= read -r line; do
        [ -n "$line" ] && COMPREPLY+=("$line")
    done < <(compgen -W "$words" -- "$word")
}
complete -o bashdefault -o default -F _mokao mokao
