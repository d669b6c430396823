"""Plays random scenarios against neurotop and holds its figures against NumPy's.

Each seed is a run of random layers and batches, and things that happen to its files and to neurotop while it is
watched: rewrites, renames, cuts, twins, deletions, kills, other runs in its place. What must come of it is in
truth.py. A finding is printed with its seed and the story of the scenario.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from checks import Finding
from scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]


class Task(NamedTuple):
    """A scenario to be played: its seed, which of its steps (all where none is said), and whether to keep its files."""

    seed: int
    binary: Path
    keeps: bool
    only: set[int] | None = None


class Played(NamedTuple):
    """What came of a scenario."""

    seed: int
    findings: list[Finding]
    story: list[str]
    steps: int
    seconds: float


def play(task: Task) -> Played:
    """Plays one scenario in a directory of its own."""
    begun, home = time.monotonic(), Path(tempfile.mkdtemp(prefix=f"differential-{task.seed}-"))
    scenario = None
    try:
        scenario = Scenario(task.seed, task.binary, home, task.only)
        findings = scenario.play()
    except Exception:
        findings = [Finding("the tester itself", traceback.format_exc())]
    finally:
        if scenario and scenario.watcher and scenario.watcher.is_running():
            scenario.watcher.kill()
        if not task.keeps:
            shutil.rmtree(home, ignore_errors=True)
    story = scenario.story if scenario else []
    if task.keeps:
        story.append(f"its files are in {home}")
    return Played(task.seed, findings, story, scenario.steps if scenario else 0, time.monotonic() - begun)


def shrunk(task: Task, first: Played) -> tuple[Played, set[int]]:
    """Leaves out steps as long as a finding of the same kind remains."""
    kinds, smallest, steps = {finding.kind for finding in first.findings}, first, set(range(first.steps))
    for left_out in sorted(steps, reverse=True):
        tried = play(task._replace(only=steps - {left_out}))
        if kinds & {finding.kind for finding in tried.findings}:
            smallest, steps = tried, steps - {left_out}
    return smallest, steps


def told(played: Played, steps: set[int] | None = None) -> str:
    """The findings of a scenario, and its story."""
    lines = [f"seed {played.seed}: {kind}: {what}" for kind, what in played.findings]
    lines += [f"    {line}" for line in played.story]
    if steps is not None:
        lines.append(
            f"    play it again with --seeds {played.seed} --only {','.join(map(str, sorted(steps))) or 'none'}"
        )
    return "\n".join(lines)


def seeds(options: argparse.Namespace) -> Iterator[int]:
    """The seeds that are asked for, or as many as there is time for."""
    first, _, last = options.seeds.partition("..")
    end = time.monotonic() + 60 * options.minutes if options.minutes else None
    seed = int(first)
    stop = int(last) if last else (None if options.minutes else seed)
    while (stop is None or seed <= stop) and (end is None or time.monotonic() < end):
        yield seed
        seed += 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1", metavar="A..B", help="these seeds; A alone with --minutes: from A on")
    parser.add_argument("--minutes", type=float, help="begin no scenario after so many minutes")
    parser.add_argument("--jobs", type=int, default=4, help="scenarios at a time; they sleep most of the time")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/neurotop")
    parser.add_argument("--only", help="the numbers of the steps to be done, of one seed")
    parser.add_argument(
        "--again",
        action="store_true",
        help="play a scenario with findings once more; what is not found again is told, and fails nothing",
    )
    parser.add_argument("--shrink", action="store_true", help="look for the shortest story of each finding")
    parser.add_argument("--keep", action="store_true", help="keep the files of scenarios with findings")
    parser.add_argument("-v", action="store_true", help="tell every scenario")
    return parser.parse_args()


def main() -> int | str:
    options = arguments()
    binary = options.binary.resolve()
    if not os.access(binary, os.X_OK):
        return f"{binary} is not there; build it, or name another with --binary"
    only = None if options.only is None else {int(n) for n in options.only.split(",") if n.isdigit()}
    tasks = (Task(seed, binary, options.keep, only) for seed in seeds(options))
    passed, failed, once, kinds = 0, 0, 0, Counter()
    with multiprocessing.Pool(options.jobs) as pool:
        for played in in_turn(pool, tasks, options.jobs):
            if played.findings and options.again:
                again = play(Task(played.seed, binary, options.keep, only))
                if not again.findings:
                    print(told(played), "\n    not found again", flush=True)
                    passed, once = passed + 1, once + 1
                    continue
            steps = None
            if played.findings and options.shrink:
                played, steps = shrunk(Task(played.seed, binary, options.keep), played)
            passed, failed = passed + (not played.findings), failed + bool(played.findings)
            kinds.update({finding.kind for finding in played.findings})
            if played.findings or options.v:
                print(told(played, steps), f"\n    {played.seconds:.1f} s", flush=True)
    for kind, count in kinds.most_common():
        print(f"{count} × {kind}")
    if once:
        print(f"{once} × something that was not found again: the machine may have been too busy")
    print(f"{passed} passed, {failed} failed")
    return bool(failed)


def in_turn(pool: multiprocessing.pool.Pool, tasks: Iterator[Task], jobs: int) -> Iterator[Played]:
    """Plays so many tasks at a time, and takes no new one before there is room: the time may be up by then."""
    running: list[multiprocessing.pool.AsyncResult] = []
    for task in tasks:
        running.append(pool.apply_async(play, (task,)))
        while len(running) >= jobs:
            yield from ended(running)
    while running:
        yield from ended(running)


def ended(running: list[multiprocessing.pool.AsyncResult]) -> Iterator[Played]:
    """Those that have ended, after a moment."""
    time.sleep(0.02)
    for result in [each for each in running if each.ready()]:
        running.remove(result)
        yield result.get()


if __name__ == "__main__":
    sys.exit(main())
