"""Potentials on an accelerator: packed there, copied and written while the program goes on.

There is none here: the same code runs on the CPU, and a stand-in for torch.cuda sees the order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch

import neurotop
import recount
from benchmarks import FORMS, benchmark, loader
from conftest import ROOT
from networks import ResetInside, dense
from neurotop import RecorderError, RecorderWarning, device, directory, encoding, layers, steps
from neurotop.writer import BYTES, Writer
from test_plain import record_all, run_batch


def accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat all tensors as an accelerator's."""
    for module in (device, encoding, layers, steps):
        monkeypatch.setattr(module, "is_elsewhere", lambda tensor: True)


@pytest.fixture
def accelerated(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tensors are treated as an accelerator's."""
    accelerate(monkeypatch)


def writers() -> list[threading.Thread]:
    """The threads that write."""
    return [thread for thread in threading.enumerate() if thread.name == "neurotop writer"]


# --- The same files ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 700, 64 << 20])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(
    "network",
    [dense, ResetInside, *(lambda d=d: dense(dtype=d) for d in (torch.float16, torch.float64))],
)
def test_the_files_are_those_of_the_cpu(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: Any,
    mode: Any,
    form: str,
    size: int,
) -> None:
    runs = {}
    for name in ("cpu", "device"):
        if name == "device":
            accelerate(monkeypatch)
            monkeypatch.setattr(device, "BLOCK_BYTES", size)
        torch.manual_seed(0)
        net = network()
        data = loader(steps=37, dtype=net.layers[0].weight.dtype)
        with warnings.catch_warnings(), mode():
            warnings.simplefilter("ignore", RecorderWarning)
            runs[name] = recount.batches(record_all(net, data, tmp_path / name, form=form))
    assert runs["cpu"].keys() == runs["device"].keys()
    for number, members in runs["cpu"].items():
        assert members.keys() == runs["device"][number].keys()
        for name, array in members.items():
            np.testing.assert_array_equal(array, runs["device"][number][name])
            assert array.dtype == runs["device"][number][name].dtype


@pytest.mark.parametrize("form", FORMS)
def test_neurobench_counts_the_same(tmp_path: Path, accelerated: None, form: str) -> None:
    outcome = benchmark(dense(), neurotop.Recorder(tmp_path / "run", form=form, strict=True))
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    assert recount.end(outcome.run)["neurobench"]["NeuronOperations"] != 0.0
    assert not writers()


SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, 2.0**-149, 2.0**-126, 3e38, -3e38]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_special_values_are_compared_as_in_numpy(accelerated: None, dtype: torch.dtype) -> None:
    values = torch.tensor(SPECIAL, dtype=torch.float64).to(dtype)
    post = [values[torch.randint(len(SPECIAL), (3, 7))] for _ in range(41)]
    layer = layers.Layer("lif", torch.nn.Identity(), [post[0], *post[:-1]], post)
    found = np.concatenate([*encoding.changed_bits(layer)])
    wide = np.stack([step.double().numpy() for step in post])
    with np.errstate(all="ignore"):
        assert found.tolist() == np.packbits(wide[:-1] - wide[1:] != 0).tolist()


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 9, 64, 1001])
def test_bits_are_packed_as_numpy_packs_them(bits: int) -> None:
    flags = torch.rand(bits) > 0.5
    assert device.packed(flags).tolist() == np.packbits(flags.numpy()).tolist()
    assert device.packed(flags.to("meta")).device.type == "meta", "on the tensor's own device"


def test_what_the_program_changes_after_a_batch_is_written_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerate(monkeypatch)
    write, may_write = directory.write_npz, threading.Event()

    def late(path: Path, members: Any) -> None:
        may_write.wait(60)
        write(path, members)

    monkeypatch.setattr(directory, "write_npz", late)
    net, expected = dense(), []
    with (
        pytest.warns(RecorderWarning, match="'given'.*has no price"),
        torch.no_grad(),
        neurotop.record(net, tmp_path / "run", strict=True) as rec,
    ):
        rec.add("given", given := np.ones((2, 4, 3)))
        for _ in range(3):
            run_batch(net, torch.rand(4, 7, 8))
            if expected:
                rec.add("given", given)
            expected.append(net.layers[1].mem.clone())
            rec.batch(4)
            net.layers[1].mem.fill_(7)
            given.fill(7)
        assert not recount.batches(rec.directory), "the program goes on before they are written"
        may_write.set()
    assert [*recount.batches(rec.directory)] == [0, 1, 2]
    for number, batch in recount.batches(rec.directory).items():
        np.testing.assert_array_equal(batch["layers.1.post"][-1], expected[number])
        assert batch["given.post"].max() == (1 if number == 0 else 7)


