"""The table of packed layouts: name pattern, precision, companions, and what is done with them.

A further layout is one more row. Rows are asked from the top; the first that fits takes the tensor and all its
companions, which never become matrices of their own.
"""

from __future__ import annotations

from functools import partial

from eigentrail.weights.quantised.fours import plan_bitsandbytes, plan_fp4, plan_mxfp4_stack
from eigentrail.weights.quantised.integers import plan_gptq_or_awq, plan_mlx, plan_packed_integers
from eigentrail.weights.quantised.layout import Layout
from eigentrail.weights.quantised.scaled import plan_rowwise_int8, plan_scaled

_DEQUANTISE = (
    "dequantise the model (load it with its own library, save the weights in bfloat16) and open that"
)
_STEM = r"(?P<stem>(?:.*[./])?)"
_WIDE = ("float8", "int8", "uint8", "int16", "int32", "uint32", "int64")

LAYOUTS = (
    Layout(
        "MXFP4", r"(?P<stem>.+)_blocks", ("uint8",), "{stem}",
        {"scale": ("{stem}_scales",)}, plan_mxfp4_stack,
    ),
    Layout(
        "compressed-tensors FP4", _STEM + "weight_packed", ("uint8",), "{stem}weight",
        {"scale": ("{stem}weight_scale",)}, partial(plan_fp4, divide=True),
        {"whole": ("{stem}weight_global_scale",), "input": ("{stem}input_global_scale",)},
    ),
    Layout(
        "compressed-tensors", _STEM + "weight_packed", ("int32",), "{stem}weight",
        {"scale": ("{stem}weight_scale",)}, plan_packed_integers,
        {"shape": ("{stem}weight_shape",), "zero": ("{stem}weight_zero_point",), "order": ("{stem}weight_g_idx",)},
    ),
    Layout(
        "GPTQ or AWQ", _STEM + "qweight", ("int32",), "{stem}weight",
        {"scale": ("{stem}scales",)}, plan_gptq_or_awq, {"zeros": ("{stem}qzeros",), "order": ("{stem}g_idx",)},
    ),
    Layout(
        "bitsandbytes 4-bit", ".+", ("uint8",), "{name}",
        {
            "scale": ("{name}.absmax",),
            "values": ("{name}.quant_map",),
            "state": ("{name}.quant_state.bitsandbytes__nf4", "{name}.quant_state.bitsandbytes__fp4"),
        },
        plan_bitsandbytes,
        {"nested": ("{name}.nested_absmax",), "nested_values": ("{name}.nested_quant_map",)},
    ),
    Layout(
        "bitsandbytes 4-bit", ".+", ("uint8",), "{name}", {"scale": ("{name}.absmax",)},
        f"bitsandbytes 4-bit codes without the description of their shape; {_DEQUANTISE}",
        {"values": ("{name}.quant_map",)},
    ),
    Layout(
        "bitsandbytes 8-bit", _STEM + "weight", ("int8",), "{name}",
        {"scale": ("{stem}SCB",)}, plan_rowwise_int8, {"format": ("{stem}weight_format",)},
    ),
    Layout(
        "MLX", _STEM + "weight", ("uint32",), "{name}",
        {"scale": ("{stem}scales",)}, plan_mlx, {"bias": ("{stem}biases",)},
    ),
    Layout(
        "NVFP4 or MXFP4", _STEM + "weight", ("uint8",), "{name}",
        {"scale": ("{stem}weight_scale",)}, partial(plan_fp4, divide=False),
        {"whole": ("{stem}weight_scale_2",), "input": ("{stem}input_scale",), "comfy": ("{stem}comfy_quant",)},
    ),
    Layout(
        "torchao", _STEM + "_weight_qdata", ("float8", "int8"), "{stem}weight",
        {"scale": ("{stem}_weight_scale",)}, plan_scaled,
        {"zero": ("{stem}_weight_zero_point",), "input": ("{stem}_weight_act_scale",)},
    ),
    Layout(
        "quanto", r"(?P<stem>.+)\._data", ("float8", "int8"), "{stem}", {"scale": ("{stem}._scale",)},
        plan_scaled, {"input": ("{stem}.input_scale",)},
    ),
    Layout(
        "float8 or int8 with scales", r"(?P<stem>(?:.*[./])?)(?P<leaf>[^./]+)", ("float8", "int8"), "{name}",
        {"scale": ("{name}_scale_inv", "{name}_scale", "{stem}scale_weight")}, plan_scaled,
        {
            "zero": ("{name}_zero_point",), "input": ("{stem}input_scale", "{stem}scale_input"),
            "comfy": ("{stem}comfy_quant",),
        },
    ),
    # What is known and not read.
    Layout(
        "torchao", _STEM + "_weight_qdata", _WIDE, "{stem}weight", {},
        f"torchao codes of a layout that is not read; {_DEQUANTISE}",
        {"scale": ("{stem}_weight_scale",), "zero": ("{stem}_weight_zero_point",)},
    ),
    Layout(
        "HQQ", _STEM + "W_q", _WIDE, "{stem}weight", {}, f"HQQ codes; {_DEQUANTISE}",
        {"scale": ("{stem}scale",), "zero": ("{stem}zero",)},
    ),
    Layout(
        "quanto", r"(?P<stem>.+)\._data", _WIDE, "{stem}", {"scale": ("{stem}._scale",)},
        f"quanto's packed codes; {_DEQUANTISE}", {"shift": ("{stem}._shift",)},
    ),
    Layout(
        "AQLM", _STEM + "codes", _WIDE, "{stem}weight", {"values": ("{stem}codebooks",)},
        f"AQLM codes; {_DEQUANTISE}", {"scale": ("{stem}scales",)},
    ),
    Layout(
        "EETQ", _STEM + "(?:q?weight)", ("int8",), "{stem}weight", {"scale": ("{stem}weight_scales",)},
        f"EETQ codes; {_DEQUANTISE}",
    ),
    Layout(
        "float8 without scales", ".+", ("float8",), "{name}", {},
        "float8 without its scales, so that its size is not known; where it has none, save it in bfloat16",
    ),
)  # fmt: skip

#: Tensors that only tell that others are codes (ComfyUI).
MARKERS = frozenset({"scaled_fp8"})

#: Last pieces of names that belong to a packed weight of the same module, whatever its layout.
COMPANIONS = frozenset({
    "weight_scale", "weight_scale_2", "weight_scale_inv", "weight_zero_point", "weight_global_scale", "weight_shape",
    "weight_g_idx", "weight_scales", "scale_weight", "scale_input", "input_scale", "input_global_scale",
    "input_zero_point", "output_scale", "scales", "biases", "qzeros", "g_idx", "SCB", "CB", "weight_format",
    "comfy_quant", "absmax", "quant_map", "nested_absmax", "nested_quant_map", "_scale", "_shift", "_weight_scale",
    "_weight_zero_point", "_weight_act_scale", "scale", "zero", "meta", "codebooks",
})  # fmt: skip
