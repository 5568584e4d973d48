"""The callback inside a real training by transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail.runs import open_run

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
from eigentrail.runs.transformers import MonitorCallback, RecorderCallback  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


def tiny_gpt2() -> nn.Module:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=17, n_positions=8, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    return transformers.GPT2LMHeadModel(config)


class Watch(transformers.TrainerCallback):
    """Keep copies of the weights when each batch begins."""

    def __init__(self) -> None:
        self.kept: dict[int, torch.Tensor] = {}

    def on_step_begin(
        self, args: object, state: object, control: object, model: nn.Module, **kwargs: object
    ) -> None:
        self.kept[state.global_step] = model.transformer.h[0].mlp.c_fc.weight.detach().clone()  # type: ignore[attr-defined]


def fit(model: nn.Module, tmp_path: Path, callbacks: list, **how: object) -> None:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 17, (40, 8), generator=generator)
    data = [{"input_ids": row, "labels": row} for row in tokens]
    resume = how.pop("resume_from_checkpoint", None)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "trainer"),
        per_device_train_batch_size=4,
        learning_rate=0.01,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=7,
        **{"num_train_epochs": 2, "logging_steps": 2, "save_strategy": "no", **how},
    )
    trainer = transformers.Trainer(
        model=model, args=arguments, train_dataset=data, eval_dataset=data[:8], callbacks=callbacks
    )
    trainer.train(resume_from_checkpoint=resume)


def test_weights_after_optimizer_steps(tmp_path: Path) -> None:
    model, watch = tiny_gpt2(), Watch()
    callback = RecorderCallback(tmp_path / "run", layers={"*.c_fc.weight": 1, "*": "epoch"}, report=None)
    fit(model, tmp_path, [watch, callback], eval_strategy="epoch")
    run = open_run(tmp_path / "run")
    name = "transformer.h.0.mlp.c_fc.weight"
    assert run.status == "finished"
    assert run[name].step.values.tolist() == list(range(21))
    for step, weight in watch.kept.items():
        assert np.array_equal(run[name].sel(step=step).values, weight.numpy())
    assert np.array_equal(run[name].values[20], model.transformer.h[0].mlp.c_fc.weight.detach().numpy())
    assert run["transformer.wte"].step.values.tolist() == [0, 10, 20]
    assert run["transformer.wte"].epoch.values.tolist() == [0, 1, 2]
    assert run["lm_head"].name == "transformer.wte.weight"
    # transformers keeps the inputs of these layers first.
    assert run[name].dims == ("step", "in", "out")
    assert run.metrics["loss"].dropna("step").step.values.tolist() == list(range(2, 21, 2))
    assert run.metrics["eval_loss"].dropna("step").step.values.tolist() == [10, 20]
    assert run.manifest.seed == 7
    assert "AdamW" in run.manifest.optimizer["class"]


def test_gradient_accumulation(tmp_path: Path) -> None:
    model, watch = tiny_gpt2(), Watch()
    fit(
        model,
        tmp_path,
        [watch, RecorderCallback(tmp_path / "run", report=None)],
        gradient_accumulation_steps=5,
    )
    run = open_run(tmp_path / "run")
    # Ten batches an epoch make two optimizer steps.
    assert run.steps.tolist() == [0, 1, 2, 3, 4]
    assert run["transformer.wte"].epoch.values.tolist() == [0, 0, 1, 1, 2]
    for step, weight in watch.kept.items():
        assert np.array_equal(run["transformer.h.0.mlp.c_fc"].sel(step=step).values, weight.numpy())


def test_going_on_from_a_checkpoint(tmp_path: Path) -> None:
    how = {"save_strategy": "steps", "save_steps": 5, "max_steps": 12}
    fit(tiny_gpt2(), tmp_path, [RecorderCallback(tmp_path / "run", resume=True, report=None)], **how)
    before = open_run(tmp_path / "run")["transformer.wte"].values
    fit(
        tiny_gpt2(),
        tmp_path,
        [RecorderCallback(tmp_path / "run", resume=True, report=None)],
        resume_from_checkpoint=str(tmp_path / "trainer/checkpoint-5"),
        **how,
    )
    run = open_run(tmp_path / "run")
    assert [session.from_step for session in run.manifest.sessions] == [0, 5]
    assert run.steps.tolist() == list(range(13))
    assert np.array_equal(run["transformer.wte"].values, before)
    # The trainer's own checkpoints open as a run too.
    folders = open_run(tmp_path / "trainer")
    assert folders.steps.tolist() == [5, 10, 12]
    assert np.array_equal(folders["transformer.wte"].values, before[[5, 10, 12]])


def test_a_monitor_looks_after_optimizer_steps(tmp_path: Path) -> None:
    model, watch, told = tiny_gpt2(), Watch(), {}
    callback = MonitorCallback(
        every=4,
        layers="*.c_fc.weight",
        alarms=False,
        log_to=lambda numbers, step: told.update({step: numbers}),
    )
    # 40 rows in batches of 4, two at a time: 5 optimizer steps an epoch.
    fit(model, tmp_path, [callback, watch], gradient_accumulation_steps=2)
    assert sorted(told) == [0, 4, 8]
    name = "transformer.h.0.mlp.c_fc.weight/frobenius_norm"
    for step in (4, 8):
        assert told[step][name] == pytest.approx(float(watch.kept[step].norm()), rel=1e-5)
