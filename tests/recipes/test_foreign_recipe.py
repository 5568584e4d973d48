"""A recipe of another package, added by one file and an entry point, is listed, trained, and its claims decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from eigentrail.cli.app import run as main
from eigentrail.errors import OptionError
from eigentrail.recipes import recipes

SHALLOW = """
from eigentrail.recipes import recipe


@recipe("shallow", source="somewhere 1.2", network="mlp50", data="digits", minutes="1 minute", disk="1 MB")
def shallow():
    '''How long the last layer is.'''
    from eigentrail.findings import Claim, equals
    from eigentrail.recipes import RunClaim, Study
    from eigentrail.training import Preset, TrainingSettings

    longer = Claim("shallow-sides", "somewhere 1.2", "It is five times as long as wide.", "sides", equals(5.0, 0.0))
    return Study(
        Preset(settings=TrainingSettings(lr=0.1, epochs=2), layers={"fc3.weight": 1}),
        analysed=("fc3.weight",),
        claims=(RunClaim(longer, "evolution", "fc3.weight", lambda row: 500 / min(row["rows"], row["cols"]) ** 2),),
    )
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    recipes.cache_clear()
    yield
    recipes.cache_clear()


def test_one_file_and_an_entry_point_add_a_recipe(
    installed: Callable[[str, str, str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed("eigentrail.recipes", "shallow", SHALLOW)
    assert main(["study", "--list"]) == 0
    assert "shallow" in capsys.readouterr().out.split()
    assert recipes()["shallow"].shows == "How long the last layer is."
    out = tmp_path / "runs"
    assert main(["study", "shallow", "--seeds", "3", "--out", str(out), "--budget", "0", "-q"]) == 0
    claims = pd.read_csv(out / "claims.csv")
    assert claims["id"].tolist() == ["shallow-sides"] and claims["seeds"].tolist() == [3]
    assert claims["verdict"].tolist() == ["holds"]
    assert "It is five times as long as wide." in (out / "report.html").read_text(encoding="utf-8")


def test_what_is_no_recipe_is_refused(installed: Callable[[str, str, str], None]) -> None:
    installed("eigentrail.recipes", "nothing", "nothing = 3\n")
    with pytest.raises(OptionError, match="of_others_nothing:nothing, which is no recipe"):
        recipes()
