#!/usr/bin/env python3
"""Compare the exported ONNX models with a float64 forward pass of the same weights.

The forward pass below is written from the definition of BERT in plain numpy and shares no
code with the exporter, so that a mistake there (a transposed matrix, a wrong mask, a wrong
epsilon) shows up here and does not silently become a worse search.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

Float = NDArray[np.float64]
Weights = dict[str, Float]

FP32_MIN = 0.999
INT8_MEAN = 0.99
BATCH = 8

SENTENCES = [
    "Retrieval-augmented generation grounds an answer in passages found by search.",
    "We prove that the estimator is consistent under mild moment conditions.",
    "Mice lacking the receptor showed reduced weight gain on a high-fat diet.",
    "The spectrum of the operator is discrete and bounded from below.",
    "Randomised controlled trials report no effect on all-cause mortality.",
    "Our method improves nDCG@10 by 2.4 points over BM25 on nine of twelve data sets.",
]
TEXTS = [
    "",
    " ",
    "\n\t",
    ".",
    "?!...;:--",
    "a",
    "DNA",
    "42",
    "3.14159265358979",
    "attention is all you need",
    "does vitamin D reduce the risk of respiratory infection",
    "What is the role of p53 in apoptosis?",
    "BM25",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "0-dimensional biomaterials show inductive properties.",
    "Überprüfung der Größenordnung: naïve façade, Ångström, Łódź",
    "e\u0301tude compose\u0301e avec des accents combinants",
    "注意力机制就是你所需要的一切",
    "これは日本語の文章です。",
    "Обучение с подкреплением на основе отзывов человека",
    "التعلم العميق في معالجة اللغات الطبيعية",
    "שלום עולם",
    "🧬🔬 emoji and 👩🏽‍🔬 joiners",
    "∀ε>0 ∃δ>0: |x−a|<δ ⇒ |f(x)−f(a)|<ε",
    "\\begin{equation} E = mc^2 \\end{equation}",
    "α-synuclein and β-amyloid; 10 µg/mL; 37 °C; p < 0.001",
    "https://example.org/papers?id=10.1000/xyz&v=2",
    "fn main() { println!(\"{}\", 1 << 4); }",
    "ALL CAPITALS ARE LOWERED BY THE TOKENIZER",
    "[CLS] special tokens in the text [SEP] [MASK] [PAD]",
    "zero\u200bwidth\u00a0and\u00adsoft\ufeff hyphen",
    *SENTENCES,
    " ".join(SENTENCES[:3]),
    " ".join(SENTENCES),
    " ".join(SENTENCES * 2),
    " ".join(SENTENCES * 3),
    " ".join(SENTENCES * 10),
    "token " * 600,
    "x" * 3000,
]  # fmt: skip


def erf(values: Float) -> Float:
    """The error function, from the C library since numpy has none."""
    flat = np.fromiter(map(math.erf, values.ravel().tolist()), dtype=np.float64, count=values.size)
    return flat.reshape(values.shape)


def gelu(values: Float) -> Float:
    """Exact GELU, not the tanh approximation."""
    return 0.5 * values * (1.0 + erf(values / math.sqrt(2.0)))


def softmax(values: Float) -> Float:
    """Softmax along the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    result: Float = powers / powers.sum(axis=-1, keepdims=True)
    return result


class Reference:
    """One text at a time, without padding, in float64."""

    def __init__(self, directory: Path) -> None:
        """Load weights and sizes from the published model."""
        loaded = load_file(directory / "model.safetensors")
        self.weights: Weights = {name: value.astype(np.float64) for name, value in loaded.items()}
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        self.layers: int = config["num_hidden_layers"]
        self.heads: int = config["num_attention_heads"]
        self.epsilon: float = config["layer_norm_eps"]

    def linear(self, key: str, x: Float) -> Float:
        """Dense layer; the published matrices are output by input."""
        result: Float = x @ self.weights[f"{key}.weight"].T + self.weights[f"{key}.bias"]
        return result

    def norm(self, key: str, x: Float) -> Float:
        """Layer normalisation with the biased variance."""
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.epsilon)
        result: Float = centred / deviation * self.weights[f"{key}.weight"]
        return result + self.weights[f"{key}.bias"]

    def attend(self, key: str, x: Float) -> Float:
        """Scaled dot-product attention, head by head."""
        parts = [self.linear(f"{key}.self.{part}", x) for part in ("query", "key", "value")]
        heads = [np.split(part, self.heads, axis=-1) for part in parts]
        contexts = [
            softmax(q @ k.T / math.sqrt(q.shape[-1])) @ v for q, k, v in zip(*heads, strict=True)
        ]
        output = self.linear(f"{key}.output.dense", np.concatenate(contexts, axis=-1))
        return self.norm(f"{key}.output.LayerNorm", output + x)

    def hidden(self, ids: list[int]) -> Float:
        """Last hidden state of one text."""
        tables = self.weights
        x = tables["embeddings.word_embeddings.weight"][ids]
        x = x + tables["embeddings.position_embeddings.weight"][: len(ids)]
        x = x + tables["embeddings.token_type_embeddings.weight"][0]
        x = self.norm("embeddings.LayerNorm", x)
        for number in range(self.layers):
            key = f"encoder.layer.{number}"
            x = self.attend(f"{key}.attention", x)
            inner = gelu(self.linear(f"{key}.intermediate.dense", x))
            x = self.norm(f"{key}.output.LayerNorm", self.linear(f"{key}.output.dense", inner) + x)
        return x

    def embed(self, ids: list[int]) -> Float:
        """Mean over the tokens, then unit length."""
        mean = self.hidden(ids).mean(axis=0)
        unit: Float = mean / np.linalg.norm(mean)
        return unit


