#!/usr/bin/env python3
"""Write a vector for each word piece of the sentence encoder, to compare words with words.

A piece's vector is what the encoder makes of the piece alone, brought down to the directions
that tell pieces apart best (principal components, not centred) and to length 1. A query's
words, which the encoder has read in their sentence, are brought down the same way; their
cosines say how much a word of a paper means what a word of the query means.

The file: the bytes LPV1, then in little-endian 32 bits the number of pieces, the encoder's
dimension and the one written here, then as 32-bit floats the projection (a row for each
dimension of the encoder) and the vectors (a row for each piece).
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

MAGIC = b"LPV1"
# The encoder's 384 are no better: see docs/RETRIEVAL.md.
DIMENSION = 64
BATCH = 256
BEGIN, END = 101, 102

Floats = NDArray[np.float32]


def encoded_alone(graph: Path, pieces: int) -> Floats:
    """What the encoder makes of each piece between its marks of begin and end, at length 1."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    rows: list[Floats] = []
    for first in range(0, pieces, BATCH):
        ids = [[BEGIN, piece, END] for piece in range(first, min(pieces, first + BATCH))]
        tokens = np.array(ids, dtype=np.int64)
        inputs = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": np.zeros_like(tokens),
        }
        rows.append(session.run(None, inputs)[0][:, 1])
    return at_length_1(np.concatenate(rows))


def at_length_1(rows: Floats) -> Floats:
    """Each row divided by its length."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def principal_directions(rows: Floats) -> Floats:
    """The directions along which the rows have the largest sums of squares, one a column."""
    wide = rows.astype(np.float64)
    _, directions = np.linalg.eigh(wide.T @ wide)
    best = directions[:, ::-1][:, :DIMENSION]
    # The sign of a direction is arbitrary; fixed, so that every machine writes the same.
    signs = np.sign(best[np.abs(best).argmax(axis=0), np.arange(DIMENSION)])
    return np.asarray(best * signs, dtype=np.float32)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the directory that export_model.py has written")
    model = parser.parse_args().model
    pieces = json.loads((model / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    whole = encoded_alone(model / "model.onnx", pieces)
    projection = principal_directions(whole)
    vectors = at_length_1(whole @ projection)
    with (model / "pieces.bin").open("wb") as file:
        file.write(MAGIC + struct.pack("<III", pieces, whole.shape[1], DIMENSION))
        file.write(projection.astype("<f4").tobytes() + vectors.astype("<f4").tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
