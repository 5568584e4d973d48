"""The page of runs in a real browser: drawn without complaint and without network, the slider moved, a layer opened."""

from __future__ import annotations

from typing import Any

import pytest
from test_browser import Visit
from test_run_page import record, story

from eigentrail.report import write_page
from eigentrail.report.run_page import run_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def visit(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("page")
    runs = [story(record(folder / name, seed=seed)) for seed, name in enumerate(("one", "two"))]
    opened = Visit(browser, write_page(run_page(runs), folder / "page.html"))
    opened.unfold()
    yield opened
    opened.context.close()


def figure_of(visit: Any, title: str) -> Any:
    found = (
        visit.page.locator("figure.plot:visible").filter(has=visit.page.locator("h3", has_text=title)).first
    )
    found.scroll_into_view_if_needed()
    found.locator(".main-svg").first.wait_for()
    return found


def test_all_figures_are_drawn_without_complaint_and_without_network(visit: Any) -> None:
    for title in (
        "Loss over time",
        "Phases over time",
        "Singular values against time",
        "Spectral density, step by step",
    ):
        assert figure_of(visit, title).locator(".main-svg").count() >= 1
    assert visit.complaints == []
    assert all(r.startswith(("file:", "data:", "blob:")) for r in visit.requests)


def test_the_slider_shows_another_step(visit: Any) -> None:
    figure = figure_of(visit, "Spectral density, step by step")
    assert figure.locator(".slider-label").first.text_content() == "step 60"
    assert "2 spikes" in figure.locator(".annotation-text").first.text_content()
    rail = figure.locator(".slider-rail-touch-rect").first.bounding_box()
    visit.page.mouse.click(rail["x"] + 3, rail["y"] + rail["height"] / 2)
    visit.page.wait_for_timeout(400)
    assert figure.locator(".slider-label").first.text_content() == "step 0"
    assert "0 spikes" in figure.locator(".annotation-text").first.text_content()


def test_steps_can_be_seen_on_a_logarithmic_axis(visit: Any) -> None:
    figure = figure_of(visit, "Singular values against time")
    figure.locator(".updatemenu-button").nth(1).click()
    visit.page.wait_for_timeout(400)
    kind = figure.locator(".canvas").evaluate("e => e.layout.xaxis.type")
    assert kind == "log"
    # Which scale is chosen can be read on dark pages, too.
    visit.page.emulate_media(color_scheme="dark")
    visit.until("document.documentElement.dataset.theme === 'dark'")
    visit.page.mouse.move(0, 0)
    visit.page.wait_for_timeout(400)
    fills = figure.locator(".updatemenu-item-rect").evaluate_all(
        "all => all.map(e => getComputedStyle(e).fill)"
    )
    assert len(fills) == 2 and "rgb(244, 250, 255)" not in fills
    visit.page.emulate_media(color_scheme="light")


def test_a_layer_opens_with_its_figures(visit: Any) -> None:
    visit.open(1)
    assert visit.page.locator("#entry h2").text_content() == "second.weight · one"
    assert "Spikes, last" in visit.page.locator("#entry").inner_text()
    visit.page.locator("#next").click()
    visit.until("document.querySelector('#entry h2').textContent.includes('two')")
    assert visit.complaints == []
