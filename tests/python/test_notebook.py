"""Figures in a notebook: `neurotop.summary`, and `neurotop.show` in notebooks that are executed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbclient
import nbformat
import pytest

import handmade
import neurotop
from conftest import ROOT
from neurotop import notebook

START = f"""
import sys, time
sys.path[:0] = {[str(ROOT / "assets" / "python"), str(ROOT / "tests" / "python")]!r}
from pathlib import Path
import handmade, neurotop
"""


@pytest.fixture(autouse=True)
def on_the_path(neurotop_command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of this checkout is the one that is found."""
    monkeypatch.setattr(notebook, "_places", lambda: [])
    monkeypatch.setenv("PATH", str(Path(neurotop_command).parent), prepend=os.pathsep)


def run_notebook(*cells: str) -> list[Any]:
    """Execute a notebook; its cells, with what they have put out."""
    sources = [START, *cells]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    nbclient.NotebookClient(book, timeout=180, kernel_name="python3").execute()
    return book.cells[1:]


def page_of(cell: Any) -> str:
    """The one picture of a cell."""
    pages = [one["data"]["text/html"] for one in cell.outputs if "data" in one]
    assert len(pages) == 1, cell.outputs
    ElementTree.fromstring(pages[0])  # whatever it shows, its tags are closed
    return pages[0]


# --- summary -------------------------------------------------------------------------------------


def test_a_summary_is_that_of_the_command(tmp_path: Path, neurotop_command: str) -> None:
    run = handmade.whole(tmp_path / "run", 3, ["one", "two"])
    found = neurotop.summary(run)
    assert found == handmade.summary(neurotop_command, run)
    assert isinstance(found, dict) and json.dumps(found)
    assert found["total"]["effective_ops_per_sample"] > 0


def test_the_users_costs_are_taken(tmp_path: Path) -> None:
    run = handmade.whole(tmp_path / "run", 2, ["one"])
    manifest = run / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Leaky", "LIFNode"))
    assert neurotop.summary(run)["total"]["effective_ops"] == 0
    priced = neurotop.summary(str(run), costs={"LIFNode:zero": 8})["total"]
    assert priced["effective_ops"] == 8 * priced["updates"] > 0


def test_the_layers_as_a_dataframe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = neurotop.summary(handmade.whole(tmp_path / "run", 3, ["one", "two"]))
    table = found.to_dataframe()
    assert [*table.index] == ["one", "two"]
    assert [*table["updates"]] == [layer["updates"] for layer in found["layers"]]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        found.to_dataframe()


def test_a_directory_of_runs(tmp_path: Path) -> None:
    for name in ("one", "two"):
        handmade.whole(tmp_path / name, 3, ["a", "b"])
    found = neurotop.summary(tmp_path)
    assert [run["run"]["name"] for run in found["runs"]] == ["one", "two"]
    assert [*found.to_dataframe().index] == [(r, name) for r in ("one", "two") for name in "ab"]
    shown = notebook.Show(str(tmp_path), 1.0, None)
    page, is_over = shown._look()
    assert "holds 2 runs (one, two): show one of them" in page and not is_over


def test_a_run_without_layers_is_an_empty_table(tmp_path: Path) -> None:
    assert neurotop.Summary(layers=[]).to_dataframe().empty


def test_an_incomplete_run_has_a_summary_too(tmp_path: Path) -> None:
    run = handmade.whole(tmp_path / "run", 3, ["one"])
    (run / "batch-000001.npz").write_bytes(b"PK no more")
    found = neurotop.summary(run)
    assert found["complete"] is False and found["run"]["batches"] == 2


def test_what_has_no_summary_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="none does not exist"):
        neurotop.summary(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RuntimeError, match="holds neither manifest.json nor a batch"):
        neurotop.summary(tmp_path / "empty")
    run = handmade.whole(tmp_path / "-run", 1, ["one"])
    monkeypatch.chdir(tmp_path)
    assert neurotop.summary("-run")["run"]["batches"] == 1
    with pytest.raises(RuntimeError, match="NEURON:RESET"):
        neurotop.summary(run, costs={"Leaky": 3})
    with pytest.raises(RuntimeError, match="manifest.json"):
        neurotop.summary(run / "manifest.json")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FileNotFoundError, match="the command neurotop is not found"):
        neurotop.summary(run)


