#!/usr/bin/env bash
# Try the whole line of the product on the sample library; see usage below.
# shellcheck disable=SC2317 # every check is a function that is called by its name
set -euo pipefail

repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly repository
readonly question='Which BLEU score did the Transformer reach on WMT 2014 English-German?'
readonly off_topic='What is the best recipe for sourdough bread?'
passed=0
failed=0
server=''

usage() {
  cat <<'TEXT'
usage: smoke.sh BINARY

Syncs both samples into a new home folder, searches, asks, cites and serves,
and says of each check whether it holds. Ends with 0 when all do. Needs the
embedding model: make setup.
TEXT
}

# --- checks ----------------------------------------------------------------------------------

# check TITLE COMMAND…: holds when the command ends with 0; what it printed is shown when not.
check() {
  local title=$1
  shift
  if "$@" >"$tmp/check" 2>&1; then
    passed=$((passed + 1))
    printf 'ok   %s\n' "$title"
  else
    failed=$((failed + 1))
    printf 'FAIL %s\n' "$title"
    tail -n 20 "$tmp/check" | cut -c 1-1000 | sed 's/^/       /'
  fi
}

# lectern CODE OUT ARGUMENTS…: runs it on the home folder and compares its exit code.
lectern() {
  local expected=$1 out=$2 code=0
  shift 2
  timeout 300 "$binary" --home "$home" "$@" >"$tmp/$out" 2>"$tmp/$out.err" </dev/null || code=$?
  if ((code != expected)); then
    printf 'lectern %s: exit code %s, expected %s\n' "$*" "$code" "$expected"
    head -c 2000 "$tmp/$out"
    cat "$tmp/$out.err"
    return 1
  fi
}

# request STATUS TYPE OUT ARGUMENTS…: asks the server by curl, past any proxy.
request() {
  local expected="$1 $2" out=$3 got
  shift 3
  got=$(curl --silent --show-error --noproxy '*' --max-time 120 --output "$tmp/$out" \
    --write-out '%{http_code} %{content_type}' "$@")
  got=${got%%;*}
  if [[ $got != "$expected" ]]; then
    printf 'got "%s", expected "%s"\n' "$got" "$expected"
    head -c 2000 "$tmp/$out"
    return 1
  fi
}

# holds EXPRESSION NAME=FILE…: a Python expression over JSON documents.
holds() {
  (cd -- "$tmp" && python3 - "$@") <<'PYTHON'
import json
import sys

names = {}
for pair in sys.argv[2:]:
    name, _, file = pair.partition("=")
    with open(file, encoding="utf-8") as document:
        names[name] = json.load(document)
if not eval(sys.argv[1], names):
    print("does not hold:", sys.argv[1])
    for name in (pair.partition("=")[0] for pair in sys.argv[2:]):
        print(f"{name} =", json.dumps(names[name], ensure_ascii=False)[:3000])
    sys.exit(1)
PYTHON
}

says() { grep -qF -- "$1" "$tmp/$2" || { echo "\"$1\" is not in:" && head -c 2000 "$tmp/$2" && return 1; }; }

# --- the line, by commands -------------------------------------------------------------------

dry_run() {
  lectern 0 dry.json --json sync arxiv --from-file "$repository/samples/arxiv.xml" --dry-run &&
    holds 'len(dry["papers"]) == 60 and dry["rejected"] == []' dry=dry.json
}

sync_arxiv() {
  lectern 0 arxiv.json --json sync arxiv --from-file "$repository/samples/arxiv.xml" &&
    holds '(d["added"], d["updated"], d["unchanged"], d["rejected"]) == (60, 0, 0, 0)' d=arxiv.json
}

sync_scholar() {
  lectern 0 s2.json --json sync semantic-scholar --from-file "$repository/samples/semantic-scholar.json" &&
    holds '(d["added"], d["updated"], d["unchanged"], d["rejected"]) == (18, 16, 0, 0)' d=s2.json
}

sync_again() {
  lectern 0 again.json --json sync arxiv --from-file "$repository/samples/arxiv.xml" &&
    holds '(d["added"], d["updated"], d["unchanged"], d["rejected"]) == (0, 0, 60, 0)' d=again.json
}

