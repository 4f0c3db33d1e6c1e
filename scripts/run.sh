#!/usr/bin/env bash
# Load the sample library and serve it; see usage below.
set -euo pipefail

repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly repository
# shellcheck source=scripts/messages.sh
source "$repository/scripts/messages.sh"

usage() {
  cat <<'TEXT'
usage: run.sh BINARY

Loads the sample library into the home folder, serves it until Ctrl-C, and
prints three commands to try as soon as it answers.

  LECTERN_HOME  the home folder, by default the platform's data folder
  ADDR          where to listen, by default server.addr: 127.0.0.1:8080
TEXT
}

# Prints "HOME ADDR", one a line: what the binary will use.
effective_settings() {
  "$binary" --json config show | python3 -c 'import json, sys
shown = json.load(sys.stdin)
print(shown["home"])
print(shown["settings"]["server.addr"]["value"])'
}

# Prints the address to listen on, with the port that port 0 stands for; fails when it is taken.
free_address() {
  python3 - "$1" <<'PYTHON'
import socket
import sys

host, _, port = sys.argv[1].rpartition(":")
if not host or not port.isdecimal() or int(port) > 65535:
    sys.exit("an address has the form HOST:PORT")
try:
    family, kind, _, _, place = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM
    )[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)
        print(f"{host}:{probe.getsockname()[1]}")
except OSError as fault:
    sys.exit(fault.strerror)
PYTHON
}

# 3 is "some records rejected": the others are in, and the reasons have been told.
sync_file() {
  local code=0
  "$binary" sync "$1" --from-file "$2" || code=$?
  case $code in
    0 | 3) ;;
    *) die "$2 could not be loaded (exit code $code)" 'The message above says why.' ;;
  esac
}

# One request to /readyz, past any proxy.
is_ready() {
  python3 - "$1" <<'PYTHON' 2>/dev/null
import http.client
import sys
import urllib.parse

place = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(place.hostname, place.port, timeout=5)
connection.request("GET", "/readyz")
sys.exit(connection.getresponse().status != 200)
PYTHON
}

print_commands() {
  cat <<TEXT

==> ready at $1
    Three commands to try, in another terminal:

curl -s '$1/v1/search?q=dense+passage+retrieval&limit=3' | python3 -m json.tool --no-ensure-ascii

curl -s '$1/v1/answers' -H 'Content-Type: application/json' \\
  -d '{"question": "Which BLEU score did the Transformer reach on WMT 2014 English-German?"}' \\
  | python3 -m json.tool --no-ensure-ascii

curl -s '$1/v1/citations?ids=arXiv:1706.03762&format=bibtex'

    To stop: Ctrl-C here, or kill -TERM $2

TEXT
}

# Waits for the server, whose process id this script will have, and ends with it.
announce() {
  while kill -0 "$2" 2>/dev/null; do
    if is_ready "$1"; then
      print_commands "$1" "$2"
      return
    fi
    sleep 0.2
  done
}

if (($# != 1)) || [[ $1 == -h || $1 == --help ]]; then
  usage
  exit $(($# == 1 ? 0 : 2))
fi
binary=$1
readonly binary
[[ -x $binary ]] || die "there is no binary at $binary" 'Build it with: make build'

# The set-up was told of another folder for the models, so the binary must be too.
if [[ -n ${LECTERN_MODEL_DIR:-} ]]; then
  export LECTERN__EMBEDDING__DIR=${LECTERN__EMBEDDING__DIR:-$LECTERN_MODEL_DIR}
fi

settings=$(effective_settings) || die 'the configuration cannot be used' 'The message above says why.'
home=${settings%$'\n'*}
wanted=${ADDR:-${settings##*$'\n'}}
addr=$(free_address "$wanted" 2>&1) || die "cannot listen on $wanted: $addr" \
  'Choose another address or port, such as: ADDR=127.0.0.1:8090 make run'

say "library: $home"
say 'library: loading samples/arxiv.xml'
sync_file arxiv "$repository/samples/arxiv.xml"
say 'library: loading samples/semantic-scholar.json'
sync_file semantic-scholar "$repository/samples/semantic-scholar.json"

# A server on all addresses is reached on the loopback one.
reach=$addr
case $addr in
  0.0.0.0:*) reach="127.0.0.1:${addr##*:}" ;;
  \[::\]:*) reach="[::1]:${addr##*:}" ;;
esac

say "serving at http://$reach"
# Detached, so that the server is not left with a child that it never waits for.
(announce "http://$reach" $$ &)
exec "$binary" serve --addr "$addr"
