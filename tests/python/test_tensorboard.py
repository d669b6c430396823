"""`--tensorboard`, read by TensorBoard's Python reader, and by a running TensorBoard."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import handmade
import recount

TOTAL = "neurotop/total/effective_ops_per_sample"


def read(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """All scalars by tag, as TensorBoard's reader gives them."""
    events = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in tags}


def steps(series: list[tuple[int, float]]) -> list[int]:
    return [step for step, _ in series]


def figures(told: dict[str, Any]) -> dict[str, float]:
    """What the last scalars must be by a summary, rounded as they are."""
    total = told["total"]
    expected = {
        f"neurotop/total/{name}": total[name]
        for name in (
            "effective_ops_per_sample",
            "dense_ops_per_sample",
            "sparsity",
            "saved_ops_per_sample",
        )
    }
    expected["neurotop/total/updates_per_sample"] = told["neurobench"]["MembraneUpdates"]
    expected["neurotop/total/samples"] = told["run"]["samples"]
    for layer in told["layers"]:
        for name in ("effective_ops_per_sample", "sparsity"):
            expected[f"neurotop/layers/{layer['name']}/{name}"] = layer[name]
    return {tag: float(np.float32(value)) for tag, value in expected.items()}


def test_every_batch_has_its_figures(tmp_path: Path, neurotop_command: str) -> None:
    run = handmade.whole(tmp_path / "run", 7, ["a", "b.c"], name="by hand")
    options = ("--tensorboard", str(tmp_path / "tb"), "--threads", "1")
    told = handmade.summary(neurotop_command, run, *options)
    scalars = read(tmp_path / "tb" / "by hand")
    assert all(steps(series) == list(range(1, 8)) for series in scalars.values())
    last = {tag: series[-1][1] for tag, series in scalars.items()}
    expected = figures(told)
    assert {tag: last[tag] for tag in expected} == expected
    assert set(scalars) - set(expected) == {
        *(
            f"neurotop/total/batch_{name}"
            for name in (
                "effective_ops_per_sample",
                "dense_ops_per_sample",
                "updates_per_sample",
                "sparsity",
                "saved_ops_per_sample",
            )
        ),
        *(
            f"neurotop/layers/{layer}/batch_{name}"
            for layer in ("a", "b.c")
            for name in ("effective_ops_per_sample", "sparsity")
        ),
    }

    # By an independent count of each batch: 4 operations an update, 3 samples. Any order.
    batches = recount.batches(run).values()
    counted = [4 * recount._layer_updates(batch, "a").effective / 3 for batch in batches]
    by_batch = [value for _, value in scalars["neurotop/layers/a/batch_effective_ops_per_sample"]]
    assert sorted(by_batch) == sorted(float(np.float32(value)) for value in counted)


def test_an_unpriced_layer_has_updates_and_no_operations(
    tmp_path: Path, neurotop_command: str
) -> None:
    run = handmade.whole(tmp_path / "run", 2, ["a"])
    text = (run / "manifest.json").read_text().replace("Leaky", "RLeaky")
    (run / "manifest.json").write_text(text)
    handmade.summary(neurotop_command, run, "--tensorboard", str(tmp_path / "tb"))
    scalars = read(tmp_path / "tb" / "run")
    layer = {tag for tag in scalars if "/layers/" in tag}
    assert layer == {
        "neurotop/layers/a/updates_per_sample",
        "neurotop/layers/a/batch_updates_per_sample",
    }


