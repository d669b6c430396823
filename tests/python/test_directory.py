"""The run directory: never overwritten silently, atomic, bounded, and shared by several ranks."""

from __future__ import annotations

import ast
import errno
import json
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import NeuronOperations
from neurobench.models import SNNTorchModel
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    IterableDataset,
    SubsetRandomSampler,
    TensorDataset,
)

import neurotop
import recount
from benchmarks import benchmark, loader, recorded, summary
from conftest import ROOT
from networks import CalledInSomeBatches, NeverCalled, dense
from neurotop import RecorderError, RecorderWarning, directory
from neurotop.benchmark import _expected
from test_plain import record_all, run_batch


def acknowledge(run: Path, *ranges: list[int], **ranks: list[list[int]]) -> None:
    """Say what a watching neurotop has counted: without a rank, and of ranks (``rank_3=[…]``)."""
    counted: dict[str, Any] = {"format": "neurotop.counted", "version": 1, "batches": list(ranges)}
    if (run / "manifest.json").exists():
        counted["id"] = recount.manifest(run)["id"]
    if ranks:
        counted["ranks"] = {name.removeprefix("rank_"): told for name, told in ranks.items()}
    (run / ".neurotop-counted.json").write_text(json.dumps(counted))


def on_disk(run: Path) -> list[int]:
    """Numbers of the batches that are there."""
    return list(recount.batches(run))


def visible(run: Path) -> list[str]:
    """Names of the run that a reader may look at."""
    return sorted(entry.name for entry in run.iterdir() if not entry.name.startswith("."))


# --- An existing run -----------------------------------------------------------------------------


def test_a_second_run_gets_a_counter(tmp_path: Path) -> None:
    first = record_all(dense(), loader(), tmp_path / "run")
    before = {entry: entry.read_bytes() for entry in first.iterdir()}
    with pytest.warns(RecorderWarning, match="already holds a run: recording to .*run-2"):
        second = record_all(dense(), loader(), tmp_path / "run")
    with pytest.warns(RecorderWarning, match="run-3"):
        third = benchmark(dense(), neurotop.Recorder(tmp_path / "run")).run
    assert [first.name, second.name, third.name] == ["run", "run-2", "run-3"]
    assert before == {entry: entry.read_bytes() for entry in first.iterdir()}


def test_running_a_benchmark_again_records_again(tmp_path: Path) -> None:
    metrics = [NeuronOperations, neurotop.Recorder(tmp_path / "run")]
    bench = Benchmark(SNNTorchModel(dense()), loader(), [], [], [[], metrics])
    with torch.no_grad():
        first = bench.run(quiet=True)
        with pytest.warns(RecorderWarning, match="run-2"):
            second = bench.run(quiet=True)
    assert first == second
    assert recount.end(tmp_path / "run") == recount.end(tmp_path / "run-2")
    assert "run_metrics" not in vars(bench.workload_metric_manager), "NeuroBench is as it was"


def test_two_recorders_in_one_benchmark(tmp_path: Path) -> None:
    both = [neurotop.Recorder(tmp_path / form, form=form, strict=True) for form in ("bits", "pair")]
    metrics = [both[0], NeuronOperations, both[1]]
    bench = Benchmark(SNNTorchModel(dense()), loader(), [], [], [[], metrics])
    with torch.no_grad():
        results = bench.run(quiet=True)
    assert list(results) == ["NeuronOperations"]
    assert recount.end(tmp_path / "bits") == recount.end(tmp_path / "pair")
    assert recount.updates(tmp_path / "bits") == recount.updates(tmp_path / "pair")
    assert list(recount.end(tmp_path / "bits")["neurobench"]) == ["NeuronOperations"]
    assert "run_metrics" not in vars(bench.workload_metric_manager), "NeuroBench is as it was"


def test_a_metric_called_by_something_else_than_neurobench(tmp_path: Path) -> None:
    net, (frames, labels) = dense(), next(iter(loader()))
    model, metric = SNNTorchModel(net), neurotop.Recorder(tmp_path / "run", strict=True)()
    model.register_hooks()
    with pytest.warns(RecorderWarning, match="not the end of the run"), torch.no_grad():
        metric(model, model(frames), (frames, labels))
    model.cleanup_hooks()
    assert on_disk(tmp_path / "run") == [0]
    assert not (tmp_path / "run" / "end.json").exists()


