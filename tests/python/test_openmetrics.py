"""`--openmetrics`, read by promtool, by Prometheus's strict Python parser, and by Prometheus."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import handmade
from test_watch import screen_until_exit, spawn_in_terminal


def program(name: str) -> str:
    """A program of Prometheus's."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"there is no {name}: apt-get install prometheus")
    return found


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """All samples by metric; both readers must accept the text."""
    words = [program("promtool"), "check", "metrics"]
    checked = subprocess.run(words, input=text, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, ""), checked.stderr
    families = text_string_to_metric_families(text)
    return {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in families
    }


def test_a_file_has_the_figures_of_the_summary(tmp_path: Path, neurotop_command: str) -> None:
    run = handmade.whole(tmp_path / "run", 5, ["a", "b"], expected_samples=15)
    file = tmp_path / "out.prom"
    told = handmade.summary(neurotop_command, run, "--openmetrics", str(file))
    found = samples(file.read_text(encoding="utf-8"))
    label, total = {"run": "run"}, told["total"]
    for metric, value in {
        "neurotop_samples": 15,
        "neurotop_expected_samples": 15,
        "neurotop_expected_batches": 5,
        "neurotop_complete": 1,
        "neurotop_updates": total["updates"],
        "neurotop_dense_updates": total["dense_updates"],
        "neurotop_effective_operations": total["effective_ops"],
        "neurotop_dense_operations": total["dense_ops"],
        "neurotop_effective_operations_per_sample": total["effective_ops_per_sample"],
        "neurotop_dense_operations_per_sample": total["dense_ops_per_sample"],
        "neurotop_updates_per_sample": told["neurobench"]["MembraneUpdates"],
        "neurotop_sparsity_ratio": total["sparsity"],
        "neurotop_saved_operations_per_sample": total["saved_ops_per_sample"],
        "neurotop_unpriced_layers": 0,
    }.items():
        assert found[metric] == [(label, value)], metric
    states = {labels["state"]: value for labels, value in found["neurotop_batches"]}
    assert states == told["account"] | {"seen": 5, "counted": 5}
    for at, layer in enumerate(told["layers"]):
        labels = {"run": "run", "layer": layer["name"], "neuron": "Leaky"}
        for metric, figure in {
            "updates": "updates",
            "dense_updates": "dense_updates",
            "effective_operations": "effective_ops",
            "dense_operations": "dense_ops",
            "effective_operations_per_sample": "effective_ops_per_sample",
            "dense_operations_per_sample": "dense_ops_per_sample",
            "sparsity_ratio": "sparsity",
            "saved_operations_per_sample": "saved_ops_per_sample",
        }.items():
            assert found[f"neurotop_layer_{metric}"][at] == (labels, layer[figure])


def test_an_unpriced_layer_has_no_operations(tmp_path: Path, neurotop_command: str) -> None:
    run = handmade.whole(tmp_path / "run", 2, ["a"])
    text = (run / "manifest.json").read_text().replace("Leaky", "RLeaky")
    (run / "manifest.json").write_text(text)
    handmade.summary(neurotop_command, run, "--openmetrics", str(tmp_path / "out"))
    found = samples((tmp_path / "out").read_text(encoding="utf-8"))
    assert len(found["neurotop_layer_updates"]) == 1
    assert found["neurotop_layer_effective_operations"] == []
    assert found["neurotop_unpriced_layers"] == [({"run": "run"}, 1)]


def test_any_names_can_be_read(tmp_path: Path, neurotop_command: str) -> None:
    draw = random.Random(7)
    alphabet = 'ab\\"\n\r\t{}=, #\x00\x1b\u202e層é\U0001f9e0'
    layers = sorted({"".join(draw.choices(alphabet, k=draw.randint(1, 12))) for _ in range(300)})
    run = tmp_path / "run"
    handmade.manifest(run, layers, name='a"b\\\nc')
    handmade.summary(neurotop_command, run, "--openmetrics", str(tmp_path / "out"))
    found = samples((tmp_path / "out").read_bytes().decode("utf-8"))
    labels = [labels for labels, _ in found["neurotop_layer_updates"]]
    assert {label["layer"] for label in labels} == set(layers)
    assert {label["run"] for label in labels} == {'a"b\\\nc'}


def served_at(watcher: subprocess.Popen[str]) -> str:
    """The address that a watching command says it serves at."""
    assert watcher.stderr is not None
    found = re.search(r"http://(\S+)/metrics", watcher.stderr.readline())
    assert found is not None
    return found[1]


def query(port: int, expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers."""
    words = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{words}") as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return []


def test_prometheus_scrapes_a_run_while_it_is_counted(
    tmp_path: Path, neurotop_command: str
) -> None:
    run = handmade.whole(tmp_path / "run", 1, ["a"])
    watcher = handmade.watch(neurotop_command, run, "--openmetrics", ":0", "--state", "none")
    address = served_at(watcher)
    config = {
        "scrape_configs": [
            {
                "job_name": "n",
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "static_configs": [{"targets": [address]}],
            }
        ]
    }
    (tmp_path / "prometheus.json").write_text(json.dumps(config))
    port = handmade.free_port()
    server = subprocess.Popen(
        [
            program("prometheus"),
            f"--config.file={tmp_path / 'prometheus.json'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for number in (1, 2):
            value = str(3 * number)
            handmade.until(
                lambda value=value: any(
                    result["metric"]["run"] == "run" and result["value"][1] == value
                    for result in query(port, "neurotop_samples")
                )
            )
            handmade.batch(run, number, ["a"])
        # A scrape may come too late, on a busy machine.
        handmade.until(lambda: [found["value"][1] for found in query(port, "up")] == ["1"])
    finally:
        for process in (server, watcher):
            process.terminate()
            process.wait(timeout=handmade.PATIENCE)


def test_a_dashboard_serves_too_and_writes_while_it_runs(
    tmp_path: Path, neurotop_command: str
) -> None:
    run, file = handmade.whole(tmp_path / "run", 1, ["a"]), tmp_path / "live.prom"
    handmade.manifest(run, ["a"], expected_batches=2)
    port = handmade.free_port()
    words = [neurotop_command, "watch", str(run), "--exit-when-finished", "--state", "none"]
    served, terminal = spawn_in_terminal([*words, "--openmetrics", f"localhost:{port}"])
    written = handmade.watch(neurotop_command, run, "--state", "none", "--openmetrics", str(file))

    def scraped() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                kind = answer.headers["Content-Type"]
                text = answer.read().decode("utf-8")
        except OSError:
            return False
        assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        return samples(text).get("neurotop_samples") == [({"run": "run"}, 3)]

    # Somebody must look at what is drawn, or the terminal is full.
    left = ThreadPoolExecutor().submit(screen_until_exit, served, terminal, handmade.PATIENCE)
    handmade.until(scraped)
    handmade.until(
        lambda: (
            file.exists()
            and samples(file.read_text()).get("neurotop_samples") == [({"run": "run"}, 3)]
        )
    )
    handmade.batch(run, 1, ["a"])
    drawn, code = left.result()
    assert code == 0, drawn[-2000:]
    written.terminate()
    assert written.wait(timeout=handmade.PATIENCE) == 0
    assert samples(file.read_text())["neurotop_complete"] == [({"run": "run"}, 1)]
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []
