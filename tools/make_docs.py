"""Make the parts of docs/ that the code itself knows: the columns' meanings and the pictures.

python tools/make_docs.py columns              writes docs/columns.md
python tools/make_docs.py pictures             draws docs/pictures/*.png in headless Chromium
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from eigentrail.api.compared_layer import comparison_columns
from eigentrail.api.inspection import table_columns
from eigentrail.report.glossary import GROUPS, Entry, lookup

DOCS = Path(__file__).parents[1] / "docs"

INTRODUCTION = """# What each column means

Made from the metrics' own files and the glossary that the page shows (`tools/make_docs.py columns`). `W` is a weight
matrix with its longer side `N` first, `q = M / N <= 1`, and the eigenvalues are those of `W^T W / N`.
"""


def columns_page() -> str:
    """Write the page of all columns, in the glossary's groups."""
    known = dict.fromkeys((*table_columns(), *comparison_columns()))
    parts = [INTRODUCTION]
    for group in GROUPS:
        names = [n for n in known if lookup(n).definition and lookup(n).group == group]
        if not names:
            continue
        parts += [
            f"\n## {group}\n",
            "| column | what it is | convention | chance gives | source |",
            "|---|---|---|---|---|",
        ]
        parts += [row(n, lookup(n)) for n in names]
    return "\n".join(parts) + "\n"


def row(name: str, entry: Entry) -> str:
    """Write one row of a table."""
    cells = (f"`{name}`", entry.definition, entry.units, entry.chance, entry.source)
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def digits_checkpoint(folder: Path) -> Path:
    """Train the README's network."""
    path = folder / "digits.safetensors"
    subprocess.run([sys.executable, DOCS.parent / "examples/digits.py", path], check=True)
    return path


def screenshot(page: Path, picture: Path, width: int, height: int) -> None:
    """Photograph a page in headless Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("the pictures need Chromium on the PATH")
    with tempfile.TemporaryDirectory() as profile:
        flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
        flags += " --disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=10000"
        subprocess.run(
            [chromium, *flags.split(), f"--user-data-dir={profile}", f"--window-size={width},{height}",
             f"--screenshot={picture}", page.as_uri()],
            check=True, timeout=120, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def pictures() -> None:
    """Draw every picture of the docs."""
    import eigentrail as et
    from eigentrail.figures import density
    from eigentrail.figures.evolution_values import singular_values
    from eigentrail.recipes.framework.registry import find_recipe
    from eigentrail.recipes.framework.running import run_study

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        spectrum = et.Spectrum.from_matrix(
            et.spectra.ensembles.spiked(1024, 512, strengths=[4, 3, 2.2, 1.6], seed=0), null=True
        )
        figure = density.spectral_density(spectrum)
        figure.update_layout(width=900, height=460)
        figure.write_html(folder / "density.html", include_plotlyjs=True, config={"displayModeBar": False})
        screenshot(folder / "density.html", DOCS / "pictures" / "density.png", 920, 480)
        run = run_study(find_recipe(), folder / "run")
        node = et.trajectories.evolution(run, layers="fc1.weight")["fc1.weight"]
        figure = singular_values(node, "A layer of MLP 50 learning the digits: singular values against time")
        figure.update_layout(width=1000, height=520, updatemenus=[])
        figure.write_html(folder / "training.html", include_plotlyjs=True, config={"displayModeBar": False})
        screenshot(folder / "training.html", DOCS / "pictures" / "training.png", 1020, 540)
        checkpoint = digits_checkpoint(folder)
        os.chdir(folder)  # the page names the file as it was given
        et.inspect(checkpoint.name, out="page")
        screenshot(folder / "page" / "report.html", DOCS / "pictures" / "page.png", 1366, 900)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["columns", "pictures"]
    if "columns" in wanted:
        (DOCS / "columns.md").write_text(columns_page(), encoding="utf-8")
    if "pictures" in wanted:
        pictures()