@pytest.mark.parametrize("loading", ["--load_fast=true", "--load_fast=false"])
def test_a_running_tensorboard_shows_batches_as_they_are_counted(
    tmp_path: Path, neurotop_command: str, loading: str
) -> None:
    run, logs, port = tmp_path / "run", tmp_path / "tb", handmade.free_port()
    logs.mkdir()
    handmade.manifest(run, ["a"], expected_batches=4)
    words = ["-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1", "--port"]
    board = subprocess.Popen(
        [sys.executable, *words, str(port), "--reload_interval", "1", loading],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    query = urllib.parse.urlencode({"run": "run", "tag": TOTAL})
    url = f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?{query}"

    def shown() -> list[tuple[int, float]]:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return [(step, value) for _, step, value in json.load(answer) or []]
        except OSError:
            return []

    watcher = handmade.watch(neurotop_command, run, "--tensorboard", str(logs), "--state", "none")
    try:
        for number in range(4):
            handmade.batch(run, number, ["a"])
            handmade.until(lambda number=number: steps(shown()) == list(range(1, number + 2)))
        # A batch that is counted again: its point takes the place of the one that is shown.
        handmade.batch(run, 3, ["a"], samples=50)
        corrected = (4, figures(handmade.summary(neurotop_command, run))[TOTAL])
        handmade.until(lambda: shown()[-1:] == [corrected])
        assert steps(shown()) == [1, 2, 3, 4]
        assert watcher.poll() is None, "it was shown while the run was watched"
    finally:
        for process in (watcher, board):
            process.terminate()
            process.wait(timeout=handmade.PATIENCE)


def test_a_second_process_goes_on_and_no_point_is_there_twice(
    tmp_path: Path, neurotop_command: str
) -> None:
    run, logs = tmp_path / "run", tmp_path / "tb"
    options = ("--tensorboard", str(logs), "--state", str(tmp_path / "state"))
    handmade.manifest(run, ["a"])
    count = 0
    for more in (3, 2, 4):
        for _ in range(more):
            handmade.batch(run, count, ["a"])
            count += 1
        watcher = handmade.watch(neurotop_command, run, *options)
        handmade.until(
            lambda count=count: (
                (logs / "run").is_dir() and count in steps(read(logs / "run").get(TOTAL, []))
            )
        )
        watcher.terminate()
        assert watcher.wait(timeout=handmade.PATIENCE) == 0
        assert steps(read(logs / "run")[TOTAL]) == list(range(1, count + 1))
    assert len(list((logs / "run").iterdir())) == 3

    # Counted from the start again: what was there is void.
    told = handmade.summary(neurotop_command, run, "--tensorboard", str(logs))
    scalars = read(logs / "run")
    assert steps(scalars[TOTAL]) == list(range(1, count + 1))
    assert scalars[TOTAL][-1][1] == figures(told)[TOTAL]


def test_killed_at_any_moment_the_files_can_be_read_and_are_gone_on_with(
    tmp_path: Path, neurotop_command: str
) -> None:
    run, logs = tmp_path / "run", tmp_path / "tb"
    options = ("--tensorboard", str(logs), "--state", str(tmp_path / "state"))
    handmade.manifest(run, ["a"])
    number = 0
    for _ in range(6):
        watcher = handmade.watch(neurotop_command, run, *options)
        for _ in range(20):
            handmade.batch(run, number, ["a"])
            number += 1
        if (logs / "run").is_dir():
            found = steps(read(logs / "run").get(TOTAL, []))
            assert found == sorted(set(found))
        watcher.send_signal(signal.SIGKILL)
        watcher.wait(timeout=handmade.PATIENCE)
        for file in sorted((logs / "run").glob("events*"))[-1:]:
            # As if the kill had come in the middle of a record.
            with file.open("r+b") as cut:
                cut.truncate(max(file.stat().st_size - 5, 0))
    told = handmade.summary(neurotop_command, run)
    (run / "end.json").write_text("{}")
    watcher = handmade.watch(neurotop_command, run, *options, "--exit-when-finished")
    assert watcher.wait(timeout=handmade.PATIENCE) == 0
    found = read(logs / "run")[TOTAL]
    assert steps(found) == sorted(set(steps(found))) and found[-1] == (120, figures(told)[TOTAL])


def test_a_batch_that_is_written_again_replaces_the_point(
    tmp_path: Path, neurotop_command: str
) -> None:
    run, logs = tmp_path / "run", tmp_path / "tb"
    handmade.whole(run, 2, ["a"])
    watcher = handmade.watch(neurotop_command, run, "--tensorboard", str(logs), "--state", "none")
    handmade.until(
        lambda: (logs / "run").is_dir() and steps(read(logs / "run").get(TOTAL, [])) == [1, 2]
    )
    handmade.batch(run, 1, ["a"], samples=50)
    told = handmade.summary(neurotop_command, run)
    expected = figures(told)["neurotop/total/samples"]
    handmade.until(lambda: read(logs / "run")["neurotop/total/samples"][-1] == (2, expected))
    watcher.terminate()
    assert watcher.wait(timeout=handmade.PATIENCE) == 0
    assert steps(read(logs / "run")[TOTAL]) == [1, 2]


def test_a_tally_that_is_started_over_starts_the_points_over(
    tmp_path: Path, neurotop_command: str
) -> None:
    run, logs = handmade.whole(tmp_path / "run", 3, ["a"]), tmp_path / "tb"
    watcher = handmade.watch(neurotop_command, run, "--tensorboard", str(logs), "--state", "none")

    def is_shown(batches: int) -> bool:
        found = read(logs / "run").get(TOTAL, []) if (logs / "run").is_dir() else []
        return steps(found) == list(range(1, batches + 1))

    handmade.until(lambda: is_shown(3))
    shutil.rmtree(run)
    handmade.manifest(run, ["a"])
    handmade.batch(run, 9, ["a"], samples=7)
    handmade.until(lambda: is_shown(1))
    assert read(logs / "run")["neurotop/total/batch_sparsity"][0][0] == 1
    assert read(logs / "run")["neurotop/total/samples"] == [(1, 7)]
    watcher.terminate()
    assert watcher.wait(timeout=handmade.PATIENCE) == 0


def test_names_of_layers_are_escaped_and_runs_have_directories_of_their_own(
    tmp_path: Path, neurotop_command: str
) -> None:
    layer = "a\x1b[2J\n\u202eb"
    for name in ("x", "y"):
        handmade.whole(tmp_path / "runs" / name, 2, [layer], name="../same")
    logs = tmp_path / "tb"
    watcher = handmade.watch(
        neurotop_command,
        tmp_path / "runs",
        "--tensorboard",
        str(logs),
        "--state",
        "none",
        "--exit-when-finished",
    )
    assert watcher.wait(timeout=handmade.PATIENCE) == 0
    assert {path.name for path in logs.iterdir()} == {"%2E.%2Fsame", "%2E.%2Fsame-2"}
    for directory in logs.iterdir():
        tags = read(directory)
        assert "neurotop/layers/a\\u{1b}[2J\\u{a}\\u{202e}b/sparsity" in tags


def test_many_batches_of_many_layers_stay_small(tmp_path: Path, neurotop_command: str) -> None:
    layers = [f"block.{at}.lif" for at in range(300)]
    run = handmade.whole(tmp_path / "run", 260, layers)
    told = handmade.summary(neurotop_command, run, "--tensorboard", str(tmp_path / "tb"))
    scalars = read(tmp_path / "tb" / "run")
    assert len(scalars) == 11 + 4 * 300
    found = scalars[TOTAL]
    # 131,072 values are 108 points: each batch up to 216, then every second one, and the last.
    expected = [*range(1, 217), *range(218, 261, 2)]
    assert set(steps(found)) >= set(expected), "more where counting takes long"
    assert found[-1] == (260, figures(told)[TOTAL])
