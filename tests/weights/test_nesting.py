"""The state dict is found wherever training scripts put it, under its plain names."""

from __future__ import annotations

import pytest
import torch

from eigentrail.errors import SourceError
from eigentrail.weights import open_store
from eigentrail.weights.nesting import clean_names

W = {"fc.weight": torch.ones(3, 2), "fc.bias": torch.zeros(3)}
MODULE = {"module." + name: value for name, value in W.items()}
COMPILED = {"_orig_mod." + name: value for name, value in W.items()}


@pytest.mark.parametrize(
    "checkpoint",
    [
        W,
        {"state_dict": W, "epoch": 3},
        {"model_state_dict": W, "optimizer_state_dict": {"state": {0: {"exp_avg": torch.ones(3, 2)}}}},
        {"model": {"state_dict": MODULE}, "step": 1},
        {"model": W, "losses": [0.1] * 1000, "loss": torch.tensor(0.3)},
        {"module": MODULE},
        {"state_dict": {"module._orig_mod." + name: value for name, value in W.items()}},
        COMPILED,
        {"params": {"fc": {"weight": W["fc.weight"], "bias": W["fc.bias"]}}},
    ],
    ids=[
        "flat",
        "state_dict",
        "model_state_dict",
        "nested",
        "model",
        "module",
        "prefixes",
        "compiled",
        "by module",
    ],
)
@pytest.mark.parametrize("saved", [False, True])
def test_every_nest(checkpoint, saved, tmp_path):
    if saved:
        torch.save(checkpoint, tmp_path / "c.pt")
    store = open_store(tmp_path / "c.pt" if saved else checkpoint)
    assert list(store.entries) == ["fc.weight", "fc.bias"]
    assert store.read("fc.weight").equal(W["fc.weight"])
    assert [left.name for left in store.skipped] in ([], ["optimizer_state_dict"])


def test_several_networks_keep_their_names():
    store = open_store(
        {"generator": W, "critic": W | {"fc.weight": torch.zeros(3, 2)}, "optimizers": [{"m": W["fc.bias"]}]}
    )
    assert set(store.entries) >= {"generator.fc.weight", "critic.fc.weight", "generator.fc.bias"}
    assert [left.name for left in store.skipped] == ["optimizers"]


def test_second_set_of_weights_is_named():
    store = open_store({"model": W, "ema": {"fc.weight": torch.zeros(3, 2)}})
    assert [(left.name, "beside `model`" in left.reason) for left in store.skipped] == [("ema", True)]


def test_prefix_goes_only_if_all_have_it():
    assert clean_names(["module.a", "b"]) == {"module.a": "module.a", "b": "b"}
    assert clean_names(["module.a", "module.b"]) == {"module.a": "a", "module.b": "b"}
    assert clean_names(["layers.0._orig_mod.w", "x"])["layers.0._orig_mod.w"] == "layers.0.w"
    # Two names that would meet stay apart.
    assert clean_names(["a._orig_mod.w", "a.w"]) == {"a._orig_mod.w": "a._orig_mod.w", "a.w": "a.w"}


def test_mapping_that_holds_itself():
    loop: dict[str, object] = {"w": torch.ones(2, 2)}
    loop["model"] = loop
    loop["again"] = [loop, loop]
    assert list(open_store(loop).entries) == ["w"]


def test_mapping_that_doubles_at_every_level():
    level: object = {"w": torch.ones(2, 2)}
    for _ in range(12):
        level = {"a": level, "b": level, "c": [level, level]}
    # Each mapping is visited once.
    assert list(open_store(level).entries) == [".".join("a" * 12) + ".w"]
    for _ in range(60):
        level = {"a": level, "b": level, "c": [level, level]}
    with pytest.raises(SourceError, match="no tensor"):
        open_store(level)


def test_lightning_checkpoint(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")

    class Net(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters({"width": 8})
            self.fc = torch.nn.Linear(8, 4)

        def training_step(self, batch, _):
            return self.fc(batch[0]).square().mean()

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters())

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(8, 8)))
    net = Net()
    trainer = lightning.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    trainer.fit(net, data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    store = open_store(tmp_path / "last.ckpt")
    assert list(store.entries) == ["fc.weight", "fc.bias"]
    assert store.read("fc.weight").equal(net.fc.weight)
