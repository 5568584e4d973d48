from __future__ import annotations

import plotly.graph_objects as go
import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.errors import OptionError


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(60, 40), nn.Linear(40, 30))


def test_an_inspection_offers_its_figures_and_a_table(model: nn.Module) -> None:
    found = et.inspect(model)
    assert list(found.figures) == ["0.weight", "1.weight"]
    figures = found.figures["0.weight"]
    assert {"density", "tail", "ks", "spacings", "vectors"} <= set(figures)
    assert all(isinstance(f, go.Figure) and f.layout.xaxis.title.text for f in figures.values())
    assert len(found.figures.overview) >= 4
    assert "0.weight" in found._repr_html_() and "<table" in found._repr_html_()
    with pytest.raises(OptionError, match="no matrix 'x'"):
        found.figures["x"]


def test_a_comparison_offers_its_figures(model: nn.Module) -> None:
    other = {k: v + 0.1 * torch.randn_like(v) for k, v in model.state_dict().items()}
    found = et.compare(model, other)
    figures = found.figures["0.weight"]
    assert len(figures) >= 3 and all(isinstance(f, go.Figure) for f in figures.values())
    assert found.figures.overview
