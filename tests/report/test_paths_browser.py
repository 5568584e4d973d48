"""The path on the sphere in a real browser: the scene is drawn under the page's own policy, light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from test_browser import Visit
from test_run_page import record

from eigentrail.api.analysis import analyze

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_the_sphere_is_drawn_without_complaint(browser: Any, tmp_path: Any) -> None:
    run = record(tmp_path / "run", layers=("first",))
    page = analyze(run, ["evolution", "geodesic"], progress=False).report(tmp_path / "page.html")
    visit = Visit(browser, page)
    visit.unfold()
    try:
        figure = visit.page.locator("figure.plot:visible").filter(
            has=visit.page.locator("h3", has_text="path of the leading right vector")
        )
        figure.first.scroll_into_view_if_needed()
        figure.first.locator(".gl-container canvas").first.wait_for()
        assert "WebGL is not supported" not in figure.first.inner_text()
        visit.page.locator("#theme").click()
        visit.page.wait_for_timeout(300)
        shown = figure.first.locator(".canvas").evaluate("e => e.data.map(t => t.name)")
        assert {"great circle of all steps", "start", "end"} <= set(shown)
        # What the software renderer says about its own speed is no complaint about the page.
        speed = ("willReadFrequently", "GPU stall", "no longer be output", "nger repeat")
        assert not [c for c in visit.complaints if not any(words in c for words in speed)]
        assert all(r.startswith(("file:", "data:", "blob:")) for r in visit.requests)
    finally:
        visit.context.close()
