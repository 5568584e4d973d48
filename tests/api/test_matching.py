"""Layers that are called otherwise, tied or resized in the second checkpoint are found."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import eigentrail as et
from eigentrail.errors import OptionError


def weights(*names: str, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(40, 30, generator=generator) for name in names}


@pytest.mark.parametrize("prefix", ["model.", "module.", "_orig_mod.", "base_model.model."])
def test_pieces_in_front_of_a_name_do_not_matter(prefix: str) -> None:
    a = weights("h.0.q.weight", "h.1.q.weight")
    b = {prefix + name: w for name, w in a.items()}
    for one, other in ((a, b), (b, a)):
        found = et.compare(one, other, progress=False)
        assert len(found.table) == 2 and not found.skipped and found.summary["moved"] == 0


def test_names_are_read_as_renamed() -> None:
    a, b = weights("enc.a.weight", "enc.b.weight"), weights("net.a.weight", "net.b.weight")
    found = et.compare(a, b, rename={"enc.": "net."}, progress=False)
    assert len(found.table) == 2 and found.summary["moved"] == 0
    with pytest.raises(OptionError, match="no name of state dict has"):
        et.compare(a, b, rename={"dec.": "net."}, progress=False)


def test_a_bare_end_that_fits_several_layers_fits_none() -> None:
    found = et.compare(
        weights("a.fc.weight", "x.weight"),
        weights("b.c.fc.weight", "b.d.fc.weight", "x.weight"),
        progress=False,
    )
    assert found.layers == ["x.weight"] and len(found.skipped) == 3


def test_grown_vocabularies_are_compared_in_their_common_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(200, 20, generator=generator)
    grown = torch.cat([table, torch.randn(8, 20, generator=generator)])
    found = et.compare({"embed.weight": table}, {"embed.weight": grown}, progress=False)
    assert found.summary["moved"] == 0 and "first 200 rows" in " ".join(found.table["warnings"].iloc[0])


def test_weight_norm_and_its_merged_weights_are_one_layer() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 30))
    merged = {name: w.clone() for name, w in plain.state_dict().items()}
    for place in (0, 2):
        parametrizations.weight_norm(plain[place])
    found = et.compare(merged, plain, progress=False)
    assert sorted(found.layers) == ["0.weight", "2.weight"] and not found.findings[0].needs_look
    assert (found.table["relative_change"] < 1e-6).all()


def test_a_tied_head_is_compared_with_an_untied_one() -> None:
    torch.manual_seed(0)

    class Tied(nn.Module):
        def __init__(self, tied: bool) -> None:
            super().__init__()
            self.wte = nn.Embedding(60, 20)
            self.head = nn.Linear(20, 60, bias=False)
            if tied:
                self.head.weight = self.wte.weight

    tied, untied = Tied(True), Tied(False)
    untied.load_state_dict(tied.state_dict())
    found = et.compare(tied, untied, progress=False)
    assert found.summary["moved"] == 0 and len(found.table) >= 1


def test_a_base_is_compared_with_its_own_adapter() -> None:
    base = {"q_proj.weight": torch.randn(80, 60)}
    stem = "base_model.model.q_proj"
    adapter = {f"{stem}.lora_A.weight": torch.randn(4, 60), f"{stem}.lora_B.weight": torch.randn(80, 4)}
    found = et.compare(base, adapter, base=base, progress=False)
    assert found.layers == ["q_proj.weight"]
    assert found.table["update_numerical_rank"].iloc[0] == 4
