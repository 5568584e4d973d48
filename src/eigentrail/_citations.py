"""The documents that experiments and numbers come from: authors, title and year for the signs in the code."""

from __future__ import annotations

import re
from typing import NamedTuple


class _Document(NamedTuple):
    short: str
    full: str


_DOCUMENTS = {
    "S0": _Document(
        "Kim & Yiu 2025",
        "Doyoon Kim and Enoch Yiu, Weight Matrix Evolution during MiniAlexNet training, talk, UC Berkeley, 2025",
    ),
    "S1": _Document(
        "Haink 2023",
        "David Haink, Hessian Eigenvectors and Principal Component Analysis of Neural Network Weight Matrices, "
        "master thesis, Universität Leipzig, 2023",
    ),
    "S2": _Document(
        "EAI 2023",
        "EAI Math Reading Group, Random Matrix Theory 3: Eigenvalue spacing and Applications to Neural Networks, "
        "talk, 2023",
    ),
    "S3": _Document(
        "Buchanan et al. 2023",
        "Sam Buchanan, Yi Ma, Qing Qu, Atlas Wang, John Wright, Yuqian Zhang and Zhihui Zhu, Low-dimensional "
        "Representations in Deep Networks II, ICASSP short course, lecture 6, 2023",
    ),
    "S4": _Document(
        "Galanti et al. 2022",
        "Tomer Galanti, Zachary Siegel, Aparna Gupte and Tomaso Poggio, SGD and Weight Decay Secretly Minimize the "
        "Rank of Your Neural Network, arXiv:2206.05794, 2022",
    ),
}
_SIGN = re.compile(r"\bS[0-4]\b(?![.\w-]\w)")


def cited(text: str) -> str:
    """Write authors and years for the signs of documents.

    Args:
        text: such as "S1 6.2".

    Returns:
        The text, such as "Haink 2023, 6.2".
    """
    named = _SIGN.sub(lambda found: _DOCUMENTS[found.group()].short, text)
    for one in _DOCUMENTS.values():
        named = re.sub(
            rf"{re.escape(one.short)} (?=[\dA-Z]|eq|part|slide|figure|table|part|appendix)",
            f"{one.short}, ",
            named,
        )
    return named


def citations(text: str) -> tuple[str, ...]:
    """List the documents that a text names by authors and year.

    Args:
        text: after `cited`.

    Returns:
        For each, its short name, and authors, title and year in full.
    """
    return tuple(f"{one.short}: {one.full}." for one in _DOCUMENTS.values() if one.short in text)
