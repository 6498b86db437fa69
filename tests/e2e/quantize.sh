# mokao quantize: a file in another type is made, shown, run; mistakes are told.
. tests/e2e.sh
in=tests/golden/tiny/qwen2.gguf out=$TMP/q.gguf

exits 0 "quantize" "$MOKAO" quantize $in "$out" q8_0
says out "Q8_0"
exits 0 "the new file runs" "$MOKAO" generate -m "$out" -p "Hello" -n 4 --threads 1
exits 2 "a file that is there is kept" "$MOKAO" quantize $in "$out" Q4_0
says err "--force"
exits 0 "--force replaces it" "$MOKAO" quantize $in "$out" Q4_K --force --json
says out "rows are no multiple of 256"
exits 0 "the new types are shown" "$MOKAO" model show "$out"
says out "Q5_0"
exits 2 "the input is never the output" "$MOKAO" quantize $in $in Q4_0 --force
says err "the input itself"
exits 2 "quantised tensors only when asked" "$MOKAO" quantize "$out" "$TMP/again.gguf" Q4_0
says err "--requantize"
exits 0 "quantised tensors" "$MOKAO" quantize "$out" "$TMP/again.gguf" Q4_0 --requantize --tensors -f csv
says err "warning"
says out "blk.0.attn_q.weight,Q5_0,Q4_0"
exits 2 "an unknown type" "$MOKAO" quantize $in "$TMP/x.gguf" Q4_K_M
says err "expected one of F32 F16"
exits 2 "a missing argument" "$MOKAO" quantize $in "$TMP/x.gguf"
says err "TYPE is missing"
exits 4 "a missing file" "$MOKAO" quantize none.gguf "$TMP/x.gguf" Q8_0
exits 4 "a missing folder" "$MOKAO" quantize $in "$TMP/no/x.gguf" Q8_0
ok "nothing else is left" test "$(find "$TMP" -name '*.tmp-*' | wc -l)" -eq 0
finish