count() {
  lectern 0 stats.json --json stats &&
    holds 'd["library"]["papers"] == 78 and d["index"]["watermark"] == d["library"]["revision"]' d=stats.json
}

search() {
  lectern 0 hits.json --json search 'attention is all you need' -k 5 &&
    holds 'len(d["hits"]) == 5 and d["hits"][0]["paper"]["ids"]["arxiv"] == "1706.03762"' d=hits.json
}

search_by_meaning() {
  holds 'd["mode"] == "hybrid" and any(h["scores"].get("dense") for h in d["hits"])' d=hits.json ||
    { echo 'no vectors were used: is the model installed? make setup' && return 1; }
}

search_filtered() {
  lectern 0 filtered.json --json search 'language model' --year-from 2020 --year-to 2021 &&
    holds 'd["hits"] and all(2020 <= h["paper"]["year"] <= 2021 for h in d["hits"])' d=filtered.json
}

# The paper that was asked for is the first hit of `search`.
readonly well_answered='a["status"] == "answered" and a["route"] == "quote" and any(
  "28.4" in c["quote"] and c["paper_id"] == s["hits"][0]["paper"]["id"] for c in a["citations"])'

ask() {
  lectern 0 answer.json --json ask "$question" &&
    holds "$well_answered" a=answer.json s=hits.json
}

readonly verbatim='all(
  c["quote"] == s["hits"][0]["paper"][c["section"]][c["start"]:c["end"]]
  for c in a["citations"] if c["paper_id"] == s["hits"][0]["paper"]["id"])'

ask_verbatim() { holds "$verbatim" a=answer.json s=hits.json; }

abstain() {
  lectern 4 abstained.json --json ask "$off_topic" &&
    holds 'd["status"] == "abstained" and not d["claims"] and not d["citations"]' d=abstained.json
}

cite_bibtex() {
  lectern 0 cite.bib cite arXiv:1706.03762 --format bibtex && says '@' cite.bib && says 'Vaswani' cite.bib
}

cite_ris() {
  lectern 0 cite.ris cite arXiv:1706.03762 --format ris && says 'TY  - ' cite.ris && says 'ER  -' cite.ris
}

cite_csl() {
  lectern 0 cite.json cite arXiv:1706.03762 --format csl-json &&
    holds 'len(d) == 1 and d[0]["author"][0]["family"] == "Vaswani"' d=cite.json
}

# --- wrong use -------------------------------------------------------------------------------

unknown_flag() { lectern 2 flag.out search --colour red cats && says 'colour' flag.out.err; }

unknown_setting() {
  LECTERN__SERVER__ADR=x lectern 2 setting.out config check && says 'server.addr' setting.out.err
}

empty_question() { lectern 2 empty.out ask '  ' && says 'empty' empty.out.err; }

malformed_id() { lectern 2 id.out cite 'not an id' && says 'not an id' id.out.err; }

unknown_id() { lectern 1 unknown.out cite arXiv:9912.99999 && says 'no paper' unknown.out.err; }

not_a_feed() {
  printf '<!doctype html><html><body>Sorry</body></html>' >"$tmp/page.html"
  lectern 1 page.out sync arxiv --from-file "$tmp/page.html" && says 'page.html' page.out.err
}

# --- the line, served ------------------------------------------------------------------------

start_server() {
  "$binary" --home "$home" serve --addr 127.0.0.1:0 >"$tmp/serve.out" 2>"$tmp/serve.err" </dev/null &
  server=$!
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    url=$(sed -n 's#.* at \(http://[0-9.:]*\)$#\1#p' "$tmp/serve.err")
    if [[ -n $url ]]; then return; fi
    if ! kill -0 "$server" 2>/dev/null; then break; fi
    sleep 0.1
  done
  echo 'the server does not say where it listens:'
  cat "$tmp/serve.err"
  return 1
}

healthy() { request 200 application/json health.json "$url/healthz" && holds 'd["status"] == "ok"' d=health.json; }

