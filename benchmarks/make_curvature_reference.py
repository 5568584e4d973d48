"""Ask curvlinops for Hessians and Gauss-Newton matrices of small networks, and write the numbers that the
tests compare with.

The peers need an environment of their own: curvlinops' requirements pull a torchvision and with it a torch
that do not fit the pinned one, so it is installed without them. From the repository's root:

    python3 -m venv .peers
    .peers/bin/pip install -c constraints.txt torch==2.13.0 numpy scipy tqdm einops einconv opt-einsum
    .peers/bin/pip install --no-deps curvlinops-for-pytorch==3.0.1 linear_operator backpack-for-pytorch unfoldNd
    .peers/bin/python benchmarks/make_curvature_reference.py

`benchmarks/bench_curvature.py` needs eigentrail and PyHessian beside them:

    .peers/bin/pip install -c constraints.txt -e .
    .peers/bin/pip install --no-deps pyhessian==0.1 hessian-eigenthings==1.0.0a5

The networks and samples are those of tests/curvature/curvature_cases.py. For each case and for either matrix
("hessian", "gauss-newton") the file holds the products with three fixed vectors and all eigenvalues, for the
samples in batches of 8, 8 and 6. The script stops where curvlinops differs from backward derivatives by
autograd, but for the cases named in PEER_IS_WRONG: there the file holds the numbers of autograd, and by how
much curvlinops is off.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from curvlinops import GGNLinearOperator, HessianLinearOperator
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT / "tests" / "curvature"))
from curvature_cases import NAMES, PEER_IS_WRONG, Case, build, vectors  # noqa: E402

_TARGET = _ROOT / "tests" / "curvature" / "reference" / "curvlinops.npz"


def dense(kind: type, case: Case) -> np.ndarray:
    """The whole matrix as the peer gives it."""
    operator = kind(
        case.model, case.loss, list(case.model.parameters()), case.batches(), check_deterministic=False
    )
    with sdpa_kernel(SDPBackend.MATH):
        return (operator @ torch.eye(case.n, dtype=torch.float64)).detach().numpy()


def by_autograd(case: Case) -> np.ndarray:
    """The Hessian of the mean loss over all samples at once, backward twice."""
    named = {name: p.detach() for name, p in case.model.named_parameters()}
    sizes = [p.numel() for p in named.values()]

    def loss(flat: torch.Tensor) -> torch.Tensor:
        parts = zip(named.items(), flat.split(sizes), strict=True)
        given = {name: part.reshape(p.shape) for (name, p), part in parts}
        return case.loss(functional_call(case.model, given, (case.inputs,)), case.targets)

    with sdpa_kernel(SDPBackend.MATH):
        flat = torch.cat([p.flatten() for p in named.values()])
        return torch.autograd.functional.hessian(loss, flat).numpy()


def main() -> None:
    found: dict[str, np.ndarray] = {}
    for name in NAMES:
        case = build(name)
        for kind, operator in (("hessian", HessianLinearOperator), ("gauss-newton", GGNLinearOperator)):
            matrix = dense(operator, case)
            if kind == "hessian":
                wanted = by_autograd(case)
                off = np.abs(matrix - wanted).max() / np.abs(wanted).max()
                assert (off < 1e-10) == (name not in PEER_IS_WRONG), (name, off)
                found[f"{name}/off"] = np.array(off)
                matrix = wanted if name in PEER_IS_WRONG else matrix
            found[f"{name}/{kind}/products"] = vectors(case.n) @ matrix
            found[f"{name}/{kind}/eigenvalues"] = np.linalg.eigvalsh((matrix + matrix.T) / 2)
            largest = np.abs(matrix).max()
            print(f"{name:12s} {kind:12s} n = {case.n:4d}, largest entry {largest:.3g}", end="")
            print(f", curvlinops differs from autograd by {off:.1e}" if kind == "hessian" else "")
    found["versions"] = np.array([f"{p} {version(p)}" for p in ("curvlinops-for-pytorch", "torch", "numpy")])
    _TARGET.parent.mkdir(exist_ok=True)
    np.savez_compressed(_TARGET, **found)
    print(f"{_TARGET.relative_to(_ROOT)}: {_TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
