"""The page in a real browser: opened from disk, clicked, sorted, filtered, downloaded from, printed, dark and light."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diagnosed_network import IMG, network
from eigentrail.figures.density import density_data
from eigentrail.report import inspection_page, write_page

pytestmark = pytest.mark.browser


class Visit:
    """A page that was opened, with everything that it complained about and asked the network for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(
            viewport={"width": 1366, "height": 768}, accept_downloads=True, **options
        )
        # Only a page that never gets there fails: on a busy machine half a minute is nothing.
        self.context.set_default_timeout(240_000)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type in {"error", "warning"} else None
        )
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("dialog", lambda d: (self.complaints.append(f"dialog {d.message}"), d.dismiss()))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def unfold(self) -> None:
        """Open every folded section, as a reader would who wants to see all."""
        self.page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")

    def reset(self) -> None:
        """Bring the page back to how it opens, sorting apart."""
        self.page.emulate_media(media="screen")
        self.page.evaluate(
            """() => { document.body.style.width = ''; location.hash = ''; window.scrollTo(0, 0);
                document.activeElement.blur(); }"""
        )
        self.page.wait_for_selector("#deck", state="hidden")
        self.page.mouse.move(2, 2)
        for chosen in self.page.locator("select").all():
            chosen.evaluate(
                "e => { e.value = [...e.options].find(o => o.defaultSelected)?.value ?? e.options[0].value;"
                " e.dispatchEvent(new Event('change', { bubbles: true })); }"
            )
        self.page.fill("#filter", "")

    def rows(self) -> list[str]:
        return self.page.eval_on_selector_all(
            "#data tbody tr:not([hidden])", "rs => rs.map(r => r.dataset.row)"
        )

    def until(self, condition: str) -> None:
        """Wait for a condition; Playwright's own way evaluates text in the page, which the page's policy forbids."""
        for _ in range(600):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"not within 30 s: {condition}")

    def open(self, number: int) -> None:
        self.page.evaluate(f"location.hash = 'layer-{number + 1}'")
        self.until(f"document.querySelector('#entry figure')?.dataset.plot.startsWith('e{number}-')")


