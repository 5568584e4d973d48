"""Stored results come back as they were, and only for the very same question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eigentrail.errors import OptionError, RunError
from eigentrail.runs import Analyses
from eigentrail.runs.labelled_store import read_labelled

DATA = xr.Dataset(
    {
        "alpha": ("step", np.array([1.5, np.nan, 2.5])),
        "phase": ("step", np.array(["bulk", "bulk+spikes", ""])),
        "spikes": ("step", np.arange(3)),
    },
    coords={"step": [0, 5, 10]},
    attrs={"layers": ["a", "b"], "steps": 200},
)


@pytest.fixture(params=["folder", "memory"])
def analyses(request: pytest.FixtureRequest, tmp_path: Path) -> Analyses:
    return Analyses(tmp_path / "analyses" if request.param == "folder" else None)


def test_results_come_back(analyses: Analyses) -> None:
    tree = xr.DataTree.from_dict({"/z.weight": DATA, "/a.weight": DATA.isel(step=[0])})
    table = pd.DataFrame(
        {"alpha": [1.5, np.nan], "phase": ["bulk", None]}, index=pd.Index(["a", "b"], name="layer")
    )
    array = xr.DataArray(np.eye(3), dims=("i", "j"), name="overlap", attrs={"chance": 0.1})
    for name, result in (("data", DATA), ("tree", tree), ("table", table), ("array", array)):
        analyses.put(name, result, {"steps": 200})
    assert DATA.identical(analyses.get("data", {"steps": 200}))
    back = analyses.get("tree", {"steps": 200})
    assert isinstance(back, xr.DataTree)
    assert back.identical(tree)
    assert list(back.children) == ["z.weight", "a.weight"]
    got = analyses.get("table", {"steps": 200})
    assert isinstance(got, pd.DataFrame)
    pd.testing.assert_frame_equal(got, table)
    assert array.identical(analyses.get("array", {"steps": 200}))


def test_a_stored_result_opens_as_it_was_whatever_it_holds(tmp_path: Path) -> None:
    store = Analyses(tmp_path)
    inner = xr.Dataset(
        {
            "flag": ("k", np.array([True, False, True])),
            "small": ("k", np.array([1.0, np.nan, np.inf], dtype=np.float32)),
            "count": ("k", np.array([1, 2, 2**60], dtype=np.uint64)),
            "long": (("k", "side"), np.array([["", "x"], ["äλ", "y z"], ["a" * 300, "b"]], dtype=object)),
            "one": ((), 3.5),
            "none": (("empty", "k"), np.zeros((0, 3))),
        },
        coords={"side": ["right", "left"], "epoch": ("k", np.array([0.5, 1.0, 1.5]))},
        attrs={"values": np.arange(3), "nothing": None, "number": np.float32(2.0), "deep": {"a": [1, "b"]}},
    )
    tree = xr.DataTree.from_dict({"/": DATA, "/inner": inner, "/inner/more": inner[["flag"]]})
    dated = xr.Dataset({"when": ("step", np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[ns]"))})
    for result in (tree, xr.DataTree(dated)):
        store.put("x", result)
        back = store.get("x")
        assert isinstance(back, xr.DataTree)
        for node in result.subtree:
            there, here = back[node.path].to_dataset(inherit=False), node.to_dataset(inherit=False)
            xr.testing.assert_equal(there, here)
            assert set(there.coords) == set(here.coords)
            assert {
                name: one.dtype.kind for name, one in there.variables.items() if one.dtype.kind not in "OT"
            } == {name: one.dtype.kind for name, one in here.variables.items() if one.dtype.kind not in "OT"}
    store.put("x", tree)
    told = store.get("x")["inner"].attrs  # type: ignore[index,union-attr]
    assert told == {"values": [0, 1, 2], "nothing": None, "number": 2.0, "deep": {"a": [1, "b"]}}


def test_what_is_read_is_what_xarray_reads(tmp_path: Path) -> None:
    store = Analyses(tmp_path)
    inner = DATA.assign(
        long=(("step", "side"), np.array([["", "x"], ["äλ", "y z"], ["a", "b"]], dtype=object))
    )
    store.put(
        "x", xr.DataTree.from_dict({"/": DATA, "/b": inner.assign_coords(epoch=("step", [0.0, 0.5, 1.0]))})
    )
    (folder,) = tmp_path.glob("*/result.zarr")
    own = read_labelled(folder)
    assert own is not None
    with xr.open_datatree(folder, engine="zarr", consolidated=False) as tree:
        for node in tree.subtree:
            theirs = node.to_dataset(inherit=False)
            xr.testing.assert_identical(own[node.path], theirs)
            assert {n: v.dtype for n, v in own[node.path].variables.items()} == {
                n: v.dtype for n, v in theirs.variables.items()
            }
    # What zarr itself writes is read by xarray.
    DATA[["alpha"]].to_zarr(tmp_path / "theirs.zarr", zarr_format=3, consolidated=False)
    assert read_labelled(tmp_path / "theirs.zarr") is None
    for name in ("alpha", "long"):
        file = next((folder / "b" / name).glob("c.*"))
        file.write_bytes(file.read_bytes()[:-3])
        with pytest.raises(RunError, match=r"cannot be read .* remove it to compute it again"):
            store.get("x")


def test_only_the_same_question_is_answered(analyses: Analyses) -> None:
    analyses.put("evolution", DATA, {"layers": ["a"], "steps": 200}, version=2)
    assert analyses.get("evolution", {"steps": np.int64(200), "layers": ("a",)}, version=2) is not None
    assert analyses.get("evolution", {"layers": ["a"], "steps": 201}, version=2) is None
    assert analyses.get("evolution", {"layers": ["a"], "steps": 200}, version=3) is None
    assert analyses.get("evolution", {"layers": ["a"]}, version=2) is None
    assert analyses.get("drift", {"layers": ["a"], "steps": 200}, version=2) is None


def test_results_are_replaced(analyses: Analyses) -> None:
    analyses.put("x", DATA)
    analyses.put("x", DATA.isel(step=[0]))
    assert DATA.isel(step=[0]).identical(analyses.get("x"))
    if analyses.folder is not None:
        assert analyses.keys() == [{"analysis": "x", "arguments": {}, "version": 1, "kind": "dataset"}]
        assert len(list(analyses.folder.iterdir())) == 1


def test_results_that_cannot_be_kept(analyses: Analyses) -> None:
    with pytest.raises(OptionError, match="must be a pandas table or of xarray, not dict"):
        analyses.put("x", {"a": 1})  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="an argument of x holds a object"):
        analyses.get("x", {"a": object()})


def test_damaged_results(tmp_path: Path) -> None:
    analyses = Analyses(tmp_path / "analyses")
    analyses.put("x", pd.DataFrame({"a": [1]}))
    next((tmp_path / "analyses").glob("*/result.parquet")).write_bytes(b"no parquet")
    with pytest.raises(RunError, match=r"cannot be read .* remove it to compute it again"):
        analyses.get("x")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        Analyses(tmp_path / "file").put("x", DATA)
