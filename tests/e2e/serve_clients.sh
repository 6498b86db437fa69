# Clients of others, unchanged, where their Python packages are installed
# (PYTHON names the interpreter): openai; lm-eval against mokao run.
. tests/e2e.sh
: "${PYTHON:=python3}"
model=tests/golden/tiny/qwen2.gguf
has() { "$PYTHON" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$1') is None)" 2>/dev/null; }
has openai || has lm_eval || {
    skip "no Python package openai or lm-eval"
    finish
}
MOKAO_SERVE_TOKEN=for-the-test
export MOKAO_SERVE_TOKEN OPENAI_API_KEY=$MOKAO_SERVE_TOKEN HF_HUB_OFFLINE=1 HF_HOME=$TMP/hf TMP
"$MOKAO" serve -m $model --name tiny --template plain --port 0 --threads 1 --quiet >"$TMP/url" &
pid=$!
i=0
while [ ! -s "$TMP/url" ] && [ $i -lt 200 ]; do
    sleep 0.1
    i=$((i + 1))
done
OPENAI_BASE_URL=$(cat "$TMP/url")
export OPENAI_BASE_URL

if has openai; then
    cat >"$TMP/client.py" <<'PY'
import openai
from concurrent.futures import ThreadPoolExecutor

c = openai.OpenAI(timeout=60, max_retries=0)
assert [m.id for m in c.models.list()] == ["tiny"]
how = dict(model="tiny", messages=[{"role": "user", "content": "abc"}], max_completion_tokens=12, temperature=0)
whole = c.chat.completions.create(logprobs=True, top_logprobs=2, **how)
said, usage = "", None
for event in c.chat.completions.create(stream=True, stream_options={"include_usage": True}, **how):
    said += (event.choices[0].delta.content or "") if event.choices else ""
    usage = event.usage or usage
assert said == whole.choices[0].message.content
assert usage.total_tokens == whole.usage.total_tokens
for choice in c.completions.create(model="tiny", prompt=["ab", "cd"], max_tokens=3, logprobs=2, echo=True).choices:
    l = choice.logprobs
    assert l.token_logprobs[0] is None
    assert len(l.tokens) == len(l.token_logprobs) == len(l.text_offset) == len(l.top_logprobs)


def refused(kind, ask):
    try:
        ask()
    except kind:
        return
    raise AssertionError(kind)


refused(openai.NotFoundError, lambda: c.completions.create(model="gpt-4", prompt="a"))
refused(openai.BadRequestError, lambda: c.completions.create(model="tiny", prompt="a", n=0))
refused(openai.AuthenticationError, lambda: openai.OpenAI(api_key="wrong", max_retries=0).models.list())


def one(seed):
    return c.completions.create(model="tiny", prompt=f"number {seed}", max_tokens=20, seed=seed).choices[0].text


with ThreadPoolExecutor(8) as pool:
    assert list(pool.map(one, range(8))) == [one(seed) for seed in range(8)]
PY
    ok "the openai package" timeout 120 "$PYTHON" "$TMP/client.py"
else
    skip "no Python package openai"
fi

if has lm_eval; then
    exits 0 "mokao run scores the options" "$MOKAO" run -m gguf:$model -s knowledge --limit 8 --ask score --completion --threads 1 --db "$TMP/r.db"
    sqlite3 "$TMP/r.db" "SELECT json_object('prompt', json_extract(p.json, '\$.prompt'), 'options', json_extract(p.json, '\$.options'),
        'run', json(r.logprobs)) FROM sample AS s JOIN prompt AS p ON p.pk = s.prompt JOIN response AS r ON r.sample = s.pk
        WHERE r.logprobs IS NOT NULL" >"$TMP/items.jsonl"
    cat >"$TMP/choices.yaml" <<YAML
task: choices
dataset_path: json
dataset_kwargs:
  data_files:
    test: $TMP/items.jsonl
test_split: test
output_type: multiple_choice
doc_to_text: "{{prompt}}"
doc_to_choice: "{{options}}"
doc_to_target: 0
target_delimiter: ""
metric_list:
  - metric: acc
YAML
    cat >"$TMP/compare.py" <<'PY'
import glob, json, os

names = glob.glob(os.environ["TMP"] + "/lm/**/samples_*.jsonl", recursive=True)
rows = [json.loads(line) for line in open(names[0], encoding="utf-8")]
assert len(rows) >= 4
for row in rows:
    ours = [v["logprob"] for v in row["doc"]["run"].values()]
    theirs = [float(r[0]) for r in row["filtered_resps"]]
    assert max(abs(a - b) for a, b in zip(ours, theirs)) < 1e-9, (ours, theirs)
PY
    ok "lm-eval's local-completions" timeout 250 "$PYTHON" -m lm_eval --model local-completions --tasks choices --include_path "$TMP" \
        --model_args "model=tiny,base_url=$OPENAI_BASE_URL/completions,auth_token=$MOKAO_SERVE_TOKEN,num_concurrent=4,max_length=400" \
        --log_samples --output_path "$TMP/lm"
    ok "gives the figures of mokao run" "$PYTHON" "$TMP/compare.py"
else
    skip "no Python package lm-eval"
fi
kill -INT $pid
wait $pid
ok "ends well" test $? -eq 0
finish
