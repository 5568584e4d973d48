"""Make docs/gallery.md: one picture for every figure that is registered, drawn from small runs and networks.

python tools/make_gallery.py            trains, analyses, draws docs/pictures/gallery/*.png and writes the page
python tools/make_gallery.py --page     writes the page alone
python tools/make_gallery.py drift      draws the pictures of one analysis anew, or of `inspect` or `compare`

It needs Chromium on the PATH and Playwright.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import torch
from PIL import Image
from plotly.offline import get_plotlyjs

import eigentrail as et
from eigentrail.analyses.framework.registry import analyses

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = DOCS / "pictures" / "gallery"
PAGE = DOCS / "gallery.md"
WIDTH, HEIGHT, WIDE, COLOURS = 560, 350, 840, 96

INTRODUCTION = """# Gallery

One picture for each figure that a page can hold, made by `tools/make_gallery.py` from the figures' own registry: MLP 50
learning scikit-learn's digits for eight epochs, and that network beside itself two epochs earlier. Grey is chance
everywhere. In Python each is a call: `et.analyze(run).plot("drift/walks")`, `et.inspect(run).plot(layer, "density")`.
"""

#: Figures of one matrix, and of a network, that `inspect` and `compare` draw.
MATRIX = {
    "inspect": {
        "density": "Eigenvalue density beside the Marchenko-Pastur law and the same entries shuffled",
        "tail": "The tail on logarithmic axes, the fitted power law and its rivals",
        "tail_density": "Density of the tail",
        "ks": "Kolmogorov-Smirnov distance for each possible start of the tail",
        "spacings": "Spacings of neighbouring eigenvalues",
        "ratios": "Ratios of neighbouring spacings",
        "vectors": "Entries of the leading singular vectors beside Gaussian ones",
        "participation": "How many entries carry each singular vector",
        "spikes-by-depth": "Spikes by depth",
        "alpha-by-depth": "Tail exponents by depth",
        "alpha-by-kind": "Tail exponents by kind of layer",
        "ranks-by-depth": "Ranks by depth",
        "phases-by-depth": "Phases by depth",
        "phases-by-kind": "Phases by kind of layer",
    },
    "compare": {
        "densities": "Eigenvalue densities before and after",
        "difference": "The update's spectrum beside a random update of equal norm",
        "angles": "Principal angles between the leading subspaces",
        "alpha-before-after": "Tail exponents before and after",
        "spikes-before-after": "Spikes before and after",
        "stable-rank-before-after": "Stable ranks before and after",
        "effective-rank-before-after": "Effective ranks before and after",
        "phase-changes": "Phases before and after",
    },
}


@dataclass(frozen=True)
class Picture:
    """A figure of the gallery.

    Attributes:
        group: the analysis, or "inspect" or "compare".
        key: the figure's.
        title: what it shows.
        wide: whether it spans the page.
    """

    group: str
    key: str
    title: str
    wide: bool = False

    @property
    def file(self) -> str:
        """The picture's name."""
        return f"{self.group}-{self.key}.png"


def registered() -> list[Picture]:
    """List all figures that are registered, in the order of the page."""
    found = [
        Picture(group, key, title) for group, figures in MATRIX.items() for key, title in figures.items()
    ]
    return found + [
        Picture(one.name, figure.key, figure.title, figure.wide)
        for one in analyses().values()
        for figure in one.figures
    ]


def page() -> str:
    """Write the page from the registry."""
    told = {"inspect": "Of a checkpoint", "compare": "Of two checkpoints"}
    parts, group = [INTRODUCTION], ""
    for one in registered():
        if one.group != group:
            group = one.group
            known = analyses().get(group)
            parts.append(f"\n## `{group}`: {known.question if known else told[group]}\n")
        parts.append(
            f"![{one.title}](pictures/gallery/{one.file})\n\n*{one.title}* (`{one.group}`, `{one.key}`)\n"
        )
    return "\n".join(parts)


