#!/usr/bin/env bash
# Fuzzes each parser for some seconds, from the seeds in fuzz/seeds and what earlier runs found.
# usage: scripts/fuzz.sh TARGET_FOLDER SECONDS
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
. scripts/messages.sh

(($# == 2)) || die 'usage: scripts/fuzz.sh TARGET_FOLDER SECONDS'
mkdir -p "$1/fuzz"
folder=$(cd -- "$1/fuzz" && pwd)
seconds=$2
host=$(rustc -vV | sed -n 's/^host: //p')

# Coverage counters as libFuzzer reads them; with --target they do not reach build scripts.
flags=(--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
  flags+=("-Cllvm-args=-sanitizer-coverage-$option")
done

say 'fuzz: building the targets (the first time takes some minutes)'
RUSTFLAGS="${flags[*]}" CARGO_TARGET_DIR="$folder" \
  cargo build --release --locked --quiet --target "$host" --manifest-path fuzz/Cargo.toml

for source in fuzz/fuzz_targets/*.rs; do
  target=$(basename -- "$source" .rs)
  corpus=$folder/corpus/$target log=$folder/$target.log
  mkdir -p "$corpus"
  if ! "$folder/$host/release/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$folder/failed-$target-" "$corpus" "fuzz/seeds/$target" >"$log" 2>&1; then
    grep --text -A 6 'panicked at' "$log" >&2 || tail -n 20 "$log" >&2
    die "the target $target failed; the whole log is $log" \
      "The input is kept beside it as failed-$target-…; to try it again:" \
      "$folder/$host/release/$target FILE"
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  say "fuzz: $target held for $runs inputs in $seconds s"
done
