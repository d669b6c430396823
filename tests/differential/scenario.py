"""A scenario from its beginning to its end, and what must have come of it."""

from __future__ import annotations

import random
import time
from pathlib import Path

import checks
from checks import Finding
from stage import REST_WITHIN, STALL_AFTER
from steps import WEIGHTS, Steps
from watcher import Outcome, run


class Scenario(Steps):
    """All that follows from a seed. `only` are the numbers of the steps that are done, where not all are."""

    def __init__(self, seed: int, binary: Path, home: Path, only: set[int] | None = None) -> None:
        self.seed, self.only = seed, only
        self.findings: list[Finding] = []
        self.end: dict | None = None  # what end.json says
        rng = self.numbers("stage")
        super().__init__(rng, binary, home)
        self.steps = rng.randint(3, 11)
        self.starts_at, self.right_at = rng.randint(0, self.steps // 2), rng.randrange(self.steps)

    def numbers(self, what: object) -> random.Random:
        """Random numbers of their own for each step, so that a step is the same without those before it."""
        return random.Random(f"{self.seed} {what}")

    def play(self) -> list[Finding]:
        """Plays the scenario; what is wrong with what came of it."""
        self.begin(self.numbers("begin"))
        for number in range(self.steps):
            if self.is_at_odds:
                break
            if number == self.starts_at:
                self.start()
            if number == self.right_at and not self.is_right and self.manifest != "last":
                self.write_manifest(self.numbers("manifest"))
            if self.only is None or number in self.only:
                self.do(self.numbers(number))
        self.finish(self.numbers("end"))
        return self.findings

    def begin(self, rng: random.Random) -> None:
        if self.manifest == "early":
            self.write_manifest(rng)
        elif self.manifest not in ("late", "last", "none"):
            self.write_wrong_manifest(rng)

    def do(self, rng: random.Random) -> None:
        """Any step; a new batch where that cannot be done."""
        (name,) = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
        try:
            is_done = getattr(self, name)(rng)
        except FileNotFoundError:
            if not self.prunes:  # else neurotop was quicker
                raise
            is_done = False
        if not is_done and not self.is_at_odds:
            self.new_batch(rng)
        time.sleep(rng.choice([0, 0, 0.02, 0.2]))

    # --- the end of the run ---

    def finish(self, rng: random.Random) -> None:
        self.join()
        self.run.mkdir(exist_ok=True)
        if not self.is_right and self.manifest != "last":
            self.write_manifest(rng)
        self.write_the_rest(rng)
        outcome = self.last_figures(rng)
        self.notice_pruned()
        if self.leaves and self.was_held_up:
            return
        self.findings += self.checked(outcome)
        if not self.findings:
            self.check_completeness(outcome)
        if not self.findings:
            self.compare(rng, outcome)

    def write_the_rest(self, rng: random.Random) -> None:
        """The last batches, and before or after them the end."""
        end = rng.choice(["early", "late", "late" if self.leaves else "absent"])
        last = 0 if self.is_at_odds else rng.choice([1 if not self.truth.batches else 0, 1, 2])
        batches = len(self.truth.batches) + last
        self.is_verified = self.leaves and end == "late"
        if end == "early":
            self.write_end(rng, batches)
        with self.in_time(STALL_AFTER / 2):
            for _ in range(last):
                self.new_batch(rng)
        if end == "late":
            self.join()
            by_rank = None not in self.ranks and rng.random() < 0.4
            self.write_ends_of_ranks(rng, batches) if by_rank else self.write_end(rng, batches)
        if not self.is_right:  # as in a copy in alphabetical order
            with self.in_time(self.settle):
                time.sleep(rng.choice([0, 0.02, 0.1]))
                self.write_manifest(rng)

    def write_end(self, rng: random.Random, batches: int) -> None:
        self.end = {"batches": batches} if rng.random() < 0.8 or self.leaves else {}
        self.say(f"end.json: {self.end}")
        self.write_json("end.json", self.end, rng)

    def write_ends_of_ranks(self, rng: random.Random, batches: int) -> None:
        self.end = {"batches": batches}
        ranks = [rank for rank, _ in self.truth.batches]
        for rank in sorted(set(ranks)):
            name, end = rng.choice([f"rank-{rank}/end.json", f"rank-{rank}.end.json"]), {"batches": ranks.count(rank)}
            self.say(f"{name}: {end}")
            self.write_json(name, end, rng)

    def last_figures(self, rng: random.Random) -> Outcome:
        """Those with which the last process leaves."""
        if not self.is_watched():
            self.start()
        if self.leaves:
            self.join()
            outcome = self.watcher.leaves(REST_WITHIN)
            self.say(f"it left, exit code {outcome.code}")
            return outcome
        if not self.rest():
            self.findings.append(Finding("no rest", f"after {REST_WITHIN} s: {self.watcher.metrics()}"))
        if rng.random() < (0.5 if self.poll else 0.1):
            time.sleep(2.2 * self.poll if self.poll else 5.5)  # a look at everything
        outcome = self.watcher.stop()
        self.say(f"SIGINT, exit code {outcome.code}")
        return outcome

    # --- what must have come of it ---

    def checked(self, outcome: Outcome, on_disk: bool = False) -> list[Finding]:
        return checks.check(outcome, self.truth, self.priced(), on_disk)

    def check_completeness(self, outcome: Outcome) -> None:
        """A run is complete that has an end, and all that it says."""
        figures, end = outcome.figures, self.end
        batches, is_whole = figures["run"]["batches"], not checks.set_aside(figures)
        complete = end is not None and batches >= end.get("batches", 0) and is_whole
        if figures["complete"] and not complete:
            self.findings.append(Finding("complete", f"{batches} batches, end: {end}; {checks.said(figures)}"))
        if complete and not figures["complete"]:
            self.findings.append(Finding("incomplete", f"not complete: {figures.get('incomplete')}"))

    def compare(self, rng: random.Random, outcome: Outcome) -> None:
        """One who comes later, shards, and a process that goes on have the same figures."""
        if not self.prunes and any(batch.files for batch in self.truth.batches.values()):
            self.compare_with_summary(rng, outcome)
        if not self.findings and rng.random() < 0.3:
            self.truth.restarted(self.keeps != "none", saved=True)
            self.start()
            again = self.last_figures(rng)
            self.findings += [Finding(f"next process: {kind}", what) for kind, what in self.checked(again)]

    def compare_with_summary(self, rng: random.Random, outcome: Outcome) -> None:
        summary = self.command("summary", self.watched, "--format", "json", *self.counting())
        self.findings += [Finding(f"summary: {kind}", what) for kind, what in self.checked(summary, on_disk=True)]
        if self.findings:
            return
        if rng.random() < 0.4:
            self.compare_with_shards(rng, summary)
        one, other = outcome.figures, summary.figures
        is_whole = not checks.set_aside(one) and not checks.set_aside(other)
        if is_whole and checks.shown(one) == checks.shown(other):  # else some that were counted are deleted
            left_out = "account", "problems", "incomplete"
            self.findings += checks.same_reports("watch and summary", one, other, *left_out)

    def compare_with_shards(self, rng: random.Random, summary: Outcome) -> None:
        number = rng.randint(2, 4)
        parts = [f"part-{part}.json" for part in range(1, number + 1)]
        for place, part in enumerate(parts, 1):
            shard = "--shard", f"{place}/{number}", "-o", part, "--format", "json"
            self.command("summary", self.watched, *shard, *self.counting())
        rng.shuffle(parts)
        merged = self.command("merge", "--format", "json", *parts)
        if merged.figures is None:
            self.findings.append(Finding("merge", f"exit code {merged.code}: {merged.errors.strip()[-400:]}"))
            return
        # Who looks later sees an older run, perhaps a stalled one; a time in the future is taken for now.
        names = "status quiet_seconds elapsed_seconds batches_per_second samples_per_second seconds_left".split()
        of_future = "ranks", "part.run", "part.ranks"
        late = *(f"run.{name}" for name in names), *of_future * self.has_future_times
        found = checks.differences(summary.figures, merged.figures)
        if not all(each.startswith(late) for each in found):
            self.findings.append(Finding("summary and merge", "; ".join(found[:4])))

    def command(self, *arguments: object) -> Outcome:
        return run(self.binary, self.home, *arguments, "--stall-after", STALL_AFTER)