ready() { request 200 application/json ready.json "$url/readyz" && holds 'd["revision"] == d["indexed"] > 0' d=ready.json; }

get_search() {
  request 200 application/json http.json "$url/v1/search?q=attention+is+all+you+need&limit=3" &&
    holds 'len(d["hits"]) == 3 and d["hits"][0]["paper"]["id"] == s["hits"][0]["paper"]["id"]' d=http.json s=hits.json
}

get_paper() {
  request 200 application/json paper.json "$url/v1/papers/arXiv:1706.03762" &&
    holds 'd["title"] == "Attention Is All You Need" and {s["name"] for s in d["sources"]} >= {"arxiv"}' d=paper.json
}

# post OUT STATUS TYPE QUESTION [ARGUMENTS…]: asks for an answer.
post() {
  local out=$1 status=$2 type=$3 body
  body=$(printf '{"question": "%s"}' "$4")
  shift 4
  request "$status" "$type" "$out" "$url/v1/answers" -H 'Content-Type: application/json' -d "$body" "$@"
}

post_answer() {
  post http_answer.json 200 application/json "$question" &&
    holds "$well_answered" a=http_answer.json s=hits.json
}

read_answer() {
  local id
  id=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["id"])' "$tmp/http_answer.json")
  request 200 application/json kept.json "$url/v1/answers/$id" && holds 'a == b' a=kept.json b=http_answer.json
}

stream_answer() {
  post events.txt 200 text/event-stream "$question" -H 'Accept: text/event-stream' &&
    python3 - "$tmp/events.txt" >"$tmp/last.json" <<'PYTHON' && holds "$well_answered" a=last.json s=hits.json
import sys

events = []
for block in open(sys.argv[1], encoding="utf-8").read().split("\n\n"):
    lines = [line.partition(": ") for line in block.splitlines() if not line.startswith(":")]
    if lines:
        events.append({name: value for name, _, value in lines})
ids = [int(event["id"]) for event in events]
assert len(ids) > 1 and ids == sorted(set(ids)), f"ids do not increase: {ids}"
assert events[-1]["event"] == "answer", [event["event"] for event in events]
print(events[-1]["data"])
PYTHON
}

citations() {
  request 200 application/x-bibtex c.bib "$url/v1/citations?ids=arXiv:1706.03762&format=bibtex" &&
    request 200 application/x-research-info-systems c.ris "$url/v1/citations?ids=arXiv:1706.03762&format=ris" &&
    request 200 application/vnd.citationstyles.csl+json c.json \
      "$url/v1/citations?ids=arXiv:1706.03762&format=csl-json" &&
    says 'Vaswani' c.bib && says 'Vaswani' c.ris && holds 'len(d) == 1' d=c.json
}

is_problem() { holds "d['status'] == $1 and d['detail']" d="$2"; }

not_found() {
  request 404 application/problem+json 404.json "$url/v1/papers/arXiv:9912.99999" && is_problem 404 404.json &&
    request 404 application/problem+json nowhere.json "$url/v1/nowhere" && is_problem 404 nowhere.json
}

bad_request() {
  request 400 application/problem+json limit.json "$url/v1/search?q=x&limit=0" && is_problem 400 limit.json &&
    post blank.json 400 application/problem+json ' ' && is_problem 400 blank.json
}

second_process() { lectern 1 second.out serve --addr 127.0.0.1:0 && says 'in use' second.out.err; }

stop_server() {
  local code=0 tries
  kill -TERM "$server"
  for ((tries = 0; tries < 300; tries++)); do
    if ! kill -0 "$server" 2>/dev/null; then break; fi
    sleep 0.1
  done
  if kill -KILL "$server" 2>/dev/null; then echo 'it did not stop within 30 s'; fi
  wait "$server" || code=$?
  server=''
  if ((code != 0)); then
    echo "exit code $code after SIGTERM"
    cat "$tmp/serve.err"
    return 1
  fi
}

# --- what is shipped beside the binary -------------------------------------------------------