def test_the_command_of_this_python_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "neurotop"
    own.write_text("#!/bin/sh\necho 'neurotop: mine' >&2\nexit 1\n")
    own.chmod(0o755)
    monkeypatch.setattr(notebook, "_places", lambda: [str(tmp_path)])
    with pytest.raises(RuntimeError, match="^mine$"):
        neurotop.summary(tmp_path)
    own.write_text("#!/bin/sh\necho nonsense\n")
    with pytest.raises(RuntimeError, match="exit code 0, and printed no figures"):
        neurotop.summary(tmp_path)


# --- show ----------------------------------------------------------------------------------------


def test_a_run_that_is_over_is_one_picture(tmp_path: Path) -> None:
    run = handmade.whole(tmp_path / "run", 3, ["one<b>", "two"], name="a & b")
    cell, after = run_notebook(f"neurotop.show({str(run)!r})", "import threading; time.sleep(1)")
    page = page_of(cell)
    total = neurotop.summary(run)["total"]
    assert f"<b>{total['effective_ops_per_sample']:.4g}</b>" in page
    assert "a &amp; b" in page and "finished" in page and "one&lt;b&gt;" in page
    assert page.count("<polyline") == 2, "one for each layer"
    assert not after.outputs


def test_the_picture_follows_while_cells_run(tmp_path: Path) -> None:
    """Shown before the run begins; batches come while a cell runs, and the run ends in it."""
    run = tmp_path / "run"
    cells = run_notebook(
        f"run = Path({str(run)!r}); shown = neurotop.show(run, interval=0.05)",
        """
seen = []
class Watching:
    def __init__(self, display): self.display = display
    def update(self, page): seen.append(page.data); self.display.update(page)
shown._display = Watching(shown._display)
def until(words):
    end = time.monotonic() + 90
    while not any(words in page for page in seen):
        assert time.monotonic() < end, (words, seen[-1:])
        time.sleep(0.05)
until("run, which does not exist yet")
handmade.manifest(run, ["lif"], expected_batches=3)
for number in range(3):
    handmade.batch(run, number, ["lif"])
    until(f"{3 * (number + 1)} samples in {number + 1} batches")
(run / "end.json").write_text("{}")
assert shown.wait(90)
""",
        "import threading; [one.name for one in threading.enumerate() if 'neurotop' in one.name]",
    )
    page = page_of(cells[0])
    assert "finished" in page and "9 samples in 3 batches" in page
    assert 'aria-label="effective operations per sample"' in page
    assert cells[2].outputs[0]["data"]["text/plain"] == "[]", "nothing goes on"


def test_a_run_that_cannot_be_read_is_told_and_looked_at_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    cells = run_notebook(
        f"shown = neurotop.show({str(run)!r}, interval=0.05)\n"
        "assert 'holds neither manifest.json' in shown._look()[0]",
        f"handmade.whole(Path({str(run)!r}), 1, ['lif']); shown.wait(90)",
    )
    assert cells[1].outputs[0]["data"]["text/plain"] == "True"
    assert "finished" in page_of(cells[0])


def test_a_picture_can_be_stopped(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    cell, _ = run_notebook(
        f"shown = neurotop.show({str(tmp_path / 'run')!r}, interval=0.05)",
        f"again = neurotop.show({str(tmp_path / 'run')!r}, interval=0.05)\n"
        "assert not shown._thread.is_alive(), 'one picture follows a run'\n"
        "again.stop(); assert not again._thread.is_alive()",
    )
    assert "holds neither manifest.json nor a batch" in page_of(cell)


def test_what_cannot_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="interval=0"):
        neurotop.show(tmp_path, interval=0)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FileNotFoundError, match="the command neurotop is not found"):
        neurotop.show(tmp_path)
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ImportError, match="use: neurotop watch"):
        neurotop.show(tmp_path)


@pytest.mark.parametrize(
    ("part", "text"),
    [(0.0, "0.00%"), (1.0, "100.00%"), (6e-6, "0.0006%"), (0.999994, "99.9994%"), (0.5, "50.00%")],
)
def test_small_parts_are_told(part: float, text: str) -> None:
    assert notebook._percent(part) == text


def test_long_runs_stay_small() -> None:
    points: list[tuple[int, float]] = []
    for at in range(5000):
        points = notebook._thinned([*points, (at, float(at))])
    assert len(points) <= 500 and points[0] == (0, 0.0) and points[-1] == (4999, 4999.0)
    line = notebook._sparkline([0.0] * 4999 + [7.0])
    assert line.count(",") == 120 and "at most 7" in line, "the peak is kept"