class Exported:
    """An exported model, run the way the application runs it."""

    def __init__(self, path: Path) -> None:
        """Open a session on the CPU."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        # Idle threads that spin would only slow down whatever else the machine does.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Last hidden states of a batch."""
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self.session.run(["last_hidden_state"], feed)
        result: NDArray[np.float32] = hidden
        return result

    def embed_batch(self, batch: list[list[int]]) -> Float:
        """Pad to the longest, take the masked mean, scale to unit length."""
        longest = max(map(len, batch))
        ids = np.array([text + [0] * (longest - len(text)) for text in batch], dtype=np.int64)
        mask = np.array([[1] * len(t) + [0] * (longest - len(t)) for t in batch], dtype=np.int64)
        hidden = self.run(ids, mask).astype(np.float64)
        mean = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        unit: Float = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return unit

    def embed(self, texts: list[list[int]], size: int) -> Float:
        """All texts, in batches of the given size."""
        return np.concatenate([self.embed_batch(batch) for batch in batches(texts, size)])

    def survives_padding(self) -> bool:
        """A row of nothing but padding must not give NaN."""
        ids = np.zeros((2, 16), dtype=np.int64)
        ids[0, 0] = 101
        mask = np.zeros_like(ids)
        mask[0, 0] = 1
        return bool(np.isfinite(self.run(ids, mask)).all())


def batches(texts: list[list[int]], size: int) -> Iterator[list[list[int]]]:
    """Neighbours in the list, the last batch being what is left."""
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def tokenise(path: Path) -> list[list[int]]:
    """Token ids of the test texts, cut as the exported tokenizer.json says."""
    tokenizer = Tokenizer.from_file(str(path))
    ids = [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]
    # Shuffled, so that short and long texts share a batch; the same way every time.
    order = np.random.default_rng(0).permutation(len(ids))
    return [ids[index] for index in order]


def measure(model: Path, weights: Path) -> tuple[dict[str, float], list[str]]:
    """Figures, and what is wrong with them."""
    texts = tokenise(model / "tokenizer.json")
    reference = Reference(weights)
    expected = np.stack([reference.embed(text) for text in texts])
    fp32, int8 = Exported(model / "model.onnx"), Exported(model / "model_int8.onnx")
    single, padded = fp32.embed(texts, 1), fp32.embed(texts, BATCH)
    to_reference = np.minimum((single * expected).sum(axis=1), (padded * expected).sum(axis=1))
    alone = (int8.embed(texts, 1) * single).sum(axis=1)
    mixed = (int8.embed(texts, BATCH) * single).sum(axis=1)
    figures = {
        "texts": float(len(texts)),
        "longest": float(max(map(len, texts))),
        "fp32_to_float64_min": float(to_reference.min()),
        "fp32_to_float64_mean": float(to_reference.mean()),
        "int8_to_fp32_min": float(alone.min()),
        "int8_to_fp32_mean": float(alone.mean()),
        "int8_padded_to_fp32_min": float(mixed.min()),
        "int8_padded_to_fp32_mean": float(mixed.mean()),
    }
    # "not at least" and not "below", so that NaN fails too.
    checks = [
        (figures["fp32_to_float64_min"] >= FP32_MIN, f"fp32 is below {FP32_MIN} on some text"),
        (figures["int8_to_fp32_mean"] >= INT8_MEAN, f"int8 is below {INT8_MEAN} on average"),
        (figures["int8_padded_to_fp32_mean"] >= INT8_MEAN, f"padded int8 is below {INT8_MEAN}"),
        (fp32.survives_padding(), "fp32 gives NaN on a row of padding"),
        (int8.survives_padding(), "int8 gives NaN on a row of padding"),
    ]
    return figures, [message for passed, message in checks if not passed]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="directory with the exported model")
    parser.add_argument("weights", type=Path, help="directory with the safetensors model")
    parser.add_argument("--report", type=Path, help="also write the figures there, as JSON")
    arguments = parser.parse_args()
    figures, problems = measure(arguments.model, arguments.weights)
    for name, value in figures.items():
        print(f"    {name:26} {value:.9g}")
    if arguments.report:
        arguments.report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for problem in problems:
        print(f"error: the exported model is wrong: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