def test_comparisons_wait_for_the_end_of_the_batch(tmp_path: Path, accelerated: None) -> None:
    """A network that passes copies: the comparison is on the device, and looked at once."""
    lif = snn.Leaky(beta=0.9)
    net = torch.nn.Sequential(torch.nn.Linear(8, 6), lif)
    with (
        pytest.warns(RecorderWarning, match="did not begin each step"),
        torch.no_grad(),
        neurotop.record(net, tmp_path / "run", strict=True) as rec,
    ):
        for number in range(2):
            mem = lif.reset_mem()
            for step in range(6):
                _, mem = lif(net[0](torch.rand(4, 8)), mem.clone())
                if number == 1 and step == 2:
                    mem = mem + 1
            (hook,) = rec._hooks
            assert len(hook.steps._open) == 5
            rec.batch(4)
    assert ["1.pre" in batch for batch in recount.batches(rec.directory).values()] == [False, True]
    pre, post = (recount.batches(rec.directory)[1][f"1.{name}"] for name in ("pre", "post"))
    same = [bool((pre[step] == post[step - 1]).all()) for step in range(1, 6)]
    assert same == [True, True, False, True, True]


# --- CUDA: pinned memory, a stream, an event -----------------------------------------------------


class Cuda:
    """Stands in for torch.cuda: writes down what is asked for, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        outer = self

        class Event:
            arrived = False

            def record(self, stream: Any) -> None:
                outer.seen.append("event")

            def query(self) -> bool:
                return self.arrived

            def synchronize(self) -> None:
                self.arrived = True
                outer.seen.append("arrived")

        class Stream:
            def __init__(self, place: torch.device) -> None:
                self.place = place

            def wait_stream(self, other: Any) -> None:
                outer.seen.append(f"after {other}")

        self.Event, self.Stream = Event, Stream

    def current_stream(self, place: torch.device) -> str:
        return "the program's"

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        self.seen.append("copy")
        yield


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    """All tensors are treated as those of a GPU."""
    accelerate(monkeypatch)
    cuda = Cuda()
    monkeypatch.setattr(device, "_cuda_of", lambda block: cuda)
    monkeypatch.setattr(
        torch.Tensor, "record_stream", lambda self, stream: cuda.seen.append("kept"), raising=False
    )
    monkeypatch.setattr(device, "_on_the_way", device.deque())
    return cuda


def test_a_copy_follows_the_program_and_is_read_once_it_has_arrived(cuda: Cuda) -> None:
    steps_given = [torch.rand(4, 6) for _ in range(5)]
    arrays = device.begin_rows(steps_given, torch.float32)
    begun = ["after the program's", "copy", "event", "kept"]
    assert cuda.seen == begun, "begun at once, and not waited for"
    np.testing.assert_array_equal(np.concatenate([*arrays]), torch.stack(steps_given).numpy())
    assert cuda.seen == [*begun, "arrived"]


def test_only_so_much_is_on_its_way(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "BLOCK_BYTES", 1)
    monkeypatch.setattr(device, "BYTES_ON_THE_WAY", 3 * 8 * 96)
    device.begin_rows([torch.rand(4, 6) for _ in range(80)], torch.float32)
    assert cuda.seen.count("copy") == 10
    assert cuda.seen.count("arrived") == 10 - 3


@pytest.mark.parametrize("form", FORMS)
def test_a_recording_through_such_copies(tmp_path: Path, cuda: Cuda, form: str) -> None:
    outcome = benchmark(dense(), neurotop.Recorder(tmp_path / "run", form=form, strict=True))
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    assert cuda.seen.count("arrived") == cuda.seen.count("copy") > 0


# --- The thread that writes ----------------------------------------------------------------------


def test_errors_of_the_thread_reach_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accelerated: None
) -> None:
    def full(path: Path, members: Any) -> None:
        if "000001" in path.name:
            raise OSError(28, os.strerror(28))
        write(path, members)

    write = directory.write_npz
    monkeypatch.setattr(directory, "write_npz", full)
    metric = neurotop.Recorder(tmp_path / "run")
    with pytest.warns(RecorderWarning) as caught:
        outcome = benchmark(dense(), metric)
    said = [str(w.message) for w in caught if w.category is RecorderWarning]
    assert len(said) == 1
    assert "cannot write batch-000001.npz" in said[0] and "No space left" in said[0]
    assert [*recount.batches(outcome.run)] == [0], "none after the one that is missing"
    assert recount.manifest(outcome.run)["warnings"] == said
    assert not (outcome.run / "end.json").exists()
    with pytest.raises(RecorderError, match="batch-000001.npz.*No space left"):
        benchmark(dense(), neurotop.Recorder(tmp_path / "strict", strict=True))
    with pytest.raises(RecorderError, match="batch-000001.npz.*No space left"):
        record_all(dense(), loader(), tmp_path / "plain")
    assert not writers()


def test_only_so_much_waits() -> None:
    writer, go_on, done = Writer(), threading.Event(), []

    def slow() -> None:
        go_on.wait(60)
        done.append(0)

    writer.put("cannot do it", slow, BYTES * 2)  # one may always wait
    blocked = threading.Thread(target=writer.put, args=("cannot", lambda: done.append(1), 1))
    blocked.start()
    blocked.join(0.2)
    assert blocked.is_alive() and done == []
    go_on.set()
    blocked.join(60)
    writer.drain()
    assert done == [0, 1] and not writers()


def test_jobs_are_done_where_no_thread_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(thread: threading.Thread) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    writer, done = Writer(), []
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.put("cannot", lambda: done.append(0), 1)
    writer.drain()
    assert done == [0]

    def exhausted(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", exhausted)
    writer.put("cannot", lambda: done.append(1), 1)
    assert done == [0, 1], "done at once"


def program(text: str, directory: Path, **options: Any) -> subprocess.Popen[str]:
    """A program that records on a pretended accelerator."""
    head = f"""
