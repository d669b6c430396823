#!/usr/bin/env python3
"""Compares a program for another system with this one's: what both print and export of the golden runs and the demo.

usage: golden.py PROGRAM [EMULATOR …] OTHER_PROGRAM
"""

import difflib
import json
import os
import pprint
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Absolute, since they are started in other directories.
OURS, OTHER = [os.path.abspath(sys.argv[1])], [*sys.argv[2:-1], os.path.abspath(sys.argv[-1])]
PATIENCE = 120  # seconds


def run(program: list[str], *words: str, cwd: Path) -> tuple[int, str]:
    ended = subprocess.run([*program, *words], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)
    return ended.returncode, ended.stdout


def same(name: str, ours: object, other: object) -> None:
    if ours != other:
        texts = [pprint.pformat(outcome, width=100).splitlines() for outcome in (ours, other)]
        sys.exit(f"{name} differs\n" + "\n".join(difflib.unified_diff(*texts, OURS[0], " ".join(OTHER), n=0)))


def comparable(value: object) -> object:
    """A document without the disk, and without when and of what it was written."""
    if isinstance(value, dict):
        return {key: comparable(of) for key, of in value.items() if key not in ("place", "export", "quiet_seconds")}
    if isinstance(value, list):
        return [comparable(of) for of in value]
    return value


def document(report: tuple[int, str]) -> tuple[int, object]:
    code, text = report
    return code, comparable(json.loads(text))


def exported(path: Path) -> object:
    return comparable(json.loads(path.read_text()))


def merged(program: list[str], golden: Path, work: Path) -> tuple[int, object]:
    for part in ("1/2", "2/2"):
        words = ["summary", golden.name, "--shard", part, "-o", str(work / f"{part[0]}.json")]
        run(program, *words, cwd=golden.parent)
    return document(run(program, "merge", "1.json", "2.json", "--format", "json", cwd=work))


def watched(program: list[str], golden: Path, work: Path) -> tuple[int, object]:
    words = ["watch", golden.name, "--exit-when-finished", "--export", str(work / "out.json")]
    code, _ = run(program, *words, cwd=golden.parent)
    return code, exported(work / "out.json")


def interrupted(program: list[str], golden: Path, work: Path) -> tuple[int, object]:
    """Ctrl-C, once a run without its last batch is counted as far as it is there."""
    shutil.copytree(golden, work / "run")
    (work / "run" / "batch-000002.npz").unlink()
    command = [*program, "watch", "run", "--export", "out.json", "--log", "log"]
    watch = subprocess.Popen(command, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log, deadline = work / "log", time.monotonic() + PATIENCE
    while not log.exists() or log.read_text().count("counted") < 2:
        if time.monotonic() > deadline:
            sys.exit("the two batches are not counted")
        time.sleep(0.1)
    watch.send_signal(signal.SIGINT)
    return watch.wait(PATIENCE), exported(work / "out.json")


def replayed(program: list[str], work: Path) -> tuple[int, object]:
    """The demo, whose figures are NeuroBench's own."""
    code, _ = run(program, "demo", "--pace", "0.01", "--export", "demo.json", cwd=work)
    return code, [exported(work / "demo.json")[key] for key in ("total", "layers", "neurobench")]


def measured(measure, *words) -> tuple[int, object]:
    with tempfile.TemporaryDirectory() as work:
        return measure(*words, Path(work))


def both(measure, *words) -> tuple[object, object]:
    ours, other = (measured(measure, program, *words) for program in (OURS, OTHER))
    if OTHER[-1].endswith(".exe") and other[0] < 0:
        # No program of Windows ends with a signal of Linux: it was Wine that crashed, as it may on leaving.
        print(f"Wine ended with signal {-other[0]} and is tried again: {words}")
        other = measured(measure, OTHER, *words)
    return ours, other


def copied(golden: Path, to: Path) -> list[Path]:
    """The golden runs with times of whole seconds: Windows counts in 100 ns, and Linux in 1 ns."""
    shutil.copytree(golden, to, dirs_exist_ok=True)
    for second, path in enumerate(sorted(to.rglob("*"))):
        os.utime(path, (1_700_000_000 + second, 1_700_000_000 + second))
    return sorted(path for path in to.iterdir() if path.is_dir())


def compare(runs: list[Path]) -> None:
    for golden in runs:
        name = golden.name
        for words in (["summary", name, "--format", "json"], ["doctor", name, "--deep", "--format", "json"]):
            same(" ".join(words), *(document(run(program, *words, cwd=golden.parent)) for program in (OURS, OTHER)))
        same(f"merge {name}", *both(merged, golden))
        same(f"watch {name}", *both(watched, golden))
    (leaky,) = (golden for golden in runs if golden.name == "leaky-zero")
    same("Ctrl-C", *both(interrupted, leaky))
    same("the demo", *both(replayed))
    print(f"{len(runs)} golden runs: {' '.join(OTHER)} summarizes, examines, merges, watches and exports the same")


def main() -> None:
    with tempfile.TemporaryDirectory() as copies:
        compare(copied(Path(__file__).resolve().parent.parent / "golden", Path(copies)))


if __name__ == "__main__":
    main()