@pytest.fixture(scope="module")
def path(small: Any, summary: Any, skipped: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    html = inspection_page(*small, skipped, summary, "model.safetensors")
    return write_page(html, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def opened(browser: Any, path: Path) -> Iterator[Visit]:
    # Opening the page is most of what a test here costs: all share it.
    found = Visit(browser, path)
    yield found
    found.context.close()


@pytest.fixture
def visit(opened: Visit) -> Iterator[Visit]:
    opened.reset()
    yield opened
    local = [u for u in opened.requests if not u.startswith(("file:", "blob:", "data:"))]
    complaints, opened.complaints = opened.complaints, []
    assert complaints == []
    assert local == []


def test_opens_and_draws_the_overview(visit: Visit) -> None:
    visit.page.wait_for_selector("#overview figure .main-svg")
    assert visit.page.title() == "Spectral inspection: model.safetensors"
    assert visit.page.evaluate("window.pwned") is None
    assert visit.page.locator("img").count() == 0
    # Only what is in sight is drawn.
    assert visit.page.locator("figure:has(.main-svg)").count() < 6


def test_a_hostile_name_is_shown_as_text(visit: Visit, small: Any) -> None:
    assert visit.page.locator("#data th.name a", has_text=IMG).count() == 1
    visit.open(0)
    assert visit.page.locator("#entry h2").inner_text() == IMG
    visit.page.evaluate("history.back()")


def test_sorts_filters_and_counts(visit: Visit, small: Any) -> None:
    table = small[0]
    head = visit.page.locator('#data th[data-term="alpha"]')
    head.locator("button").click()
    visit.page.wait_for_selector('#data th[aria-sort="descending"]')
    assert visit.rows() == [str(i) for i in np.argsort(-table["alpha"].to_numpy(dtype=float), kind="stable")]
    head.locator("button").click()
    visit.page.wait_for_selector('#data th[aria-sort="ascending"]')
    assert visit.rows() == [str(i) for i in np.argsort(table["alpha"].to_numpy(dtype=float), kind="stable")]
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("MLP.up")
    wanted = [i for i, k in enumerate(table["kind"]) if k == "mlp.up"]
    visit.until(f"document.getElementById('count').textContent.startsWith('{len(wanted)} of 9')")
    assert sorted(map(int, visit.rows())) == wanted
    visit.page.fill("#filter", "")
    visit.page.select_option('select[data-column="phase"]', str(table["phase"][0]))
    same = [i for i, p in enumerate(table["phase"]) if p == table["phase"][0]]
    visit.until(f"document.getElementById('count').textContent.startsWith('{len(same)} of 9')")
    assert sorted(map(int, visit.rows())) == same


def test_other_columns_can_be_shown(visit: Visit, small: Any) -> None:
    visit.page.select_option("#columns", "*")
    visit.until(f"document.querySelectorAll('#data thead th').length === {small[0].shape[1]}")
    visit.page.select_option("#columns", "Tail")
    visit.page.wait_for_selector('#data th[data-term="xmin"]')
    assert visit.page.locator('#data th[data-term="spikes"]').count() == 0


def test_opens_a_matrix_by_click_by_keys_and_by_link(
    visit: Visit, small: Any, browser: Any, path: Path
) -> None:
    order = visit.rows()
    visit.page.locator("#data tbody tr").first.locator("td").first.click()
    visit.until(f"location.hash === '#layer-{int(order[0]) + 1}'")
    visit.page.locator("#entry figure").first.scroll_into_view_if_needed()
    visit.page.wait_for_selector("#entry figure .main-svg")
    visit.page.keyboard.press("ArrowRight")
    visit.until(f"location.hash === '#layer-{int(order[1]) + 1}'")
    visit.page.keyboard.press("ArrowLeft")
    visit.until(f"location.hash === '#layer-{int(order[0]) + 1}'")
    visit.page.keyboard.press("Escape")
    visit.page.wait_for_selector("#deck", state="hidden")
    visit.page.locator("#data tbody a").first.focus()
    visit.page.keyboard.press("ArrowDown")
    visit.page.keyboard.press("Enter")
    visit.until(f"location.hash === '#layer-{int(order[1]) + 1}'")
    linked = browser.new_page()
    linked.set_default_timeout(240_000)
    linked.goto(f"{path.as_uri()}#layer-3")
    linked.locator("#entry figure").first.scroll_into_view_if_needed()
    linked.wait_for_selector("#entry figure .main-svg")
    assert linked.locator("#entry h2").inner_text() == small[0]["name"][2]
    linked.close()


def test_all_figures_of_a_matrix_are_drawn_when_scrolled_to(visit: Visit) -> None:
    visit.open(3)
    for i in range(8):
        figure = visit.page.locator("#entry figure.plot").nth(i)
        figure.scroll_into_view_if_needed()
        figure.locator(".main-svg").first.wait_for()
    texts = visit.page.locator("#entry .legendtext").all_text_contents()
    assert any("(null)" in t for t in texts)


def test_numbers_explain_themselves_on_hover_and_on_focus(visit: Visit) -> None:
    visit.open(3)
    fact = visit.page.locator('#entry .fact[data-term="stable_rank"]')
    fact.hover()
    visit.page.wait_for_selector("#tooltip", state="visible")
    text = visit.page.locator("#tooltip").inner_text()
    assert "Squared Frobenius norm" in text
    assert "Chance: Noise" in text
    visit.page.mouse.move(2, 2)
    visit.page.wait_for_selector("#tooltip", state="hidden")
    fact.focus()
    visit.page.keyboard.press("Tab")
    visit.page.wait_for_selector("#tooltip", state="visible")
    assert "Effective rank" in visit.page.locator("#tooltip").inner_text()
    assert visit.page.locator('[aria-describedby="tooltip"]').count() == 1
    visit.page.keyboard.press("Escape")
    visit.page.wait_for_selector("#tooltip", state="hidden")
    assert visit.page.locator(
        "#deck"
    ).is_visible()  # the first Escape closes the explanation, the second the matrix
    visit.page.keyboard.press("Escape")
    visit.page.wait_for_selector("#deck", state="hidden")


def test_downloads_hold_the_data(visit: Visit, small: Any, tmp_path: Path) -> None:
    table, spectra = small
    with visit.page.expect_download() as whole:
        visit.page.click("#table-csv")
    saved = tmp_path / "whole.csv"
    whole.value.save_as(saved)
    read = pd.read_csv(saved)
    assert np.allclose(read["alpha"], table["alpha"].to_numpy(dtype=float), rtol=1e-15)
    assert read["name"][2] == table["name"][2]
    visit.open(2)
    with visit.page.expect_download() as part:
        visit.page.locator("#entry button.csv").first.click()
    assert re.fullmatch(r"003-[\w.-]+-density\.csv", part.value.suggested_filename)
    part.value.save_as(saved)
    with saved.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    truth = density_data(spectra[table["name"][2]])
    assert rows[0] == list(truth.columns)
    assert np.allclose(np.array(rows[1:], dtype=float), truth.to_numpy(dtype=float), rtol=1e-6)


def test_a_click_on_a_point_opens_its_matrix(visit: Visit) -> None:
    visit.unfold()
    figures = visit.page.locator("main figure.plot:visible")
    for number in range(figures.count()):
        figures.nth(number).scroll_into_view_if_needed()
        figures.nth(number).locator(".main-svg").first.wait_for()
    figure = visit.page.locator("main figure:has(.point)").first
    figure.locator(".canvas").evaluate("e => e.emit('plotly_click', { points: [{ customdata: [4, 'x'] }] })")
    visit.until("location.hash === '#layer-5'")


def test_dark_and_light(visit: Visit, browser: Any, path: Path) -> None:
    def ground(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    def ink(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.querySelector('.xtick text')).fill"))

    light, dark_text = ground(visit.page), ink(visit.page)
    visit.page.click("#theme")
    visit.until(f"getComputedStyle(document.querySelector('.xtick text')).fill !== '{dark_text}'")
    assert ground(visit.page) != light
    preferring = Visit(browser, path, color_scheme="dark")
    preferring.page.wait_for_selector(".xtick text")
    assert ground(preferring.page) == ground(visit.page)
    assert ink(preferring.page) == ink(visit.page)
    assert preferring.complaints == []
    preferring.context.close()
    visit.page.click("#theme")
    visit.until(f"getComputedStyle(document.querySelector('.xtick text')).fill === '{dark_text}'")


def test_fits_a_laptop(visit: Visit) -> None:
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 1366
    visit.open(1)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 1366


def test_prints_everything(visit: Visit, tmp_path: Path) -> None:
    visit.page.click("#theme")
    visit.page.emulate_media(media="print")
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    wide = visit.page.evaluate(
        """() => { document.body.style.width = '1038px';
            return [...document.querySelectorAll('table')].filter(t => t.offsetParent).map(t => t.scrollWidth); }"""
    )
    assert max(wide) <= 1040
    assert visit.page.evaluate("getComputedStyle(document.getElementById('scroll')).overflowY") == "visible"
    visit.page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    document = (tmp_path / "page.pdf").read_bytes()
    assert document.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", document)) >= 3
    assert visit.page.locator("main figure:has(.main-svg)").count() >= 6


@pytest.mark.slow
def test_three_hundred_matrices_open(browser: Any, tmp_path: Path, record_property: Any) -> None:
    few, spectra = network(10, 48, 32, hostile=False)
    table = pd.concat(
        [few.assign(name=[f"block.{b}.{n}" for n in few["name"]]) for b in range(30)], ignore_index=True
    )
    every = {f"block.{b}.{n}": s for n, s in spectra.items() for b in range(30)}
    html = inspection_page(table, every, [], {}, "a transformer of 300 matrices")
    assert len(html) < 7_000_000
    visit = Visit(browser, write_page(html, tmp_path / "report.html"))
    ready = int(visit.page.evaluate("document.documentElement.dataset.ready"))
    record_property("milliseconds until the overview is drawn", ready)
    print(f"300 matrices: {len(html) / 1e6:.1f} MB, overview drawn after {ready} ms")
    assert visit.page.locator("#overview figure .main-svg").count() > 0
    assert len(visit.rows()) == 300
    visit.open(299)
    visit.page.locator("#entry figure").first.scroll_into_view_if_needed()
    visit.page.wait_for_selector("#entry figure .main-svg")
    assert visit.complaints == []
    visit.context.close()