# Every setting that the containers set has a name and a value that the binary takes.
container_settings() {
  local settings
  mapfile -t settings < <(sed -nE 's/.*(LECTERN__[A-Z0-9_]+)(: *|=)"?([^" ]+)"?.*/\1=\3/p' \
    "$repository/docker-compose.yml" "$repository/Dockerfile")
  printf '%s\n' "${settings[@]}"
  ((${#settings[@]} >= 4)) || { echo 'fewer settings than expected' && return 1; }
  (export "${settings[@]}" && lectern 0 container.json --json config show) || return 1
  printf '%s\n' "${settings[@]}" |
    python3 -c 'import json, sys
print(json.dumps(dict(line.strip().split("=", 1) for line in sys.stdin)))' >"$tmp/wanted.json"
  # A list is given with commas between its texts.
  holds 'all(d["settings"][name[9:].lower().replace("__", ".")]["value"] in (value, value.split(","))
    for name, value in w.items())' \
    d=container.json w=wanted.json
}

# --- all of it -------------------------------------------------------------------------------

# Nothing but the defaults: no settings, keys or home folder of whoever runs this.
clear_environment() {
  local models=${LECTERN__EMBEDDING__DIR:-${LECTERN_MODEL_DIR:-}} name
  while IFS= read -r name; do
    case $name in
      LECTERN_* | *_API_KEY) unset "$name" ;;
    esac
  done < <(compgen -e)
  if [[ -n $models ]]; then export LECTERN__EMBEDDING__DIR=$models; fi
}

clean_up() {
  if [[ -n $server ]]; then kill -KILL "$server" 2>/dev/null || true; fi
  rm -rf -- "$tmp"
}

if (($# != 1)) || [[ $1 == -h || $1 == --help ]]; then
  usage
  exit $(($# == 1 ? 0 : 2))
fi
if [[ ! -x $1 ]]; then
  echo "error: there is no binary at $1; build it with: cargo build" >&2
  exit 2
fi
binary=$(cd -- "$(dirname -- "$1")" && pwd)/$(basename -- "$1")
tmp=$(mktemp -d)
home="$tmp/home"
url=''
readonly binary tmp home
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
clear_environment

check 'sync arxiv --dry-run reads 60 papers' dry_run
check 'sync arxiv adds 60 papers' sync_arxiv
check 'sync semantic-scholar adds 18 papers and joins 16' sync_scholar
check 'syncing the same file again changes nothing' sync_again
check 'the library has 78 papers, all indexed' count
check 'search finds a paper by its title' search
check 'search uses the embedding model' search_by_meaning
check 'search keeps to the years asked for' search_filtered
check 'ask answers by quoting, from the right paper' ask
check 'its quotes are the stored text, character for character' ask_verbatim
check 'ask abstains off topic, with exit code 4' abstain
check 'cite writes BibTeX' cite_bibtex
check 'cite writes RIS' cite_ris
check 'cite writes CSL-JSON' cite_csl
check 'an unknown flag ends with 2' unknown_flag
check 'an unknown setting ends with 2 and names the nearest' unknown_setting
check 'an empty question ends with 2' empty_question
check 'a malformed id ends with 2' malformed_id
check 'an unknown id ends with 1' unknown_id
check 'an HTML page in place of a feed ends with 1' not_a_feed
check 'the settings of the containers are taken' container_settings
check 'serve starts and says where' start_server
if [[ -n $url ]]; then
  check 'GET /healthz' healthy
  check 'GET /readyz' ready
  check 'GET /v1/search finds the same' get_search
  check 'GET /v1/papers/{id}' get_paper
  check 'POST /v1/answers' post_answer
  check 'GET /v1/answers/{id} gives it again' read_answer
  check 'POST /v1/answers as events, the answer last' stream_answer
  check 'GET /v1/citations in three media types' citations
  check '404 is a problem document' not_found
  check '400 is a problem document' bad_request
  check 'a second process on the same home ends with 1 and says why' second_process
  check 'SIGTERM stops the server with 0' stop_server
fi
printf '\n%s passed, %s failed\n' "$passed" "$failed"
exit $((failed > 0))
