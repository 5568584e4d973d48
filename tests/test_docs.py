"""The code in the README and in docs/ runs, and the pictures they show exist."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eigentrail as et
from eigentrail._citations import citations, cited
from eigentrail.api.compared_layer import comparison_columns
from eigentrail.api.inspection import table_columns
from eigentrail.cli.app import run as call_eigentrail
from eigentrail.report.glossary import lookup

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.M | re.S)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language; a block marked `no-run` is only shown."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [code for lang, info, code in found if lang == language and "no-run" not in info]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits checkpoint and a fine-tuned copy, where the pages' code runs."""
    folder = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["digits.py", "digits.safetensors"])
        runpy.run_path(str(ROOT / "examples" / "digits.py"), run_name="__main__")
    # What the README's first command leaves, of one epoch.
    et.train("mlp50", "digits", folder / "runs" / "mlp50-digits-s0", epochs=1, lr=0.1, progress=False)
    return folder


@pytest.fixture
def room(page: Path, workshop: Path) -> Path:
    """A folder of the page's own with these two files; what its first test makes is there for the second."""
    folder = workshop / "pages" / page.stem
    if not folder.is_dir():
        shutil.copytree(workshop, folder, ignore=shutil.ignore_patterns("pages"))
    return folder


def run_blocks(page: Path) -> None:
    """Run a page's Python blocks, one after the other, in this process: the package is imported already."""
    code = "\n".join(blocks(page, "python"))
    if not code:
        assert "```python\n" not in page.read_text(encoding="utf-8")
        return
    exec(compile(code, page.name, "exec"), {"__name__": page.stem})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_blocks_run(page: Path, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(room)
    run_blocks(page)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda p: p.name)
def test_tutorials_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_blocks(page)


def printed(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints. A plain call of eigentrail is made in this process, which has it loaded already."""
    if not re.search("[|&;<>]", command) and command.startswith("eigentrail "):
        call_eigentrail(shlex.split(command, comments=True)[1:])
        return "".join(capsys.readouterr())
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_console_blocks_run_and_print_what_they_say(
    page: Path, room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # ```console blocks: lines that begin with "$ " are commands; every other line must appear in the output.
    monkeypatch.chdir(room)
    # What a pipe has; the processes of pytest-xdist are told 80.
    monkeypatch.setenv("COLUMNS", "140")
    for block in blocks(page, "console"):
        output, expected = "", []
        for line in block.splitlines():
            if line.startswith("$ "):
                output += printed(line[2:], room, capsys)
            elif line.strip() and line.strip() != "...":
                expected.append(line)
        missing = [line for line in expected if " ".join(line.split()) not in " ".join(output.split())]
        assert not missing, f"{page.name}: not printed: {missing}\n--- printed:\n{output[-3000:]}"


@pytest.mark.parametrize("page", [*PAGES, *TUTORIALS], ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not broken, f"{page.name} links to nothing: {broken}"


def test_the_two_readme_commands_are_single_lines() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("main", "test"):
        inner = text.split(f"<!-- {name} command -->")[1].split("<!-- end -->")[0]
        lines = [line for line in inner.strip().splitlines() if not line.startswith("```")]
        assert len(lines) == 1
        assert shlex.split(lines[0], comments=False)[0] == "python3"


def test_the_page_of_columns_is_the_glossary() -> None:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None and spec.loader is not None
    make_docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_docs)
    assert (ROOT / "docs" / "columns.md").read_text(encoding="utf-8") == make_docs.columns_page()


def test_verdicts_on_the_page_of_findings_are_those_that_the_studies_left() -> None:
    spec = importlib.util.spec_from_file_location("make_findings", ROOT / "tools" / "make_findings.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert text == tool.page(text, ROOT / "docs" / "claims")
    kept = {one.stem for one in (ROOT / "docs" / "claims").glob("*.csv")}
    assert kept == set(re.findall(r"<!-- claims: ([a-z0-9-]+) -->", text))


def test_every_column_is_explained() -> None:
    assert not [c for c in (*table_columns(), *comparison_columns()) if not lookup(c).definition]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_sources_are_cited_once_and_linked(page: Path) -> None:
    cited = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    assert all(f'<a id="s{number}"></a>**S{number}**' in cited for number in range(5))
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    if page.name != "sources.md" and re.search(r"\bS[0-4]\b", prose):
        assert re.search(r"\(sources\.md#s[0-4]\)|\(docs/sources\.md", prose)


def test_the_site_lists_every_page_once() -> None:
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(pages)


def test_the_site_spells_out_the_signs_of_the_sources() -> None:
    full = [one.split(": ", 1)[1].rstrip(".") for one in citations(cited("S0 S1 S2 S3 S4"))]
    text = (ROOT / "docs" / "signs.txt").read_text(encoding="utf-8")
    assert text == "".join(f"*[S{number}]: {one}\n" for number, one in enumerate(full))