def test_exist_ok_replaces_the_run_and_nothing_else(tmp_path: Path) -> None:
    run = record_all(dense(), loader(), tmp_path / "run")
    acknowledge(run, [0, 2])
    (run / "notes.txt").write_text("mine")
    (run / "batch-000007").mkdir()
    replaced = recount.manifest(run)["id"]
    record_all(dense(), loader(samples=4), tmp_path / "run", exist_ok=True)
    assert visible(run) == ["batch-000000.npz", "end.json", "manifest.json", "notes.txt"]
    assert not (run / ".neurotop-counted.json").exists(), "of the old run's batches"
    assert recount.end(run)["samples"] == 4
    assert recount.manifest(run)["id"] != replaced, "it tells one run from the other"


def test_an_empty_directory_is_used_as_it_is(tmp_path: Path) -> None:
    assert record_all(dense(), loader(), tmp_path) == tmp_path


# --- Errors --------------------------------------------------------------------------------------


def test_an_unwritable_directory_never_stops_the_benchmark(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    net, data = dense(), loader()
    without = benchmark(net, None, data)
    metric = neurotop.Recorder(tmp_path / "file" / "run")
    with pytest.warns(RecorderWarning) as caught:
        outcome = benchmark(net, metric, data)
    assert outcome.results == without.results
    said = [str(w.message) for w in caught if w.category is RecorderWarning]
    assert len(said) == 1
    assert "cannot begin in" in said[0] and "the benchmark goes on" in said[0]


def test_an_unwritable_directory_raises_when_strict(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecorderError, match="cannot begin"):
        recorded(dense(), tmp_path / "file", "trace")
    with pytest.raises(RecorderError, match="cannot begin"):
        record_all(dense(), loader(), tmp_path / "file")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second batch meets a full disk, half way into the file."""
    write, written = directory.write_npz, []

    def filling_up(path: Path, members: Any) -> None:
        written.append(path)
        if len(written) == 2:
            path.write_bytes(b"PK half a batch")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, members)

    monkeypatch.setattr(directory, "write_npz", filling_up)


def test_a_full_disk_stops_the_recording_and_not_the_benchmark(
    tmp_path: Path, full_disk: None
) -> None:
    metric = neurotop.Recorder(tmp_path / "run")
    with pytest.warns(RecorderWarning) as caught:
        outcome = benchmark(dense(), metric)
    said = [str(w.message) for w in caught if w.category is RecorderWarning]
    assert len(said) == 1
    assert "cannot write batch-000001.npz" in said[0] and "No space left" in said[0]
    assert "form='bits'" in said[0]
    assert outcome.results["NeuronOperations"] != 0.0
    assert visible(outcome.run) == ["batch-000000.npz", "manifest.json"]
    assert not list(outcome.run.glob(".batch*")), "the half-written file is gone"
    assert recount.manifest(outcome.run)["warnings"] == said


def test_a_full_disk_raises_out_of_the_benchmark_when_strict(
    tmp_path: Path, full_disk: None
) -> None:
    with pytest.raises(RecorderError, match="No space left"):
        recorded(dense(), tmp_path, "trace")


def test_plain_recording_raises_when_strict(tmp_path: Path, full_disk: None) -> None:
    with pytest.raises(RecorderError, match="No space left"):
        record_all(dense(), loader(), tmp_path / "run")


def test_warnings_made_errors_leave_the_run_whole(tmp_path: Path) -> None:
    metric = neurotop.Recorder(tmp_path / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecorderWarning)
        with pytest.raises(RecorderWarning, match="NeuronOperations failed"):
            benchmark(NeverCalled(), metric)
    assert on_disk(tmp_path / "run") == [0]
    assert len(recount.manifest(tmp_path / "run")["warnings"]) == 2


# --- Atomic writes -------------------------------------------------------------------------------


def test_the_manifest_is_there_before_the_first_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, order = os.replace, []

    def noted(source: Path, target: Path) -> None:
        assert Path(source).name.startswith("."), "written under a name that is never read"
        order.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", noted)
    record_all(dense(), loader(), tmp_path / "run")
    batches = [f"batch-{number:06d}.npz" for number in range(3)]
    assert order == ["manifest.json", *batches, "end.json"]


# --- keep ----------------------------------------------------------------------------------------


def test_keep_deletes_nothing_that_is_not_acknowledged(tmp_path: Path) -> None:
    run = record_all(dense(), loader(samples=24), tmp_path / "run", keep=1)
    assert on_disk(run) == [0, 1, 2, 3, 4, 5]
    assert recount.manifest(run)["keep"] == 1


@pytest.mark.parametrize(
    ("counted", "kept"),
    [
        ([[0, 5]], [4, 5]),
        ([[0, 1], [3, 3]], [2, 4, 5]),
        ([[5, 5]], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_keep_deletes_the_oldest_that_are_acknowledged(
    tmp_path: Path, counted: list[list[int]], kept: list[int]
) -> None:
    net = dense()
    with neurotop.record(net, tmp_path / "run", keep=2, strict=True) as rec:
        for frames, _ in loader(samples=24):
            run_batch(net, frames)
            rec.batch(len(frames))
        acknowledge(rec.directory, *counted)
    assert on_disk(rec.directory) == kept
    assert recount.end(rec.directory)["batches"] == 6


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"format": "neurotop.counted", "version": 2, "id": "ID", "batches": [[0, 9]]}',
        '{"format": "other", "version": 1, "id": "ID", "batches": [[0, 9]]}',
        '{"format": "neurotop.counted", "version": 1, "id": "ID", "batches": [0, 9]}',
        '{"format": "neurotop.counted", "version": 1, "id": "of another run", "batches": [[0, 9]]}',
        '{"format": "neurotop.counted", "version": 1, "batches": [[0, 9]]}',
    ],
)
def test_keep_trusts_only_what_it_understands_and_what_is_of_its_own_run(
    tmp_path: Path, content: str
) -> None:
    net = dense()
    with neurotop.record(net, tmp_path / "run", keep=1, strict=True) as rec:
        for frames, _ in loader():
            run_batch(net, frames)
            rec.batch(len(frames))
            own = recount.manifest(rec.directory)["id"]
            told = content.replace("ID", own)
            (rec.directory / ".neurotop-counted.json").write_text(told)
    assert on_disk(rec.directory) == [0, 1, 2]


def test_of_several_ranks_the_acknowledgement_has_the_id_of_the_first_to_begin(
    tmp_path: Path,
) -> None:
    run, net = tmp_path / "run", dense()
    with neurotop.record(net, run, strict=True, rank=0, world_size=2) as first:
        frames, _ = next(iter(loader()))
        run_batch(net, frames)
        first.batch(len(frames))
    with neurotop.record(net, run, keep=1, strict=True, rank=1, world_size=2) as second:
        for frames, _ in loader(samples=12):
            run_batch(net, frames)
            acknowledge(run, rank_1=[[1, 3]])
            second.batch(len(frames))
    assert on_disk(run) == [0, 5], "1 and 3 are counted of the run that both are"


# --- Several processes ---------------------------------------------------------------------------

RANK_PROGRAM = """
import sys
sys.path[:0] = {paths!r}
import torch
import neurotop
from benchmarks import benchmark, loader
from networks import dense

torch.set_num_threads(1)
rank = int(sys.argv[1])
torch.manual_seed(0)
net = dense()
torch.manual_seed(rank)
recorder = neurotop.Recorder({run!r}, rank=rank, world_size=2, strict=True)
print(benchmark(net, recorder, loader(samples=10 + 4 * rank)).results)
"""


def test_two_processes_record_into_one_run(tmp_path: Path, neurotop_command: str) -> None:
    run = tmp_path / "run"
    paths = [str(ROOT / "assets" / "python"), str(ROOT / "tests" / "python")]
    program = textwrap.dedent(RANK_PROGRAM).format(paths=paths, run=str(run))
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(rank)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    results = []
    for process in ranks:
        out, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
        results.append(ast.literal_eval(out.splitlines()[-1]))

    assert on_disk(run) == [0, 1, 2, 3, 4, 5, 7], "rank 0 has 3 batches, rank 1 has 4"
    assert visible(run) == [
        "end.json",
        "manifest.json",
        *(f"rank-0.batch-{number:06}.npz" for number in (0, 2, 4)),
        "rank-0.end.json",
        *(f"rank-1.batch-{number:06}.npz" for number in (1, 3, 5, 7)),
        "rank-1.end.json",
    ]
    end = recount.end(run)
    assert (end["samples"], end["batches"]) == (24, 7)
    assert "neurobench" not in end, "no single result of NeuroBench covers the run"
    for rank, official in enumerate(results):
        assert end["ranks"][rank]["neurobench"]["NeuronOperations"] == official["NeuronOperations"]
    effective = [r["NeuronOperations"]["Effective Neuron Ops"] for r in results]
    told = summary(neurotop_command, run)
    whole = round(effective[0] * 10) + round(effective[1] * 14)
    assert told["total"]["effective_ops"] == whole
    assert told["complete"] is True
    assert "expected_samples" not in recount.manifest(run)
    assert told["agreement"] == {"verdict": "agrees"}, "each rank with NeuroBench's result of it"
    for rank, own in enumerate(told["ranks"]):
        official = results[rank]["NeuronOperations"]
        assert (own["rank"], own["state"], own["behind"]) == (rank, "done", 1 - rank)
        assert (own["batches"], own["samples"]) == (3 + rank, 10 + 4 * rank)
        assert own["effective_ops_per_sample"] == official["Effective Neuron Ops"]
        assert own["dense_ops_per_sample"] == official["Neuron Dense Ops"]


def test_ranks_keep_what_is_not_acknowledged_of_their_own(tmp_path: Path) -> None:
    run, net = tmp_path / "run", dense()
    with neurotop.record(net, run, keep=1, strict=True, rank=1, world_size=2) as rec:
        for frames, _ in loader(samples=20):
            run_batch(net, frames)
            acknowledge(run, [0, 99], rank_0=[[0, 99]], rank_1=[[0, 3]])
            rec.batch(len(frames))
    assert on_disk(run) == [5, 7, 9], "1 and 3 are counted of this rank"


def test_a_rank_says_when_it_has_come_to_its_end(tmp_path: Path, neurotop_command: str) -> None:
    run = record_all(dense(), loader(), tmp_path / "run", rank=1, world_size=3)
    assert json.loads((run / "rank-1.end.json").read_text())["batches"] == 3
    told = summary(neurotop_command, run)
    states = [(rank["rank"], rank["state"], rank["batches"]) for rank in told["ranks"]]
    assert states == [(0, "behind", 0), (1, "done", 3), (2, "behind", 0)]
    assert told["run"]["status"] == "running" and told["complete"] is False


def test_runs_of_plain_names_from_several_ranks_are_still_read(
    tmp_path: Path, neurotop_command: str
) -> None:
    run = tmp_path / "run"
    for rank in range(2):
        record_all(dense(), loader(), run, rank=rank, world_size=2)
    now = summary(neurotop_command, run)
    for entry in run.iterdir():
        if entry.name.startswith("rank-"):
            entry.rename(run / entry.name.partition(".")[2])
    then = summary(neurotop_command, run)
    assert "ranks" in now and "ranks" not in then
    assert (then["total"], then["account"]) == (now["total"], now["account"])


def test_a_run_of_ranks_is_never_overwritten_silently(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "rank-0").mkdir(parents=True)
    for name in ("batch-0.npz", "notes.txt"):
        (run / "rank-0" / name).touch()
    with pytest.warns(RecorderWarning, match="already holds a run"):
        record_all(dense(), loader(), run)
    record_all(dense(), loader(), run, exist_ok=True)
    assert on_disk(run) == [0, 1, 2]
    assert [entry.name for entry in (run / "rank-0").iterdir()] == ["notes.txt"]


def test_rank_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    run = recorded(dense(), tmp_path, "trace").run
    assert on_disk(run) == [1, 4, 7]
    assert not (run / "end.json").exists(), "two ranks are still to finish"


def test_rank_from_torch_distributed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert on_disk(recorded(dense(), tmp_path, "trace").run) == [0, 2, 4]


def test_ranks_must_run_the_same_model(tmp_path: Path) -> None:
    record_all(dense("Leaky"), loader(), tmp_path / "run", rank=0, world_size=2)
    with pytest.raises(RecorderError, match="all ranks must run the same model"):
        record_all(dense("Alpha"), loader(), tmp_path / "run", rank=1, world_size=2)


def test_ranks_do_not_join_an_old_run(tmp_path: Path) -> None:
    record_all(dense(), loader(), tmp_path / "old")
    with pytest.raises(RecorderError, match="give all ranks another directory"):
        record_all(dense(), loader(), tmp_path / "old", rank=0, world_size=2)
    record_all(dense(), loader(), tmp_path / "run", rank=0, world_size=2)
    with pytest.raises(RecorderError, match="rank 0 of it"):
        record_all(dense(), loader(), tmp_path / "run", rank=0, world_size=2)


def test_ranks_cannot_replace_a_run(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="exist_ok=True does not work with several"):
        record_all(dense(), loader(), tmp_path / "run", rank=0, world_size=2, exist_ok=True)


def test_warnings_of_all_ranks_are_in_the_manifest(tmp_path: Path) -> None:
    small, full = loader(samples=2), loader(samples=4)
    record_all(CalledInSomeBatches(), full, tmp_path / "run", rank=0, world_size=2)
    assert recount.manifest(tmp_path / "run")["warnings"] == []
    with pytest.warns(RecorderWarning):
        record_all(CalledInSomeBatches(), small, tmp_path / "run", rank=1, world_size=2)
    assert "was not called" in recount.manifest(tmp_path / "run")["warnings"][0]


# --- What is expected ----------------------------------------------------------------------------


def test_expected_counts_of_loaders() -> None:
    class Stream(IterableDataset):
        def __iter__(self) -> Any:
            return iter(())

    dataset = TensorDataset(torch.zeros(10, 1))
    both = {"expected_samples": 10, "expected_batches": 3}
    expected = _expected
    assert expected(DataLoader(dataset, batch_size=4), 1) == both
    dropped = expected(DataLoader(dataset, batch_size=4, drop_last=True), 1)
    assert dropped == {"expected_samples": 8, "expected_batches": 2}
    some = DataLoader(dataset, batch_size=4, sampler=SubsetRandomSampler(range(5)))
    assert expected(some, 1) == {"expected_samples": 5, "expected_batches": 2}
    own = DataLoader(dataset, batch_sampler=[[0], [1, 2]])
    assert expected(own, 1) == {"expected_batches": 2}
    assert expected(DataLoader(Stream()), 1) == {}
    assert expected(None, 1) == {}


def test_expected_counts_of_several_ranks() -> None:
    dataset = TensorDataset(torch.zeros(10, 1))
    sampler = DistributedSampler(dataset, num_replicas=2, rank=0)
    parts = DataLoader(dataset, batch_size=2, sampler=sampler)
    assert _expected(parts, 2) == {"expected_samples": 10, "expected_batches": 6}
    assert _expected(parts, 4) == {}, "the sampler splits among two only"
    assert _expected(DataLoader(dataset, batch_size=2), 2) == {}


def test_only_one_rank_of_the_environment_evaluates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, neurotop_command: str
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.warns(RecorderWarning, match="only rank 0 of 4 has recorded"):
        outcome = benchmark(dense(), neurotop.Recorder(tmp_path / "run", strict=True))
    told = summary(neurotop_command, outcome.run)
    assert told["run"]["status"] == "finished" and told["complete"] is True
    assert told["run"]["samples"] == 10
    assert told["neurobench"]["NeuronOperations"] == outcome.results["NeuronOperations"]
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    assert not any("silent" in problem["reason"] for problem in told["problems"])
    monkeypatch.setenv("RANK", "1")  # one that comes later is not lost in silence
    with pytest.raises(RecorderError, match="already holds a run"):
        record_all(dense(), loader(), tmp_path / "run")