def drawn(folder: Path, wanted: set[str]) -> Iterator[tuple[Picture, go.Figure]]:
    """Train, analyse, and draw each figure of the wanted groups."""
    torch.manual_seed(0)
    run = et.train("mlp50", "digits", folder / "run", epochs=8, lr=0.1, weight_decay=1e-3, every=3, seed=0)
    known = {(one.group, one.key): one for one in registered()}
    books: dict[str, Any] = {}
    if "inspect" in wanted:
        books["inspect"] = et.inspect(run).figures
    if "compare" in wanted:
        books["compare"] = et.compare(
            run.weights(run.steps[3 * len(run.steps) // 4]), run.weights(-1)
        ).figures
    for group, book in books.items():
        layer = next(iter(book))
        figures: Mapping[str, go.Figure] = {**book[layer], **book.overview}
        for key in MATRIX[group]:
            yield known[group, key], figures[key]
    for name in wanted & set(analyses()):
        found = et.analyze(run, only=name, layers=["fc1.weight"])
        lacking = []
        for figure in found[name].analysis.figures:
            nodes = [
                one for one in found[name].tree.children.values() if figure.when is None or figure.when(one)
            ]
            if nodes:
                yield known[name, figure.key], figure.draw(nodes[0], figure.title)
            else:
                lacking.append(figure)
        if lacking:  # those of a whole network
            found = whole(folder, name)
            for figure in lacking:
                node = next(
                    one for one in found[name].tree.children.values() if figure.when and figure.when(one)
                )
                yield known[name, figure.key], figure.draw(node, figure.title)


def whole(folder: Path, name: str) -> Any:
    """Analyse a whole network of 780 parameters that learns the digits in a loop of one's own."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    data = (torch.tensor(digits.data / 16.0, dtype=torch.float32), torch.tensor(digits.target))
    model = torch.nn.Sequential(torch.nn.Linear(64, 10), torch.nn.ReLU(), torch.nn.Linear(10, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with et.Recorder(model, folder / "small", report=None) as recorder:
        for _ in range(60):
            loss = torch.nn.functional.cross_entropy(model(data[0]), data[1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss)
    return et.analyze(folder / "small", only=name, model=model, data=data, loss="cross-entropy")


def photograph(figures: Iterator[tuple[Picture, go.Figure]], folder: Path) -> None:
    """Draw figures in headless Chromium and keep them as small pictures."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("the pictures need Chromium on the PATH")
    PICTURES.mkdir(parents=True, exist_ok=True)
    host = folder / "page.html"
    host.write_text(
        f"<meta charset=utf-8><body style='margin:0'><div id=f></div><script>{get_plotlyjs()}</script>"
    )
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
        window = browser.new_page(viewport={"width": WIDE, "height": 700})
        window.set_default_timeout(600_000)
        window.goto(host.as_uri())
        for one, figure in figures:
            width = WIDE if one.wide else WIDTH
            height = min(640, int(figure.layout.height or HEIGHT)) if one.wide else HEIGHT
            if any(trace.type.endswith("3d") for trace in figure.data):
                height = WIDTH  # a sphere needs as much room upwards as sideways, and here all of it is seen
                figure.update_scenes(
                    aspectratio=dict.fromkeys("xyz", 1.6),
                    camera={"center": dict.fromkeys("xyz", 0.0), "eye": {"x": 1.5, "y": -0.4, "z": 0.6}},
                )
            figure.update_layout(width=width, height=height, paper_bgcolor="white", plot_bgcolor="white")
            figure.layout.updatemenus = figure.layout.sliders = None
            window.evaluate(
                "async (told) => { const f = JSON.parse(told); Plotly.purge('f');"
                " await Plotly.newPlot('f', f.data, f.layout, {staticPlot: true}); }",
                figure.to_json(),
            )
            # Plotly's own picture holds what WebGL draws, a screenshot may not.
            url = window.evaluate(
                "async ([width, height]) => await Plotly.toImage('f', {format: 'png', width, height})",
                [width, height],
            )
            shot = base64.b64decode(url.partition(",")[2])
            picture = Image.open(io.BytesIO(shot)).convert("RGB").crop((0, 0, width, height))
            picture.quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURES / one.file, optimize=True)
            print(one.file, (PICTURES / one.file).stat().st_size, flush=True)
        browser.close()


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("group", nargs="*", help="analyses, inspect or compare; none for all")
    parser.add_argument("--page", action="store_true", help="only the page")
    asked = parser.parse_args()
    if not asked.page:
        with tempfile.TemporaryDirectory() as name:
            wanted = set(asked.group) or {*MATRIX, *analyses()}
            photograph(drawn(Path(name), wanted), Path(name))
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
