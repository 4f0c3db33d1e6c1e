# shellcheck shell=bash
# What the scripts say, in one form; to be sourced.

say() { printf '==> %s\n' "$*"; }

# die MESSAGE LINE…: the lines say what to do.
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}
