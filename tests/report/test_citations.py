"""Readers are told authors, title and year instead of the code's signs for documents."""

from __future__ import annotations

import pytest

from eigentrail._citations import citations, cited


@pytest.mark.parametrize(
    ("sign", "told"),
    [
        ("S1 6.2", "Haink 2023, 6.2"),
        ("S3 part 1", "Buchanan et al. 2023, part 1"),
        ("S0 slide 20, after S2", "Kim & Yiu 2025, slide 20, after EAI 2023"),
        ("Marchenko & Pastur 1967", "Marchenko & Pastur 1967"),
        ("layer S1.weight", "layer S1.weight"),
    ],
)
def test_signs_become_authors_and_years(sign: str, told: str) -> None:
    assert cited(sign) == told


def test_what_is_cited_is_given_in_full_once() -> None:
    full = citations(cited("S1 6.2; S1 7.4; S4"))
    assert [one.split(":")[0] for one in full] == ["Haink 2023", "Galanti et al. 2022"]
    assert "Hessian Eigenvectors" in full[0]
    assert not citations("no source")
