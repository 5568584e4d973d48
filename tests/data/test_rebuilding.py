import json

import pytest
import torch

import eigentrail as et
from eigentrail import data as datasets
from eigentrail.errors import DataError
from eigentrail.evaluation.of_run import samples_of


def test_what_was_described_is_loaded_again_sample_for_sample():
    made = datasets.label_noise(
        datasets.take(
            datasets.select_classes(datasets.load_digits(), [1, 3, 7], relabel=True), 100, 20, seed=3
        ),
        0.1,
        seed=5,
    )
    told = json.loads(json.dumps(made.describe()))
    again = datasets.rebuild(told)
    assert torch.equal(again.train_inputs, made.train_inputs)
    assert torch.equal(again.train_targets, made.train_targets)
    assert torch.equal(again.test_targets, made.test_targets)
    assert again.describe() == made.describe()


def test_other_samples_unknown_data_and_unknown_steps_are_refused():
    told = datasets.load_digits().describe()
    with pytest.raises(DataError, match="hashes differ"):
        datasets.rebuild({**told, "fingerprint": "0" * 32})
    with pytest.raises(DataError, match="none of eigentrail's own"):
        datasets.rebuild({**told, "name": "mine"})
    with pytest.raises(DataError, match="not known"):
        datasets.rebuild({**told, "derivation": [{"do": "eval"}]})


def test_the_samples_of_a_run(tmp_path):
    data = datasets.take(datasets.load_digits(), 64, 10)
    run = et.train("mlp50", data, tmp_path / "run", et.TrainingSettings(epochs=1), progress=False)
    inputs, targets = samples_of(run)
    assert torch.equal(inputs, data.train_inputs) and torch.equal(targets, data.train_targets)
    fewer, _ = samples_of(run, count=7, seed=1)
    assert len(fewer) == 7 and torch.equal(fewer, samples_of(run, count=7, seed=1)[0])
    assert len(samples_of(run, part="test")[0]) == 10
    own = samples_of(run, (torch.ones(3, 2), torch.zeros(3, dtype=torch.int64)))
    assert len(own[0]) == 3
    nothing = datasets.from_tensors((torch.ones(4, 2), torch.tensor([0, 1, 0, 1])))
    with pytest.raises(DataError, match="no test samples"):
        samples_of(run, nothing, part="test")
