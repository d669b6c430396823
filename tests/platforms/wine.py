#!/usr/bin/env python3
"""Runs the Windows program under Wine on the golden runs. What it prints and exports must be what the Linux program does.

usage: wine.py LINUX_PROGRAM WINE WINDOWS_PROGRAM
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
LINUX, WINDOWS = [sys.argv[1]], sys.argv[2:]
PATIENCE = 120  # seconds


def run(program: list[str], *words: str, cwd: Path) -> tuple[int, str]:
    ended = subprocess.run([*program, *words], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)
    return ended.returncode, ended.stdout


def same(name: str, linux: object, windows: object) -> None:
    if linux != windows:
        sys.exit(f"{name} differs\n-- on Linux:\n{linux}\n-- under Wine:\n{windows}")


def without_place(report: tuple[int, str]) -> tuple[int, dict]:
    """What the doctor says but for the disk, which is another thing on each system."""
    code, text = report
    document = json.loads(text)
    document.pop("location", None)
    return code, document


def exported(path: Path) -> dict:
    """An export but for when it was written and how."""
    document = json.loads(path.read_text())
    document.pop("provenance", None)
    return document


def merged(program: list[str], golden: Path, work: Path) -> tuple[int, str]:
    for part in ("1/2", "2/2"):
        run(program, "summary", golden.name, "--shard", part, "-o", str(work / f"{part[0]}.json"), cwd=GOLDEN)
    return run(program, "merge", "1.json", "2.json", "--format", "json", cwd=work)


def watched(program: list[str], golden: Path, work: Path) -> tuple[int, dict]:
    code, _ = run(
        program, "watch", golden.name, "--exit-when-finished", "--export", str(work / "out.json"), cwd=GOLDEN
    )
    return code, exported(work / "out.json")


def interrupted(program: list[str], work: Path) -> tuple[int, dict]:
    """Ctrl-C, once a run without its last batch is counted as far as it is there."""
    shutil.copytree(GOLDEN / "leaky-zero", work / "run")
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


def both(measure, *words) -> list:
    outcomes = []
    for program in (LINUX, WINDOWS):
        with tempfile.TemporaryDirectory() as work:
            outcomes.append(measure(program, *words, Path(work)))
    return outcomes


def main() -> None:
    runs = sorted(path for path in GOLDEN.iterdir() if path.is_dir())
    for golden in runs:
        name = golden.name
        for words in (["summary", name, "--format", "json"], ["summary", name]):
            same(" ".join(words), *(run(program, *words, cwd=GOLDEN) for program in (LINUX, WINDOWS)))
        words = ["doctor", name, "--deep", "--format", "json"]
        same(" ".join(words), *(without_place(run(program, *words, cwd=GOLDEN)) for program in (LINUX, WINDOWS)))
        same(f"merge {name}", *both(merged, golden))
        same(f"watch {name}", *both(watched, golden))
    same("Ctrl-C", *both(interrupted))
    print(f"{len(runs)} golden runs: summary, doctor, merge and watch are the same under Wine, and Ctrl-C exports")


if __name__ == "__main__":
    main()
