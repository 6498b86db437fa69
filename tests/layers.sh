#!/bin/sh
# Checks every #include "..." against tests/layers.txt: a folder may include
# itself and what stands after its colon.
set -u
bad=0
for f in $(git ls-files --cached --others --exclude-standard -- '*.c' '*.h' '*.cu'); do
    layer=$(dirname "$f")
    while ! grep -q "^$layer:" tests/layers.txt; do
        [ "$layer" = . ] && break
        layer=$(dirname "$layer")
    done
    allowed=$(sed -n "s|^$layer:||p" tests/layers.txt)
    case $allowed in *'*'*) continue ;; esac
    for inc in $(sed -n 's/^ *# *include "\([^"]*\)".*/\1/p' "$f"); do
        fine=0
        case $inc in "$layer"/*)
            rest=${inc#"$layer"/}
            case $rest in */*) ;; *) fine=1 ;; esac ;;
        esac
        for a in $allowed; do
            case $inc in "$a" | "$a"/*)
                rest=${inc#"$a"}
                case ${rest#/} in */*) ;; *) fine=1 ;; esac ;;
            esac
        done
        if [ $fine -eq 0 ]; then
            echo "$f: may not include \"$inc\" (tests/layers.txt)"
            bad=1
        fi
    done
done
exit $bad
