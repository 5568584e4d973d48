"""What the terminal says of a study's claims: at most 25 lines, decided ones first."""

from __future__ import annotations

from pathlib import Path

import pytest

from eigentrail.cli.run_tables import print_claim_results
from eigentrail.findings import Claim, ClaimResult, greater_than, greater_than_chance

PAGE = Path("somewhere/report.html")


def _claims() -> list[ClaimResult]:
    told = []
    for number in range(30):
        claim = Claim(
            f"c{number}", "S9 1", f"The number {number} of a layer grows.", "growth of it", greater_than(0.0)
        )
        told.append(claim.decide([0.9, -0.4, 0.7] if number % 3 else [0.9, 1.1, 1.0]))
    return told


@pytest.mark.parametrize("width", [80, 120])
def test_the_end_of_a_study_of_claims_fits_25_lines(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_claim_results(_claims(), PAGE)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 25 and max(map(len, lines)) <= width
    assert lines[0].startswith("Of 30 claims 10 hold, 20 are not decided.")
    assert lines[-1] == str(PAGE) and "more claims on the page" in lines[-2]
    verdicts = [line.split("  ")[0] for line in lines if line.startswith(("holds", "not decided"))]
    assert verdicts == sorted(verdicts) and verdicts[0] == "holds"
    print_claim_results(_claims(), PAGE, verbose=True)
    assert sum("S9 1" in line for line in capsys.readouterr().out.splitlines()) == 30


def test_what_stands_beside_a_value_is_told_with_it() -> None:
    claim = Claim("c", "S9", "It grows.", "growth", greater_than_chance(), unit="column")
    told = claim.decide([0.9, 0.8, 0.85], [0.5])
    assert told.measured == "growth: 0.85, 95% 0.726 to 0.974, chance 0.5, 3 columns"
