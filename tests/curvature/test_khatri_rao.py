"""Sums of Kronecker products against the sum written out, whether most of their entries are zero or none is."""

import pytest
import torch

from eigentrail.curvature.khatri_rao import KhatriRaoSum


def _planted(samples: int, out: int, inputs: int, on: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Symmetric matrices [samples, out, out] whose units are on with a probability, and vectors [samples, inputs]."""
    generator = torch.Generator().manual_seed(seed)
    matrices = torch.randn(samples, out, out, dtype=torch.float64, generator=generator)
    units = (torch.rand(samples, out, generator=generator) < on).double()
    # One unit is off for all samples, so that whole rows are zero.
    units[:, 0] = 0.0 if on < 1 else 1.0
    matrices = (matrices + matrices.mT) * units[:, :, None] * units[:, None, :]
    return matrices, torch.randn(samples, inputs, dtype=torch.float64, generator=generator)


def _summed(
    matrices: torch.Tensor, vectors: torch.Tensor, dtype: torch.dtype, parts: int
) -> tuple[torch.Tensor, list[str]]:
    """The unfolded sum, and in which ways it was made."""
    out, inputs = matrices.shape[-1], vectors.shape[-1]
    rows, cols = torch.triu_indices(out, out)
    total = KhatriRaoSum(out, inputs, dtype, torch.device("cpu"))
    ways: list[str] = []
    alone = total._add_few

    def spied(triangles: torch.Tensor, chosen: torch.Tensor) -> None:
        ways.append("few")
        alone(triangles, chosen)

    total._add_few = spied  # type: ignore[method-assign]
    for some, vector in zip(matrices.chunk(parts), vectors.chunk(parts), strict=True):
        total.add(some[:, rows, cols].T, vector.T)
    return torch.stack(list(total.blocks())), ways


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("on", "few"), [(0.3, True), (1.0, False)])
def test_the_sum_is_the_one_written_out(on: float, few: bool, seed: int) -> None:
    matrices, vectors = _planted(500, 6, 120, on, seed)
    found, ways = _summed(matrices, vectors, torch.float64, 3)
    expected = torch.einsum("sop,si,sj->oipj", matrices, vectors, vectors)
    assert bool(ways) is few
    assert (found - expected).abs().max() <= 1e-12 * expected.abs().max()
    assert torch.equal(found, found.permute(2, 3, 0, 1))


def test_few_entries_of_more_samples_than_wait_at_once() -> None:
    matrices, vectors = _planted(20_000, 3, 110, 0.3, 0)
    found, ways = _summed(matrices, vectors, torch.float32, 7)
    expected = torch.einsum("sop,si,sj->oipj", matrices, vectors, vectors)
    assert ways == ["few", "few"]
    assert (found.double() - expected).abs().max() <= 1e-6 * expected.abs().max()
