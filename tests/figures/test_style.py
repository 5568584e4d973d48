"""What all figures share."""

from __future__ import annotations

from eigentrail.figures import style


def test_of_one_run_each_layer_has_its_colour():
    assert style.series(["fc1.weight", "fc2.weight"]) == [(0, 0), (1, 0)]
    assert style.series(["fc1.weight · s0", "fc2.weight · s0"]) == [(0, 0), (1, 0)]


def test_of_several_runs_each_run_has_its_colour_and_each_layer_its_dash():
    labels = ["fc1.weight · b", "fc2.weight · b", "fc1.weight · a", "fc2.weight · a", "fc3.weight · a"]
    assert style.series(labels) == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]


def test_titles_of_axes_keep_clear_of_wide_tick_labels():
    assert style.axis("share")["automargin"]
    assert not style.axis("share", automargin=False)["automargin"]
