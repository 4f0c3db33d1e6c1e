#!/usr/bin/env python3
"""Write the all-MiniLM-L6-v2 sentence encoder as ONNX, once in fp32 and once in int8.

The graphs are built straight from the safetensors weights: exporting through torch would
make every set-up download gigabytes for six layers of BERT. ONNX Runtime's own fused
operators are named directly instead of being left to its graph optimiser, because they are
faster than what the optimiser makes of the plain operators, and because the optimiser's
result depends on patterns that change between versions.

The output is the last hidden state; mean pooling and L2 normalisation are the caller's.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

Array = NDArray[np.generic]
Weights = dict[str, NDArray[np.float32]]

MICROSOFT = "com.microsoft"
OPSET = 20
IR_VERSION = 9
MAX_LENGTH = 256
INT8_MAX = 127
# How far the quantiser moves differences between input channels into the weights (0: not at
# all, 1: wholly). Anything from 0.5 to 1 helps about as much.
SMOOTHING = 0.7
OUTPUT = "last_hidden_state"


@dataclass(frozen=True)
class Bert:
    """The sizes of the encoder, as its config.json states them."""

    layers: int
    hidden: int
    heads: int
    epsilon: float

    @classmethod
    def read(cls, path: Path) -> Bert:
        """Read config.json, refusing any model the graphs below would get wrong."""
        config = json.loads(path.read_text(encoding="utf-8"))
        if config["model_type"] != "bert" or config["hidden_act"] != "gelu":
            raise SystemExit(f"{path}: not a BERT encoder with exact GELU")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise SystemExit(f"{path}: only absolute position embeddings are supported")
        return cls(
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            heads=config["num_attention_heads"],
            epsilon=config["layer_norm_eps"],
        )


@dataclass(frozen=True)
class Dense:
    """A constant matrix, input dimension first.

    `spread` says how large each input channel gets, where that is known without running the
    model: after a layer normalisation.
    """

    name: str
    weight: NDArray[np.float32]
    spread: NDArray[np.float32] | None = None


@dataclass
class Graph:
    """Nodes and constants collected so far; every value is known by its name."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: Array) -> str:
        """Add a constant tensor."""
        # order="C" and not ascontiguousarray, which would turn a scalar into a vector.
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(
        self,
        op: str,
        inputs: Sequence[str],
        outputs: str | Sequence[str],
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add an operator and give back the name of its first output."""
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        self.nodes.append(
            helper.make_node(
                op, inputs, names, name=f"{names[0]}/{op}", domain=domain, **attributes
            )
        )
        return names[0]

    def model(self, bert: Bert) -> onnx.ModelProto:
        """Close the graph over the three BERT inputs and the last hidden state."""
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ]
        output = helper.make_tensor_value_info(
            OUTPUT, TensorProto.FLOAT, ["batch", "sequence", bert.hidden]
        )
        graph = helper.make_graph(self.nodes, "all-MiniLM-L6-v2", inputs, [output], self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


class Precision(Protocol):
    """What differs between the fp32 and the int8 graph."""

    def embed(self, graph: Graph, weights: Weights, bert: Bert) -> str:
        """Sum and normalise the three embeddings."""

    def attention(self, graph: Graph, dense: Dense, x: str, bias: str, bert: Bert) -> str:
        """Self-attention with the three projections in one matrix, without the output one."""

    def matmul(self, graph: Graph, dense: Dense, x: str) -> str:
        """Multiply by a constant matrix."""


class Fp32:
    """Weights as they come."""

    def embed(self, graph: Graph, weights: Weights, bert: Bert) -> str:
        """Let one fused operator do look-ups, sums and the normalisation."""
        tables = [
            graph.constant(f"embeddings.{part}", weights[f"embeddings.{part}_embeddings.weight"])
            for part in ("word", "position", "token_type")
        ]
        ids = graph.node("Cast", ["input_ids"], "ids", to=TensorProto.INT32)
        types = graph.node("Cast", ["token_type_ids"], "types", to=TensorProto.INT32)
        return graph.node(
            "EmbedLayerNormalization",
            [ids, types, *tables, *norm_constants(graph, weights, "embeddings.LayerNorm")],
            ["embeddings", "embeddings.mask_index"],
            MICROSOFT,
            epsilon=bert.epsilon,
        )

    def attention(self, graph: Graph, dense: Dense, x: str, bias: str, bert: Bert) -> str:
        """Fused attention over the raw 0/1 mask."""
        matrix = graph.constant(f"{dense.name}.weight", dense.weight)
        return graph.node(
            "Attention", [x, matrix, bias, "mask"], dense.name, MICROSOFT, num_heads=bert.heads
        )

    def matmul(self, graph: Graph, dense: Dense, x: str) -> str:
        """Plain product; the bias goes into the operator that follows."""
        matrix = graph.constant(f"{dense.name}.weight", dense.weight)
        return graph.node("MatMul", [x, matrix], dense.name)


class Int8:
    """Signed 8-bit weights with one scale per output channel, activations quantised at run time.

    One scale for a whole matrix would drown the small channels: cosine to fp32 falls to 0.93.

    The weights use all 8 bits. Processors with AVX2 but without VNNI saturate some sums then;
    measured on an emulated one, that costs as much accuracy as 7 bits would cost everywhere.
    """

    def embed(self, graph: Graph, weights: Weights, bert: Bert) -> str:
        """Look up int8 word vectors with a scale per word.

        The fused operator knows only one scale for the table, and quantises the
        normalisation as well; the table is half of the file, the rest is not worth it.
        """
        table, scale = quantise(weights["embeddings.word_embeddings.weight"], axis=1)
        rows = graph.node("Gather", [graph.constant("embeddings.word", table), "input_ids"], "rows")
        scales = graph.node(
            "Gather", [graph.constant("embeddings.word.scale", scale), "input_ids"], "row_scales"
        )
        floats = graph.node("Cast", [rows], "rows.float", to=TensorProto.FLOAT)
        words = graph.node("Mul", [floats, scales], "words")
        positions = self.positions(graph, weights)
        table_of_types = graph.constant(
            "embeddings.token_type", weights["embeddings.token_type_embeddings.weight"]
        )
        types = graph.node("Gather", [table_of_types, "token_type_ids"], "types")
        placed = graph.node("Add", [types, positions], "types_and_positions")
        total = graph.node("Add", [words, placed], "embeddings.sum")
        return graph.node(
            "LayerNormalization",
            [total, *norm_constants(graph, weights, "embeddings.LayerNorm")],
            "embeddings",
            axis=-1,
            epsilon=bert.epsilon,
        )

    @staticmethod
    def positions(graph: Graph, weights: Weights) -> str:
        """Take the first rows of the position table, as many as the batch is long."""
        table = graph.constant(
            "embeddings.position", weights["embeddings.position_embeddings.weight"]
        )
        zero = graph.constant("zero", np.array([0], dtype=np.int64))
        length = graph.node("Shape", ["input_ids"], "length", start=1, end=2)
        return graph.node("Slice", [table, zero, length, zero], "positions")

    def attention(self, graph: Graph, dense: Dense, x: str, bias: str, bert: Bert) -> str:
        """Quantise the input, project in int8, attend in fp32."""
        name = dense.name
        x, smoothed = self.smooth(graph, dense, x)
        matrix, scale = quantise(smoothed, axis=0)
        x8, x_scale, x_zero = (f"{name}.x", f"{name}.x_scale", f"{name}.x_zero")
        graph.node("DynamicQuantizeLinear", [x], [x8, x_scale, x_zero])
        inputs = [
            x8,
            graph.constant(f"{name}.weight", matrix),
            bias,
            x_scale,
            graph.constant(f"{name}.scale", scale.reshape(-1)),
            "mask",
            x_zero,
        ]
        return graph.node("QAttention", inputs, name, MICROSOFT, num_heads=bert.heads)

    def matmul(self, graph: Graph, dense: Dense, x: str) -> str:
        """Quantise the input and multiply in one operator."""
        x, smoothed = self.smooth(graph, dense, x)
        matrix, scale = quantise(smoothed, axis=0)
        inputs = [
            x,
            graph.constant(f"{dense.name}.weight", matrix),
            graph.constant(f"{dense.name}.scale", scale.reshape(-1)),
        ]
        return graph.node("DynamicQuantizeMatMul", inputs, dense.name, MICROSOFT)

    @staticmethod
    def smooth(graph: Graph, dense: Dense, x: str) -> tuple[str, NDArray[np.float32]]:
        """Divide large input channels and multiply their weights, which changes no product.

        The input gets one scale for all its channels, so a single large channel costs the
        others their precision; the weights have a scale each and bear it better.
        """
        if dense.spread is None:
            return x, dense.weight
        largest = np.abs(dense.weight).max(axis=1)
        factor = dense.spread**SMOOTHING / largest ** (1 - SMOOTHING)
        # Around 1, so that neither side leaves the range it was trained in.
        factor = (factor / np.exp(np.log(factor).mean())).astype(np.float32)
        inverse = graph.constant(f"{dense.name}.smoothing", (1 / factor).astype(np.float32))
        return graph.node("Mul", [x, inverse], f"{dense.name}.smoothed"), (
            dense.weight * factor[:, None]
        )


def quantise(
    weight: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 weights and their scales, one for each slice along the other axis."""
    largest = np.abs(weight).max(axis=axis, keepdims=True)
    scale = np.where(largest > 0, largest / INT8_MAX, 1.0).astype(np.float32)
    rounded = np.rint(weight / scale).clip(-INT8_MAX, INT8_MAX)
    return rounded.astype(np.int8), scale


def norm_constants(graph: Graph, weights: Weights, key: str) -> list[str]:
    """Gain and offset of a layer normalisation."""
    return [
        graph.constant(f"{key}.{part}", weights[f"{key}.{part}"]) for part in ("weight", "bias")
    ]


def add_and_norm(
    graph: Graph, weights: Weights, bert: Bert, key: str, x: str, residual: str, output: str
) -> str:
    """Bias of the dense layer before, residual connection and layer normalisation in one."""
    bias = graph.constant(f"{key}.dense.bias", weights[f"{key}.dense.bias"])
    gain, offset = norm_constants(graph, weights, f"{key}.LayerNorm")
    return graph.node(
        "SkipLayerNormalization",
        [x, residual, gain, offset, bias],
        output,
        MICROSOFT,
        epsilon=bert.epsilon,
    )


def spread(weights: Weights, key: str) -> NDArray[np.float32]:
    """How large each channel gets after a layer normalisation: three deviations from its mean."""
    result: NDArray[np.float32] = np.abs(weights[f"{key}.bias"]) + 3 * np.abs(
        weights[f"{key}.weight"]
    )
    return result


def projections(weights: Weights, key: str, norm: str) -> tuple[Dense, NDArray[np.float32]]:
    """Query, key and value side by side, and their biases; `norm` is what comes before them."""
    parts = [f"{key}.{part}" for part in ("query", "key", "value")]
    matrix = np.concatenate([weights[f"{part}.weight"].T for part in parts], axis=1)
    bias = np.concatenate([weights[f"{part}.bias"] for part in parts])
    return Dense(key, matrix, spread(weights, norm)), bias


def layer(
    graph: Graph, weights: Weights, bert: Bert, precision: Precision, number: int, x: str
) -> str:
    """One transformer layer."""
    key = f"encoder.layer.{number}"
    before = f"encoder.layer.{number - 1}.output.LayerNorm" if number else "embeddings.LayerNorm"
    attention, bias = projections(weights, f"{key}.attention.self", before)
    bias_name = graph.constant(f"{attention.name}.bias", bias)
    context = precision.attention(graph, attention, x, bias_name, bert)

    def dense(part: str, value: str, norm: str | None = None) -> str:
        name = f"{key}.{part}.dense"
        channels = spread(weights, norm) if norm else None
        return precision.matmul(graph, Dense(name, weights[f"{name}.weight"].T, channels), value)

    attended = add_and_norm(
        graph, weights, bert, f"{key}.attention.output",
        dense("attention.output", context), x, f"{key}.attended",
    )  # fmt: skip
    wide = dense("intermediate", attended, f"{key}.attention.output.LayerNorm")
    wide_bias = graph.constant(f"{key}.wide_bias", weights[f"{key}.intermediate.dense.bias"])
    activated = graph.node("BiasGelu", [wide, wide_bias], f"{key}.activated", MICROSOFT)
    output = OUTPUT if number == bert.layers - 1 else f"{key}.result"
    return add_and_norm(
        graph, weights, bert, f"{key}.output", dense("output", activated), attended, output
    )


def build(weights: Weights, bert: Bert, precision: Precision) -> onnx.ModelProto:
    """The whole encoder.

    The fused attention masks with a finite -10000, so a row of nothing but padding gives
    numbers and not NaN.
    """
    graph = Graph()
    graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    x = precision.embed(graph, weights, bert)
    for number in range(bert.layers):
        x = layer(graph, weights, bert, precision, number, x)
    return graph.model(bert)


def read_weights(path: Path) -> Weights:
    """Load the weights, all of which have to be fp32 and finite."""
    weights: Weights = load_file(path)
    for name, value in weights.items():
        if value.dtype != np.float32 and not name.endswith("position_ids"):
            raise SystemExit(f"{path}: {name} is {value.dtype}, expected float32")
        if not math.isfinite(float(np.abs(value).max())):
            raise SystemExit(f"{path}: {name} is not finite")
    return weights


def write_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer, cutting at the length the model is meant to be used with.

    The files as published cut at 128 tokens (tokenizer.json) or at 512
    (tokenizer_config.json, which fastembed goes by); the model's own setting is 256.
    """
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["truncation"]["max_length"] = MAX_LENGTH
    tokenizer["padding"] = None
    config = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["model_max_length"] = MAX_LENGTH
    for name, value in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        (target / name).write_text(text + "\n", encoding="utf-8")
    for name in ("config.json", "special_tokens_map.json"):
        shutil.copyfile(source / name, target / name)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="directory with the safetensors model")
    parser.add_argument("target", type=Path, help="directory to write, made if it is missing")
    arguments = parser.parse_args()
    source: Path = arguments.source
    target: Path = arguments.target
    target.mkdir(parents=True, exist_ok=True)
    bert = Bert.read(source / "config.json")
    weights = read_weights(source / "model.safetensors")
    variants: list[tuple[str, str, Precision]] = [
        ("fp32", "model.onnx", Fp32()),
        ("int8", "model_int8.onnx", Int8()),
    ]
    for label, name, precision in variants:
        print(f"==> model: exporting to ONNX ({label})", flush=True)
        onnx.save(build(weights, bert, precision), target / name)
    write_tokenizer(source, target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
