"""A small language model of Shakespeare's characters: what training leaves in a transformer, curvature included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "gpt-2-4-64",
    source="Radford et al. 2019",
    network="gpt-2-4-64",
    data="tinyshakespeare",
    minutes="15 minutes; full: 6 hours",
    disk="45 MB; full: 1.5 GB",
)
def gpt_2_4_64() -> Study:
    """A character-level GPT: spikes, drift, Hessian and next-token collapse of its attention and dense layers."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import Cosine, Preset, TrainingSettings

    return Study(
        Preset(
            settings=TrainingSettings(
                optimizer="adamw", lr=3e-3, batch_size=32, epochs=30, schedule=Cosine(), weight_decay=0.0
            ),
            layers={"blocks.0.attn.qkv.weight": 1, "*": 10},
            two_cores=small(300, 200, epochs=25, why="a Hessian product goes through all sequences"),
            chosen=(
                "characters instead of subwords, and a width, depth and context that two cores train in minutes",
                "no weight decay and no dropout",
            ),
        ),
        analyses=(
            "curvature",
            "collapse",
            "overlap",
            "add-back",
            "acc-k",
            "landscape",
            "loss-scaling",
            "rank-bound",
        ),
        analysed=("blocks.0.attn.qkv.weight",),
    )
