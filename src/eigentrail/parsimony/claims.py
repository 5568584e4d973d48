"""The claims of S3, parts 2 to 4, as values: what is measured for each seed and what decides."""

from __future__ import annotations

from eigentrail.findings import (
    Claim,
    decreasing,
    equals,
    greater_than,
    greater_than_chance,
    increasing,
    less_than,
)

_LAW = "S3 part 2, law of parsimony"
_SEPARATION = "S3 part 3, progressive separation"
_COMPLETION = "S3 part 4, deep matrix completion"

LAW: tuple[Claim, ...] = (
    Claim("s3-2r-move", _LAW, "Learning takes place in a subspace of dimension 2r of each layer.",
          "moving singular values of a layer over 2r", equals(1.0, within=0.0)),
    Claim("s3-rho", _LAW, "The other singular values all equal rho(t).",
          "largest relative deviation from the recursion, over layers and steps", less_than(1e-10)),
    Claim("s3-shared-bases", _LAW, "The decomposition holds with V_(l+1) = U_l and fixed bases.",
          "largest leak out of the decomposition, over layers and steps", less_than(1e-12)),
    Claim("s3-case-1", _LAW, "The same holds with as many outputs as the rank.",
          "largest leak out of the decomposition, case 1", less_than(1e-12)),
    Claim("s3-scale-low-rank", _LAW, "The product becomes low-rank as the scale goes to zero.",
          "log10 of sigma_(2r+1) / sigma_1 of the product at scales .3, .2, .1", decreasing()),
    Claim("s3-depth-low-rank", _LAW, "The product becomes low-rank with depth.",
          "log10 of sigma_(2r+1) / sigma_1 of the product at depths 2, 3, 4", decreasing()),
    Claim("s3-momentum", _LAW, "The subspace stays invariant with momentum.",
          "largest angle of the directions that should stay, degrees, momentum .9", less_than(1e-6)),
    Claim("s3-not-whitened", _LAW, "Without whitened data the directions that should stay do stay.",
          "largest angle of the directions that should stay, degrees", less_than(1.0)),
    Claim("s3-relu", _LAW, "In a ReLU network the directions that should stay do stay.",
          "largest angle of the directions that should stay, degrees", less_than(1.0)),
    Claim("s3-not-whitened-energy", _LAW, "Without whitened data the motion still lies in few directions.",
          "share of ||W - W(0)||^2 in its 2r leading directions", greater_than_chance()),
)  # fmt: skip

SEPARATION: tuple[Claim, ...] = (
    Claim("s3-balanced-last", _SEPARATION, "||W_L^T W_L - W_(L-1) W_(L-1)^T||_F <= eps^2 sqrt(d - K).",
          "the gap over its bound", less_than(1.0)),
    Claim("s3-balanced-inner", _SEPARATION, "The other pairs are balanced (descent: to first order in the rate).",
          "exponent of the rate in the largest gap", equals(1.0, within=0.1)),
    Claim("s3-unchanged-spectrum", _SEPARATION, "In each layer but the last, d - 2K singular values stay at eps.",
          "how many equal eps to 1e-10, over d - 2K", equals(1.0, within=0.0)),
    Claim("s3-separation-bound", _SEPARATION, "D_(l+1) / D_l <= 2 (sqrt K + 1) eps^2.",
          "largest ratio over its bound, eps = .1", less_than(1.0)),
    Claim("s3-separation-scale", _SEPARATION, "The decay ratio is governed by eps^2.",
          "D ratio / eps^2 at eps = .1 over that at .05", equals(1.0, within=0.1)),
    Claim("s3-trade-off", _SEPARATION, "A smaller scale separates faster from layer to layer.",
          "slope of log10 D_l by layer at scales .5, .3, .2, .1", decreasing()),
    Claim("s3-trade-off-cost", _SEPARATION, "A smaller scale converges slower.",
          "iterations at scales .5, .3, .2, .1", increasing()),
    Claim("s3-trade-off-relu", _SEPARATION, "A smaller scale separates faster from layer to layer: ReLU network.",
          "slope of log10 D_l by layer at scales .5, .3, .2, .1, ReLU", decreasing()),
    Claim("s3-trade-off-relu-cost", _SEPARATION, "A smaller scale converges slower: ReLU network.",
          "iterations at scales .5, .3, .2, .1, ReLU", increasing()),
    Claim("s3-linear-orthogonal", _SEPARATION, "With depth log D_l falls linearly: orthogonal start.",
          "correlation of log D_l with l", less_than(-0.95)),
    Claim("s3-linear-normal", _SEPARATION, "With depth log D_l falls linearly: normal start.",
          "correlation of log D_l with l", less_than(-0.95)),
    Claim("s3-linear-uniform", _SEPARATION, "With depth log D_l falls linearly: uniform start.",
          "correlation of log D_l with l", less_than(-0.95)),
    Claim("s3-linear-relu", _SEPARATION, "With depth log D_l falls linearly: ReLU network.",
          "correlation of log D_l with l", less_than(-0.95)),
)  # fmt: skip

COMPLETION: tuple[Claim, ...] = (
    Claim("s3-compressed-equals-full", _COMPLETION, "Descent on the compressed weights is that on the full ones.",
          "||W_full - W_compressed - rho^L rest|| / ||Phi||, largest over steps", less_than(1e-12)),
    Claim("s3-plain-compression", _COMPLETION, "Plain compression does not complete (gamma = 0).",
          "error on unobserved entries", greater_than(0.1)),
    Claim("s3-gamma", _COMPLETION, "The discrepant rate repairs it (gamma = 1).",
          "error on unobserved entries", less_than(0.011)),
    Claim("s3-same-iterations", _COMPLETION, "The compressed network needs the full one's iterations.",
          "iterations, compressed over full", equals(1.0, within=0.25)),
    Claim("s3-narrow", _COMPLETION, "A narrow network is no substitute: it is harder to train.",
          "iterations, narrow over compressed", greater_than(1.0)),
    Claim("s3-width", _COMPLETION, "Width saves iterations.",
          "iterations at widths 2r, 4r, d", decreasing()),
    Claim("s3-depth-samples", _COMPLETION, "Depth improves sample complexity.",
          "observed share that is enough at depths 2 and 3", decreasing()),
    Claim("s3-more-depth-samples", _COMPLETION, "Still more depth improves sample complexity further.",
          "observed share that is enough at depths 3 and 4", decreasing()),
    Claim("s3-overestimate", _COMPLETION, "An overestimated rank recovers as well.",
          "largest error on unobserved entries at rank estimates r, 2r, 5r", less_than(0.011)),
)  # fmt: skip

#: All claims by their id.
CLAIMS: dict[str, Claim] = {claim.id: claim for claim in (*LAW, *SEPARATION, *COMPLETION)}
