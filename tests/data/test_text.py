"""Text by its characters: which character follows which, and what sequences are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from eigentrail import data
from eigentrail.errors import DataError

TEXT = "".join(chr(97 + i * i % 7) for i in range(200)) + "\n"


def test_each_position_has_the_character_behind_it() -> None:
    found = data.characters(TEXT, context=10)
    letters = sorted(set(TEXT))
    whole = torch.tensor([letters.index(letter) for letter in TEXT])
    assert found.class_names[0] == "newline"
    # The first nine tenths of 201 characters make 17 sequences of 10, the last tenth two.
    assert found.train_inputs.shape == found.train_targets.shape == (17, 10)
    assert found.test_inputs.shape == (2, 10)
    assert torch.equal(found.train_inputs.flatten(), whole[:170])
    assert torch.equal(found.train_targets.flatten(), whole[1:171])
    assert torch.equal(found.test_targets.flatten(), whole[181:201])
    assert found.by_position


def test_it_is_found_by_name_and_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "tinyshakespeare.txt").write_text(TEXT * 10)
    monkeypatch.setenv("EIGENTRAIL_DATA", str(tmp_path))
    found = data.load("Tiny Shakespeare")
    assert found.input_shape == (64,)
    again = data.rebuild(data.take(found, 5, 2).describe())
    assert len(again.train_inputs) == 5
    with pytest.raises(DataError, match="too few for sequences"):
        data.load_tinyshakespeare(tmp_path, context=1000)


@pytest.mark.parametrize(
    "change", [lambda d: data.label_noise(d, 0.5), lambda d: data.select_classes(d, [0, 1])]
)
def test_changes_of_classes_are_refused(change: object) -> None:
    with pytest.raises(DataError, match="sequences of tokens"):
        change(data.characters(TEXT, 10))  # type: ignore[operator]


def test_own_tokens_stay_whole_numbers_and_have_to_be_known() -> None:
    tokens = torch.randint(5, (8, 7), generator=torch.Generator().manual_seed(0))
    own = data.from_tensors((tokens[:, :-1], tokens[:, 1:]), classes=5)
    assert own.train_inputs.dtype == torch.int64
    assert own.by_position
    with pytest.raises(DataError, match="sequences of tokens"):
        data.from_tensors((tokens[:, :-1] + 5, tokens[:, 1:]), classes=5)
    with pytest.raises(DataError, match="one class number"):
        data.from_tensors((torch.rand(8, 6), tokens[:, 1:]), classes=5)
