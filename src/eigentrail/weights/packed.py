"""Packed and quantised weights: recognised, named, and left alone.

Their stored integers are codes, not weights; a spectrum of the codes would mean nothing. Each tensor is
skipped with its format and the mend.
"""

from __future__ import annotations

from collections.abc import Mapping

from eigentrail.weights.store import TensorEntry
from eigentrail.weights.view import Context

_MEND = "dequantise the model (load it with its own library, save the weights in bfloat16 or float32) and open that"
_BITSANDBYTES = ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
_FORMATS = {
    "gptq": "GPTQ",
    "awq": "AWQ",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed-tensors",
}


def packed_tensors(context: Context) -> dict[str, str]:
    """Find every tensor that belongs to a packed weight.

    Args:
        context: all that planning may look at.

    Returns:
        Tensor name -> why it is skipped.
    """
    found: dict[str, str] = {}
    for entry in context.entries.values():
        packing = _packing(context, entry)
        if packing:
            found[entry.name] = f"packed weight ({packing}): its stored numbers are codes; {_MEND}"
    return found


def _packing(context: Context, entry: TensorEntry) -> str | None:
    """Name the format that a tensor is packed in, None for an ordinary tensor."""
    entries, name = context.entries, entry.name
    stem, _, leaf = name.rpartition(".")
    dot = f"{stem}." if stem else ""
    if leaf in {"qweight", "qzeros", "g_idx", "scales"} and f"{dot}qweight" in entries:
        return _gptq_or_awq(context, entries, dot)
    if (
        leaf
        in {
            "weight_packed",
            "weight_shape",
            "weight_scale",
            "weight_zero_point",
            "weight_g_idx",
            "weight_global_scale",
        }
        and f"{dot}weight_packed" in entries
    ):
        return "compressed-tensors"
    if leaf in _BITSANDBYTES or ".quant_state." in name:
        return "bitsandbytes 4-bit"
    if f"{name}.absmax" in entries or any(
        f"{name}.quant_state.bitsandbytes__{kind}" in entries for kind in ("nf4", "fp4")
    ):
        return "bitsandbytes 4-bit"
    if leaf in {"weight", "SCB", "weight_format"} and f"{dot}SCB" in entries:
        return "bitsandbytes 8-bit"
    if leaf.endswith(("_blocks", "_scales")) and entry.dtype == "uint8":
        other = (
            name.replace("_blocks", "_scales")
            if leaf.endswith("_blocks")
            else name.replace("_scales", "_blocks")
        )
        if other in entries:
            return "MXFP4"
    if leaf == "W_q" and entry.dtype not in {"float32", "float16", "bfloat16", "float64"}:
        return "HQQ"
    if leaf in {"_data", "_scale", "_shift"} and f"{dot}_data" in entries and f"{dot}_scale" in entries:
        return "quanto"
    if leaf in {"codes", "codebooks", "scales"} and f"{dot}codes" in entries and f"{dot}codebooks" in entries:
        return "AQLM"
    if "_packed_params" in name:
        return "torch quantised module"
    if entry.dtype.startswith(("float4", "int4", "uint4", "int2", "uint2")):
        return entry.dtype
    if entry.dtype.startswith(("qint", "quint")):
        return f"torch {entry.dtype}"
    return None


def _gptq_or_awq(context: Context, entries: Mapping[str, TensorEntry], dot: str) -> str:
    method = str((context.config.get("quantization_config") or {}).get("quant_method", "")).lower()
    if method in _FORMATS:
        return _FORMATS[method]
    if f"{dot}g_idx" in entries:
        return "GPTQ"
    # Both pack eight 4-bit codes into an int32: GPTQ along the inputs, AWQ along the outputs, so AWQ's
    # qweight has fewer columns than its scales.
    weight, scales = context.shape(f"{dot}qweight"), context.shape(f"{dot}scales")
    if weight and scales and len(weight) == len(scales) == 2:
        return "GPTQ" if weight[1] == scales[1] else "AWQ"
    return "GPTQ or AWQ"