import sys, os, time, threading, warnings
sys.path[:0] = {[str(ROOT / "assets" / "python"), str(ROOT / "tests" / "python")]!r}
import torch, neurotop
from neurotop import device, directory, encoding, layers, steps
from networks import dense
from test_plain import run_batch
for module in (device, encoding, layers, steps):
    module.is_elsewhere = lambda tensor: True
torch.set_num_threads(1)
torch.set_grad_enabled(False)
net, write = dense(), directory.write_npz
"""
    return subprocess.Popen(
        [sys.executable, "-W", "always::UserWarning", "-c", head + textwrap.dedent(text)],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


SLOW = """
def slowly(path, members):
    time.sleep(0.5)
    write(path, members)

directory.write_npz = slowly
rec = neurotop.record(net, "run").__enter__()
for _ in range(3):
    run_batch(net, torch.rand(4, 7, 8))
    rec.batch(4)
"""


@pytest.mark.parametrize("way", ["", "raise SystemExit(3)", "raise KeyboardInterrupt"])
def test_no_batch_is_lost_when_the_program_ends(tmp_path: Path, way: str) -> None:
    done = program(SLOW + way, tmp_path)
    _, told = done.communicate(timeout=300)
    assert [*recount.batches(tmp_path / "run")] == [0, 1, 2], told
    assert "neurotop" not in told.replace("neurotop.", "")


def test_a_batch_that_nobody_waits_for_is_told_when_it_is_lost(tmp_path: Path) -> None:
    text = SLOW.replace("    write(path, members)\n", "    raise OSError(28, 'No space left')\n")
    done = program(text, tmp_path)
    _, told = done.communicate(timeout=300)
    assert "cannot write batch-000000.npz" in told and "No space left" in told


def test_ctrl_c_comes_through_while_the_disk_hangs(tmp_path: Path) -> None:
    text = """
    def hanging(path, members):
        while not os.path.exists("goon"):
            time.sleep(0.05)
        write(path, members)

    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    directory.write_npz = hanging
    try:
        with neurotop.record(net, "run") as rec:
            for number in range(20):
                run_batch(net, torch.rand(4, 7, 8))
                if number == 8:
                    print("full", flush=True)
                rec.batch(4)
    except KeyboardInterrupt:
        print("interrupted")
    """
    running = program(text, tmp_path)
    assert running.stdout is not None and running.stdout.readline() == "full\n"
    running.send_signal(signal.SIGINT)
    (tmp_path / "goon").touch()
    out, told = running.communicate(timeout=300)
    assert out == "interrupted\n", told
    assert [*recount.batches(tmp_path / "run")][:8] == [*range(8)]
    assert "KeyboardInterrupt" in recount.manifest(tmp_path / "run")["warnings"][-1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_forked_child_does_not_write_into_its_parents_run(tmp_path: Path) -> None:
    text = """
    with neurotop.record(net, "run") as rec:
        run_batch(net, torch.rand(4, 7, 8))
        rec.batch(4)
        child = os.fork()
        run_batch(net, torch.rand(4, 7, 8))
        rec.batch(4)
        if child:
            os.waitpid(child, 0)
            run_batch(net, torch.rand(4, 7, 8))
            rec.batch(4)
    """
    done = program(text, tmp_path)
    _, told = done.communicate(timeout=300)
    assert told.count("was forked cannot go on with the recording") == 1, told
    assert [*recount.batches(tmp_path / "run")] == [0, 1, 2]
    assert recount.end(tmp_path / "run") == {"samples": 12, "batches": 3}
    assert recount.manifest(tmp_path / "run")["warnings"] == []


def test_loaders_with_workers(tmp_path: Path, accelerated: None) -> None:
    data = torch.utils.data.DataLoader(loader().dataset, batch_size=4, num_workers=2)
    run = record_all(dense(), data, tmp_path / "run")
    assert recount.end(run) == {"samples": 10, "batches": 3}
