"""What is stored beside the weights and is no weight matrix, each with the reason that people read."""

from __future__ import annotations

import math
import re

from eigentrail.weights.store import ModuleHint, TensorEntry
from eigentrail.weights.view import Name

_BY_LEAF = {
    "running_mean": "a running statistic of a normalisation, not a trained weight",
    "running_var": "a running statistic of a normalisation, not a trained weight",
    "num_batches_tracked": "a counter, not a trained weight",
    "position_ids": "a list of positions, not a trained weight",
    "token_type_ids": "a list of token types, not a trained weight",
    "relative_position_index": "a list of positions, not a trained weight",
    "relative_coords_table": "a table of positions, computed and not trained",
    "inv_freq": "frequencies of rotary positions, computed and not trained",
    "freqs_cis": "a table of rotary positions, computed and not trained",
    "cos_cached": "a table of rotary positions, computed and not trained",
    "sin_cached": "a table of rotary positions, computed and not trained",
    "embed_positions": "a table of positions, computed and not trained",
    "anchor_grid": "a table of anchors, not a trained weight",
    "mel_basis": "a fixed bank of filters, computed and not trained",
    "mel_filters": "a fixed bank of filters, computed and not trained",
    "mel_fb": "a fixed bank of filters, computed and not trained",
    "fb": "a fixed bank of filters, computed and not trained",
    "forward_basis": "a fixed Fourier basis, computed and not trained",
    "inverse_basis": "a fixed Fourier basis, computed and not trained",
    "dft_matrix": "a fixed Fourier basis, computed and not trained",
    "hann_window": "a fixed window, computed and not trained",
    "_flat_param": "several weights of FSDP in one vector; save the full state dict (StateDictType.FULL_STATE_DICT)",
    "flat_param": "several weights of FSDP in one vector; save the full state dict (StateDictType.FULL_STATE_DICT)",
    "pe": "a table of positions, computed and not trained",
    "sinusoid_table": "a table of positions, computed and not trained",
    "pos_table": "a table of positions, computed and not trained",
    "mask": "an attention mask, not a trained weight",
    "attn_mask": "an attention mask, not a trained weight",
    "causal_mask": "an attention mask, not a trained weight",
    "masked_bias": "an attention mask, not a trained weight",
    "IGNORE": "an attention mask, not a trained weight",
}
_OPTIMIZER = re.compile(
    r"(^|[./])(optimizers?|optim|optimizer_states?|lr_schedulers?)[./]|"
    r"[./](exp_avg|exp_avg_sq|max_exp_avg_sq|momentum_buffer|square_avg|exp_inf)$"
)
_NORM = re.compile(
    r"(^|_|\d)(norm\d*|layer_?norm\w*|ln(_\w+)?\d*|bn\d*|batch_?norm\w*|group_?norm\w*|rms_?norm\w*)(_|$|\d)"
)
_NORM_CLASSES = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm", "SyncBatchNorm")
_ACTIVATION_SCALES = {
    "input_scale",
    "output_scale",
    "activation_scale",
    "input_scale_inv",
    "k_scale",
    "v_scale",
}


def not_a_weight(entry: TensorEntry, hint: ModuleHint | None) -> str | None:
    """Tell why a tensor is no weight, by its name and precision.

    Args:
        entry: the tensor.
        hint: what its module says, if there is one.

    Returns:
        The reason, or None for a tensor that may be a weight.
    """
    pieces = Name.of(entry.name)
    if _OPTIMIZER.search(entry.name):
        return "state of the optimiser, not a weight"
    if pieces.leaf in _BY_LEAF:
        return _BY_LEAF[pieces.leaf]
    if pieces.leaf in _ACTIVATION_SCALES:
        return "a scale of activations, not a weight"
    if 0 in entry.shape:
        return f"empty: its shape is {list(entry.shape)}"
    if entry.dtype == "bool":
        return "true/false values (a mask), not a trained weight"
    if entry.dtype.startswith("complex"):
        return (
            f"complex numbers ({entry.dtype}): only real weights have the spectra shown here; "
            "save the real and the imaginary part apart and open that"
        )
    if entry.dtype.startswith(("int", "uint", "qint", "quint", "bits")):
        if len(entry.shape) < 2:
            return f"{'a single number' if not entry.shape else 'a vector'} of {entry.dtype}, not a weight matrix"
        return (
            f"integers ({entry.dtype}): not a trained weight, or a quantised one that must be dequantised "
            "(saved in bfloat16 or float32) first"
        )
    if hint and hint.buffer and len(entry.shape) > 1:
        return "a buffer of its module, kept and not trained"
    if hint and hint.class_name.startswith(_NORM_CLASSES):
        return "a normalisation's scale or shift: one number per feature, not a matrix"
    if len(entry.shape) > 2 and pieces.leaf in {"weight", "bias"} and _NORM.search(pieces.parent.lower()):
        return "a normalisation's scale or shift: one number per feature, not a matrix"
    if len(entry.shape) > 1 and (pieces.leaf == "bias" or pieces.leaf.endswith("_bias")) and _is_bias(entry):
        return "biases, not a matrix that multiplies anything"
    return None


def _is_bias(entry: TensorEntry) -> bool:
    # A table of relative positions that is named `...bias` and large both ways is learned like an embedding.
    return "relative" not in entry.name and "position" not in entry.name


def not_a_matrix(shape: tuple[int, ...]) -> str | None:
    """Tell why a shape has no spectrum.

    Args:
        shape: the stored shape.

    Returns:
        The reason, or None for a shape that can be seen as a matrix.
    """
    if not shape:
        return "a single number, not a matrix"
    if sum(size > 1 for size in shape) <= 1 and (
        len(shape) == 1 or shape[0] == 1 or math.prod(shape[1:]) == 1
    ):
        if len(shape) == 2 and shape[0] == 1:
            return f"one row only (shape {list(shape)}): a single vector has no spectrum"
        if len(shape) == 2:
            return f"one column only (shape {list(shape)}): a single vector has no spectrum"
        return (
            "a vector, not a matrix" if len(shape) == 1 else f"a vector (shape {list(shape)}), not a matrix"
        )
    return None
