"""End to end: a real benchmark in one process, `neurotop watch` in a terminal beside it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import handmade
import neurotop
import recount
from benchmarks import loader
from conftest import ROOT
from networks import dense
from test_plain import record_all, run_batch

BENCHMARK = """
import sys, time
sys.path[:0] = {paths!r}
import torch
import neurotop
from benchmarks import benchmark, loader
from networks import convolutional

torch.set_num_threads(1)
torch.manual_seed(0)

class Slow(torch.utils.data.DataLoader):
    def __iter__(self):
        for batch in super().__iter__():
            time.sleep(0.3)
            yield batch

data = Slow(loader(shape=(1, 8, 8), samples=24).dataset, batch_size=4)
recorder = neurotop.Recorder({run!r}, name="live-digits", form={form!r}, strict=True)
import json
print(json.dumps(benchmark(convolutional(), recorder, data).results))
"""


def spawn_in_terminal(arguments: list[str]) -> tuple[int, int]:
    """Start a command in a pseudo-terminal of 120 by 40; its process id and the terminal."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(arguments[0], arguments)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    return process, terminal


def screen_until_exit(process: int, terminal: int, seconds: float) -> tuple[str, int]:
    """All that was drawn until the command left by itself, and its exit code."""
    drawn, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        try:
            drawn += os.read(terminal, 65536) if ready else b""
        except OSError:  # Linux reports the closed end of a terminal as an error
            break
    else:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    return drawn.decode("utf-8", errors="replace"), os.waitstatus_to_exitcode(status)


def test_a_benchmark_is_followed_live(tmp_path: Path, neurotop_command: str) -> None:
    run, exported = tmp_path / "run", tmp_path / "out.json"
    arguments = ["watch", str(run), "--export", str(exported), "--exit-when-finished"]
    watcher, terminal = spawn_in_terminal([neurotop_command, *arguments])

    paths = [str(ROOT / "assets" / "python"), str(ROOT / "tests" / "python")]
    program = BENCHMARK.format(paths=paths, run=str(run), form="trace")
    benchmark = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    drawn, code = screen_until_exit(watcher, terminal, seconds=90)
    printed, errors = benchmark.communicate(timeout=handmade.PATIENCE)
    assert benchmark.returncode == 0, errors
    assert code == 0, drawn[-2000:]

    official = json.loads(printed.splitlines()[-1])
    told = json.loads(exported.read_text(encoding="utf-8"))
    assert told["neurobench"]["NeuronOperations"] == official["NeuronOperations"]
    assert told["neurobench"]["MembraneUpdates"] == official["MembraneUpdates"]
    assert told["run"]["status"] == "finished" and told["complete"] is True
    assert told["account"] == {**told["account"], "seen": 6, "counted": 6, "set_aside": 0}
    assert "live-digits" in drawn, "the screen showed the run by its name"


def acknowledged(run: Path, number: int) -> bool:
    """Whether the watching command has told that it counted a batch."""
    try:
        told = json.loads((run / ".neurotop-counted.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return any(first <= number <= last for first, last in told["batches"])


def test_a_long_run_keeps_few_batches_and_loses_no_count(
    tmp_path: Path, neurotop_command: str
) -> None:
    run, exported = tmp_path / "run", tmp_path / "out.json"
    arguments = [str(run), "--export", str(exported), "--exit-when-finished"]
    watcher = subprocess.Popen([neurotop_command, "watch", *arguments], stdout=subprocess.DEVNULL)
    net, data = dense(), loader(samples=40)
    with neurotop.record(net, run, keep=2, strict=True) as rec:
        for number, (frames, _) in enumerate(data):
            run_batch(net, frames)
            rec.batch(len(frames))
            # An older command does not acknowledge: build again.
            handmade.until(lambda number=number: acknowledged(run, number))
    assert watcher.wait(timeout=handmade.PATIENCE) == 0
    assert sorted(recount.batches(run)) == [8, 9]

    whole = record_all(net, data, tmp_path / "whole")
    told = json.loads(exported.read_text(encoding="utf-8"))
    assert told["complete"] is True and told["account"]["counted"] == 10
    for layer in told["layers"]:
        counted = recount.updates(whole)[layer["name"]]
        assert (layer["updates"], layer["dense_updates"]) == tuple(counted)
