"""Completion recovers what was planted, finds its rank, tells its error, and refuses what cannot be completed."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

import eigentrail as et
from eigentrail.errors import CompletionError, DivergenceError, OptionError
from eigentrail.findings import Verdict
from eigentrail.parsimony import observe


def planted(rows: int, columns: int, rank: int, share: float, noise: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))
    mask = rng.random(truth.shape) < share
    seen = np.where(mask, truth + noise * rng.standard_normal(truth.shape), np.nan)
    return truth, mask, seen


def unseen(found: et.parsimony.Completion, truth: np.ndarray, mask: np.ndarray) -> float:
    return float(np.linalg.norm((found.estimate - truth)[~mask]) / np.linalg.norm(truth[~mask]))


@pytest.mark.parametrize(
    ("rows", "columns", "rank", "share"), [(100, 100, 1, 0.2), (120, 80, 3, 0.3), (100, 140, 6, 0.4)]
)
def test_the_rank_and_the_matrix_are_found(rows: int, columns: int, rank: int, share: float) -> None:
    truth, mask, seen = planted(rows, columns, rank, share, seed=rank)
    found = et.complete(seen)
    assert found.rank == rank
    assert unseen(found, truth, mask) < 1e-4
    assert np.array_equal(found.matrix[mask], seen[mask])
    np.testing.assert_allclose(found.matrix[~mask], found.estimate[~mask])
    np.testing.assert_allclose(found.entries([3, 5], [7, 9]), found.estimate[[3, 5], [7, 9]])
    assert found.finding.verdict is Verdict.YES and not found.finding.needs_look


def test_with_noise_the_error_lies_in_its_interval() -> None:
    """95% intervals of 20 matrices cover: 16 or more of them but for 3 in 1000."""
    covered, ranks = 0, []
    for seed in range(20):
        _, mask, seen = planted(60, 60, 2, 0.5, noise=0.5, seed=seed)
        rng = np.random.default_rng(seed)
        truth = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 60))
        found = et.complete(seen, rank=2, holdout=0.2)
        fresh = truth + 0.5 * np.random.default_rng(99).standard_normal(truth.shape)
        error = np.linalg.norm((found.estimate - fresh)[~mask]) / np.linalg.norm(fresh[~mask])
        # The final fit has a quarter more entries than the one whose error was measured.
        covered += found.interval[0] - 0.03 < error < found.interval[1] + 0.03
        ranks.append(found.rank)
    assert covered >= 16


def test_pure_noise_is_not_called_completed() -> None:
    """No rank tells more than means of independent entries: the verdict is yes for at most 1 of 10 matrices."""
    said = [
        et.complete(planted(40, 40, 1, 0.5, noise=50.0, seed=seed)[2]).finding.verdict for seed in range(10)
    ]
    assert sum(verdict is Verdict.YES for verdict in said) <= 1


def test_masks_tables_tensors_and_sparse_arrays_are_the_same_matrix() -> None:
    truth, mask, seen = planted(50, 40, 2, 0.5)
    expected = et.complete(seen, rank=2)
    table = et.complete(pd.DataFrame(seen, columns=[f"c{i}" for i in range(40)]), rank=2).matrix
    assert isinstance(table, pd.DataFrame) and table.columns[3] == "c3"
    tensor = et.complete(torch.tensor(seen), rank=2).matrix
    assert isinstance(tensor, torch.Tensor)
    rows, columns = np.nonzero(mask)
    sparse = scipy.sparse.coo_array((truth[mask], (rows, columns)), shape=truth.shape)
    for other in (
        table.to_numpy(),
        tensor.numpy(),
        et.complete(truth, mask, rank=2).matrix,
        et.complete(sparse, rank=2).matrix,
    ):
        np.testing.assert_allclose(other, expected.matrix, atol=1e-10)
    # An observed zero is an observation.
    zero = scipy.sparse.csr_array((np.array([0.0, 2.0]), np.array([0, 1]), np.array([0, 1, 2])), shape=(2, 2))
    assert observe(zero).values.tolist() == [0.0, 2.0]


def test_memory_of_sparse_masks_is_that_of_the_observations() -> None:
    n, rank = 3000, 2
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((n, rank)), rng.standard_normal((rank, n))
    rows, columns = rng.integers(0, n, 90_000), rng.integers(0, n, 90_000)
    matrix = scipy.sparse.coo_array(
        ((left[rows] * right[:, columns].T).sum(axis=1), (rows, columns)), shape=(n, n)
    )
    matrix = scipy.sparse.csr_array((matrix != 0) * 1.0)
    rows = np.repeat(np.arange(n), np.diff(matrix.indptr))
    matrix.data = (left[rows] * right[:, matrix.indices].T).sum(axis=1)
    tracemalloc.start()
    found = et.complete(matrix, rank=rank, steps=40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A dense matrix would take 72 MB; there are 0.7 MB of observed numbers.
    assert peak < 40e6
    places = rng.integers(0, n, (2, 2000))
    truth = (left[places[0]] * right[:, places[1]].T).sum(axis=1)
    assert np.linalg.norm(found.entries(*places) - truth) < 0.1 * np.linalg.norm(truth)


def test_the_same_seed_gives_the_same_numbers() -> None:
    seen = planted(40, 30, 2, 0.5)[2]
    assert np.array_equal(et.complete(seen).estimate, et.complete(seen).estimate)


def test_what_cannot_be_completed_is_said_in_one_sentence() -> None:
    truth, mask, seen = planted(30, 20, 2, 0.6)
    empty_row, infinite, text = seen.copy(), seen.copy(), seen.astype(object)
    empty_row[4] = np.nan
    infinite[2, np.flatnonzero(mask[2])[0]] = np.inf
    text[0, 0] = "a"
    few = np.full((30, 20), np.nan)
    few[:, 0] = 1.0
    few[0] = 1.0
    few[0, 0] = np.nan
    for arguments, said in (
        ((truth,), "nothing is missing"),
        ((np.full((5, 5), np.nan),), "no entry is observed"),
        ((truth, np.zeros_like(mask)), "no entry is observed"),
        ((empty_row,), r"row 4 has no observed entry \(1 such rows\)"),
        ((infinite,), r"observed entry \[2, \d+\] is inf"),
        ((truth, mask[:5]), "mask has shape"),
        ((truth, mask * 2), "other than 0 and 1"),
        ((seen, None, 11), "more than the .* observed entries"),
        ((np.ones(4),), "a matrix"),
        ((text,), "numbers only"),
        ((np.where(mask, 0.0, np.nan),), "all observed entries are zero"),
        ((few,), "do not fix even rank 1"),
    ):
        with pytest.raises(CompletionError, match=said):
            et.complete(*arguments)
    with pytest.raises(OptionError, match="holdout"):
        et.complete(seen, holdout=0.9)
    with pytest.raises(DivergenceError, match=r"step \d+ with rate 100: try rate 25"):
        et.complete(seen, rate=100.0)


def test_progress_names_the_rank(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    et.complete(planted(40, 30, 2, 0.5)[2], progress=lambda item, done, total: told.append(item))
    assert any(item.startswith("rank 2") for item in told)
    assert not capsys.readouterr().err
