"""Names and metadata of the store."""

from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from eigentrail.errors import RunError
from eigentrail.runs.columns import Column, OpenFiles, read_rows
from eigentrail.runs.layout import ArraySpec, NodeText, dimensions, node_name

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)


@given(NAMES)
def test_node_names_are_safe(name: str) -> None:
    node = node_name(name)
    assert set(node) <= set(string.ascii_letters + string.digits + "._-%")
    assert 0 < len(node) <= 200
    assert node not in ("metrics", "zarr.json", ".", "..", "step", "epoch")
    assert not node.startswith("__")


@given(st.lists(NAMES, unique=True))
def test_node_names_are_different(names: list[str]) -> None:
    assert len({node_name(name) for name in names}) == len(names)


def test_usual_names_stay() -> None:
    assert node_name("layers.0.self_attn.q_proj.weight") == "layers.0.self_attn.q_proj.weight"
    assert node_name("a/b.weight") == "a%2Fb.weight"
    assert node_name("metrics") == "%6Detrics"
    assert node_name("..") == "%2E."


def test_dimensions() -> None:
    assert dimensions(0) == ()
    assert dimensions(1) == ("out",)
    assert dimensions(2) == ("out", "in")
    assert dimensions(3) == ("out", "in", "k")
    assert dimensions(4, transposed=True) == ("in", "out", "kh", "kw")
    assert dimensions(5) == ("out", "in", "kd", "kh", "kw")
    assert dimensions(6) == tuple(f"axis_{i}" for i in range(6))


@pytest.mark.parametrize("shape", [(), (3,), (7, 5), (3, 2, 3, 3), (1100, 1000)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_zarr_reads_what_columns_write(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    spec = ArraySpec.of(dtype, shape, dimensions(len(shape)))
    spec = ArraySpec(dtype, shape, spec.dims, min(spec.chunk_rows, 4))
    rng = np.random.default_rng(0)
    values = rng.normal(size=(11, *shape)) * 100
    values = values.astype(dtype)
    files = OpenFiles(limit=2)
    column = Column(tmp_path / "array", spec, files)
    for first, last in ((0, 1), (1, 8), (8, 11)):
        column.append(
            [
                np.ascontiguousarray(row).data.cast("B") if row.ndim else row.tobytes()
                for row in values[first:last]
            ]
        )
    files.close()
    for rows in (0, 3, 9):
        (tmp_path / "array/zarr.json").write_text(json.dumps(spec.metadata(rows, {"a": 1})))
        array = zarr.open_array(tmp_path / "array", mode="r")
        assert array.shape == (rows, *shape)
        assert np.array_equal(array[:], values[:rows])
        assert ArraySpec.from_metadata(json.loads((tmp_path / "array/zarr.json").read_text())) == spec
    for rows in ([], [10], [2, 3, 4, 5], [7, 0, 3, 3], list(range(11))):
        assert np.array_equal(
            read_rows(tmp_path / "array", spec, np.array(rows, dtype=int), "it"), values[rows]
        )


def test_a_chunk_holds_a_few_megabytes() -> None:
    assert ArraySpec.of("float32", (64, 128)).chunk_rows == 512
    assert ArraySpec.of("float32", (256, 3072)).chunk_rows == 5
    assert ArraySpec.of("float32", (64, 128), rows=1000).chunk_rows == 128
    assert ArraySpec.of("float64").chunk_rows == 4096


def test_damaged_files(tmp_path: Path) -> None:
    spec = ArraySpec("float64", (), (), 4)
    files = OpenFiles()
    Column(tmp_path, spec, files).append([np.float64(i).tobytes() for i in range(9)])
    files.close()
    rows = np.arange(9)
    (tmp_path / "c.1").rename(tmp_path / "gone")
    with pytest.raises(RunError, match=r"loss: .*c\.1 cannot be read"):
        read_rows(tmp_path, spec, rows, "loss")
    assert np.array_equal(
        read_rows(tmp_path, spec, rows, "loss", sparse=True),
        [0, 1, 2, 3, np.nan, np.nan, np.nan, np.nan, 8],
        equal_nan=True,
    )
    (tmp_path / "c.1").write_bytes((tmp_path / "gone").read_bytes()[:17])
    with pytest.raises(RunError, match=r"c\.1 is cut off"):
        read_rows(tmp_path, spec, rows, "loss")


def test_truncation_removes_files(tmp_path: Path) -> None:
    spec = ArraySpec("float64", (), (), 4)
    files = OpenFiles()
    column = Column(tmp_path, spec, files)
    column.append([np.float64(i).tobytes() for i in range(13)])
    column.truncate(5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.0", "c.1"]
    column.append([np.float64(100 + i).tobytes() for i in range(5)])
    files.close()
    assert read_rows(tmp_path, spec, np.arange(10), "x").tolist() == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]


def test_texts_are_the_metadata() -> None:
    spec = ArraySpec.of("float32", (3, 4), ("out", "in"))
    text = NodeText(
        "fc", {"parameter": '["@rows"'}, {"weights": (spec, {}), "step": (ArraySpec.of("int64"), {})}
    )
    members = json.loads("{" + text.filled(17) + "}")
    assert members["fc"]["attributes"] == {"parameter": '["@rows"'}
    assert members["fc/weights"] == spec.metadata(17, {})
    assert members["fc/step"]["shape"] == [17]
    assert {key: json.loads(value) for key, value in text.files(17).items()} == members
