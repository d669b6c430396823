"""A random run, what is done to its files while it is watched, and what must have come of it in the end."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
import time
from pathlib import Path
from typing import Callable

import checks
import writers
from checks import Finding
from potentials import Content, Layer, Layout, fill, layers
from truth import Batch, Key, Truth, show
from watcher import Outcome, Watcher, run

REST_WITHIN = 25  # seconds in which the figures must be right; neurotop takes six at the most, but machines are busy
LOOKS_WITHIN = 7  # seconds in which it has looked at everything
SAVED_AFTER = 3  # seconds after which what was counted is on disk
SECOND = 1_000_000_000  # nanoseconds
MANIFESTS = ["early", "early", "late", "last", "wrong shape", "layer lacking", "layer too many", "none"]
STEPS: list[tuple[int, str]] = []


def step(weight: int) -> Callable:
    """Makes a method a step that comes so often. It returns whether it could be done."""

    def register(method: Callable) -> Callable:
        STEPS.append((weight, method.__name__))
        return method

    return register


class Scenario:
    """All that follows from a seed. `only` are the numbers of the steps that are done, where not all are."""

    def __init__(self, seed: int, binary: Path, home: Path, only: set[int] | None = None) -> None:
        self.seed, self.binary, self.home, self.only = seed, binary, home, only
        self.story: list[str] = []
        self.findings: list[Finding] = []
        self.truth = Truth()
        self.begun = time.monotonic()
        self.writing: dict[Key, threading.Thread] = {}
        self.longest_pause = 0.0
        self.watcher: Watcher | None = None
        self.end: dict | None = None
        self.watchers = 0
        self.rested_at = self.begun
        self.has_new_directories = self.has_future_times = False
        self.next_number = 0
        self.runs = 0
        self.set_up(random.Random(f"{seed}"))

    # --- the run ---

    def set_up(self, rng: random.Random) -> None:
        self.steps = rng.randint(3, 11)
        self.layers = layers(rng)
        self.extra = None  # a layer that the manifest lacks
        if rng.random() < 0.15:
            self.extra = Layer("unnamed", "", "", (4,))
        self.ranks = rng.choice([[None], [None], [None], [0], [0, 1], [3, 10, 200]])
        self.manifest = rng.choice(MANIFESTS)
        self.has_id = self.manifest != "none" and rng.random() < 0.5
        self.id = f"{rng.getrandbits(64):x}" if self.has_id else None
        self.says_expected = rng.random() < 0.2
        self.truth.has_id = self.has_id and self.manifest != "last"
        self.is_right = self.manifest == "none"  # whether the manifest is as it will stay
        self.right_at = rng.randrange(self.steps)
        self.starts_at = rng.randint(0, self.steps // 2)
        self.keeps = rng.choice(["file", "file", "default", "none"])
        self.prunes = self.truth.prunes = self.keeps != "none" and rng.random() < 0.25
        self.leaves = rng.random() < 0.5
        self.poll = rng.choice([None, None, 0.3, 0.3, 1])
        self.settle = rng.choice([0.3, 0.6])
        self.threads = rng.choice([1, 2])
        self.link = self.home / "latest" if rng.random() < 0.25 else None
        self.run = self.home / "run"
        self.watched = self.link or self.run
        if self.link:
            self.link.symlink_to("run")
        if rng.random() < 0.7:
            self.run.mkdir()
        facts = [
            f"manifest {self.manifest}" + (" with an id" if self.has_id else ""),
            f"ranks {self.ranks}" if self.ranks != [None] else "",
            f"layers {[layer.name for layer in self.layers]}" + (" and one unnamed" if self.extra else ""),
            "watched through a link" if self.link else "",
            " ".join(self.options()),
        ]
        self.story.append("; ".join(filter(None, facts)))

    def options(self) -> list[str]:
        """Those of `watch`."""
        state = {"file": ["--state", "progress"], "default": [], "none": ["--state", "none"]}[self.keeps]
        options = [*state, "--threads", str(self.threads), "--settle", str(self.settle), "--stall-after", "4"]
        options += ["--poll", str(self.poll)] if self.poll else []
        options += ["--prune"] if self.prunes else []
        options += ["--exit-when-finished"] if self.leaves else []
        return [*options, *self.costs()]

    def contradicts(self) -> bool:
        """Whether the manifest keeps batches from being counted."""
        return not self.is_right and self.manifest in ("wrong shape", "layer too many")

    def costs(self) -> list[str]:
        return ["--neuron", "Leaky", "--reset", "zero"] if self.manifest == "none" else []

    def priced(self) -> list[Layer]:
        """The layers as neurotop should take them in the end."""
        if self.manifest == "none":
            known = [Layer(layer.name, "Leaky", "zero", layer.shape) for layer in [*self.layers, Layer("unnamed", "", "", ())]]
            return known
        return [*self.layers, Layer("unnamed", None, None, ())]  # type: ignore[arg-type]

    def say(self, text: str) -> bool:
        self.story.append(f"{time.monotonic() - self.begun:5.1f} s  {text}")
        return True

    def write_json(self, name: str, content: dict, rng: random.Random) -> None:
        self.run.mkdir(exist_ok=True)
        text = json.dumps(content).encode()
        if rng.random() < 0.7:
            writers.renamed(self.run / name, text)
        else:
            writers.in_place(self.run / name, text, lambda: time.sleep(0.05), 2)

    def write_manifest(self, rng: random.Random, is_right: bool = True) -> None:
        entries = [layer.entry() for layer in self.layers]
        if is_right:
            self.is_right = True
        elif self.manifest == "wrong shape":
            entries[0]["shape"] = [*entries[0]["shape"], 7]
        elif self.manifest == "layer lacking":
            entries = entries[1:]
        else:
            entries.append(Layer("never there", "Leaky", "zero", (1,)).entry())
        content = {"format": "neurotop", "version": 1, "run": "differential", "layers": entries}
        if self.id:
            content["id"] = self.id
        self.say("the right manifest.json" if is_right else f"a manifest.json with {self.manifest}")
        self.write_json("manifest.json", content, rng)

    def name(self, rng: random.Random, key: Key, is_file: bool, other_than: str = "") -> str:
        """One of the names of a batch."""
        rank, number = key
        while True:
            name = f"batch-{number:0{rng.choice([1, 2, 4, 6])}}" + (".npz" if is_file else "")
            if rank is not None:
                name = f"rank-{rank:0{rng.choice([1, 1, 3])}}{rng.choice('/.')}{name}"
            if name != other_than:
                return name

    def path(self, name: str) -> Path:
        """Where a batch is; the directory of its rank is made."""
        path = self.run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def content(self, rng: random.Random) -> Content:
        extra = [self.extra] if self.extra and rng.random() < 0.5 else []
        return fill(rng, Layout.random(rng, [*self.layers, *extra]))

    def pick(self, rng: random.Random, suits: Callable[[Batch], bool] = lambda _: True) -> Key | None:
        """A batch that is there under one name and that nobody is writing."""
        keys = [
            key
            for key, batch in self.truth.batches.items()
            if key not in self.writing and len(batch.files) == 1 and all(batch.files.values()) and suits(batch)
        ]
        return rng.choice(sorted(keys, key=str)) if keys else None

    # --- who writes and who watches ---

    def pause(self, seconds: float) -> None:
        """Sleeps, and notes how long that really was."""
        begun = time.monotonic()
        time.sleep(seconds)
        self.longest_pause = max(self.longest_pause, time.monotonic() - begun)

    def in_background(self, key: Key, write: Callable[[], None]) -> None:
        thread = threading.Thread(target=write, daemon=True)
        self.writing[key] = thread
        thread.start()

    def join(self) -> None:
        """Waits for all writers."""
        for thread in self.writing.values():
            thread.join()
        self.writing.clear()

    def start(self) -> None:
        self.watchers += 1
        self.say(f"watch starts ({self.watchers})")
        self.watcher = Watcher(self.binary, self.home, self.watchers, self.watched, *self.options())

    def rest(self, seconds: float = REST_WITHIN) -> bool:
        """Waits until the figures are right, if they come to be."""
        self.join()
        if not self.watcher or self.contradicts():
            time.sleep(0.2)
            return True

        begun = time.monotonic()

        def is_right() -> bool:
            self.notice_pruned()
            seen = self.watcher.metrics()
            if seen is None:
                return not self.watcher.is_running()
            sums, all_is_well = (seen["counted"], seen["samples"], seen["updates"]), time.monotonic() < begun + LOOKS_WITHIN
            return seen["waiting"] == 0 and self.truth.fits(*sums, all_is_well)

        if not self.watcher.waits_until(is_right, seconds):
            self.say(f"it does not come to rest: {self.watcher.metrics()}")
            return False
        self.has_new_directories = False
        self.truth.came_to_rest()
        self.rested_at = time.monotonic()
        return True

    def notice_pruned(self) -> None:
        """Of several names of a batch some may have been deleted by neurotop, which counted them in turn."""
        if self.prunes:
            for key, batch in self.truth.batches.items():
                gone = [name for name in batch.files if not (self.run / name).exists()]
                if len(batch.files) > 1 and key not in self.writing:
                    for name in gone:
                        self.truth.deleted(key, name)

    def write(self, rng: random.Random, key: Key, name: str, content: Content) -> None:
        """Writes a batch in one of all ways, some of which take a while."""
        path, layout = self.path(name), f"{len(content.members)} members, {content.updates} updates"
        self.truth.written(key, name, content)
        if name.endswith(".npz"):
            kind = rng.choice(writers.ARCHIVES)
            data, how = writers.npz(content, kind), rng.choice(["renamed", "renamed", "old", "future", "in place", "slowly"])
            if how in ("old", "future"):
                self.has_future_times |= how == "future"
                time_ns = time.time_ns() + (3600 if how == "future" else -100_000) * SECOND
                writers.renamed(path, data, (time_ns, time_ns))
            elif how == "renamed":
                writers.renamed(path, data)
            elif how == "in place":
                writers.in_place(path, data, lambda: None, 3)
            else:
                seconds, pieces = rng.choice([0.02, 0.1, 0.2, 0.7]), rng.randint(2, 3)
                if seconds > 0.5 and self.leaves:
                    seconds = 0.1
                how += f", {pieces} pieces with {seconds} s between"
                self.in_background(key, lambda: writers.in_place(path, data, lambda: self.pause(seconds), pieces))
        else:
            kind, how, seconds = "directory", rng.choice(["renamed", "file by file", "mapped"]), rng.choice([0.0, 0.1, 0.2])
            make = {"renamed": writers.renamed_directory, "file by file": writers.directory, "mapped": writers.mapped}[how]
            how += f", pauses of {seconds} s"
            if how.startswith("renamed"):
                make(path, content, lambda: time.sleep(seconds))
            else:
                self.has_new_directories = True
                self.in_background(key, lambda: make(path, content, lambda: self.pause(seconds)))
        self.say(f"{name} written ({kind}, {how}; {layout})")

    # --- steps ---

    @step(7)
    def new_batch(self, rng: random.Random) -> bool:
        self.next_number += rng.choice([1, 1, 1, 4])
        key = rng.choice(self.ranks), self.next_number
        self.write(rng, key, self.name(rng, key, rng.random() < 0.7), self.content(rng))
        return True

    @step(2)
    def burst(self, rng: random.Random) -> bool:
        return all([self.new_batch(rng) for _ in range(rng.randint(2, 4))])

    @step(3)
    def rewrite(self, rng: random.Random) -> bool:
        key = self.pick(rng)
        if key is None:
            return False
        (name,) = self.truth.batches[key].files
        if name.endswith(".npz"):
            self.write(rng, key, name, self.content(rng))
            return True
        old = self.truth.batches[key].files[name]
        content = fill(rng, old.layout)  # the members have the same names
        self.write(rng, key, name, content)
        return True

    @step(2)
    def overwrite(self, rng: random.Random) -> bool:
        """Same length, and often the same time."""
        key = self.pick(rng, lambda batch: all(name.endswith(".npz") for name in batch.files))
        if key is None:
            return False
        ((name, old),) = self.truth.batches[key].files.items()
        content, keeps_time = fill(rng, old.layout), rng.random() < 0.5
        data, path = writers.npz(content, "stored"), self.path(name)
        if not path.exists() or path.stat().st_size != len(data):
            return False
        try:
            if rng.random() < 0.5:
                writers.overwritten(path, data, keeps_time)
                how = "in place"
            else:
                times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
                writers.renamed(path, data, times if keeps_time else None)
                how = "renamed"
        except FileNotFoundError:  # pruned meanwhile
            return False
        self.truth.written(key, name, content)
        return self.say(f"{name} overwritten with as many bytes, {how}, {'same' if keeps_time else 'new'} time")

    @step(1)
    def touch(self, rng: random.Random) -> bool:
        key = self.pick(rng)
        if key is None:
            return False
        (name,) = self.truth.batches[key].files
        try:
            if rng.random() < 0.5:
                os.utime(self.path(name), ns=(time.time_ns(),) * 2)
                self.truth.touched(key)
                return self.say(f"{name} touched")
            os.chmod(self.path(name), 0o755 if self.path(name).is_dir() else rng.choice([0o600, 0o640]))
        except FileNotFoundError:
            return False
        return self.say(f"mode of {name} changed")

    @step(2)
    def rename(self, rng: random.Random) -> bool:
        key = self.pick(rng)
        if key is None:
            return False
        (old,) = self.truth.batches[key].files
        new = self.name(rng, key, old.endswith(".npz"), old)
        if not self.path(old).exists():
            return False
        try:
            self.path(old).rename(self.path(new))
        except FileNotFoundError:
            return False
        self.truth.renamed(key, old, new)
        return self.say(f"{old} renamed to {new}")

    @step(2)
    def repack(self, rng: random.Random) -> bool:
        """An archive is unpacked to a directory, or the other way round."""
        key = self.pick(rng)
        if key is None:
            return False
        ((old, content),) = self.truth.batches[key].files.items()
        new = self.name(rng, key, not old.endswith(".npz"))
        self.truth.written(key, new, content)
        if new.endswith(".npz"):
            writers.renamed(self.path(new), writers.npz(content, "deflated"))
        else:
            writers.renamed_directory(self.path(new), content, lambda: None)
        time.sleep(rng.choice([0, 0.02, 0.4]))
        writers.remove(self.path(old))
        self.truth.deleted(key, old)
        return self.say(f"{old} repacked as {new}")

    @step(2)
    def twin(self, rng: random.Random) -> bool:
        key = self.pick(rng)
        if key is None:
            return False
        (old,) = self.truth.batches[key].files
        name = self.name(rng, key, rng.random() < 0.7, old)
        self.say(f"as a twin of {old}:")
        self.write(rng, key, name, self.content(rng))
        return True

    @step(2)
    def untwin(self, rng: random.Random) -> bool:
        """One of two of a number is deleted."""
        keys = [key for key, batch in self.truth.batches.items() if len(batch.files) > 1 and key not in self.writing]
        if not keys:
            return False
        key = rng.choice(sorted(keys, key=str))
        name = rng.choice(sorted(self.truth.batches[key].files))
        writers.remove(self.path(name))
        self.truth.deleted(key, name)
        return self.say(f"{name} deleted, of which there were two")

    @step(2)
    def delete(self, rng: random.Random) -> bool:
        if self.contradicts():
            return False
        if rng.random() < 0.6 and not self.rest():
            return True
        key = self.pick(rng)
        if key is None:
            return False
        (name,) = self.truth.batches[key].files
        writers.remove(self.path(name))
        self.truth.deleted(key, name)
        return self.say(f"{name} deleted{'' if self.truth.batches[key].counted else ', perhaps before it was counted'}")

    @step(1)
    def cut(self, rng: random.Random) -> bool:
        """A writer is killed in the middle of a batch, of a new one or of one that was there."""
        key = self.pick(rng, lambda batch: all(name.endswith(".npz") for name in batch.files))
        if key is None or rng.random() < 0.5:
            self.next_number += 1
            key = rng.choice(self.ranks), self.next_number
            name = self.name(rng, key, True)
        else:
            (name,) = self.truth.batches[key].files
        data = writers.npz(self.content(rng), "stored")
        self.path(name).write_bytes(data[: rng.randrange(len(data) - 22)])
        self.truth.written(key, name, None)
        return self.say(f"{name} cut off for good")

    @step(3)
    def restart(self, rng: random.Random) -> bool:
        """Neurotop is killed, or leaves, and another goes on."""
        if not self.watcher or not self.watcher.is_running():
            return False
        if self.keeps != "none" and (self.has_new_directories or self.contradicts()):
            # What was counted of a half-filled directory would rightly be named after the restart.
            if not self.rest():
                return True
        self.end_watcher(rng)
        time.sleep(rng.choice([0, 0, 0.3]))
        if rng.random() < 0.3:
            self.new_batch(rng)
        self.start()
        return True

    def end_watcher(self, rng: random.Random) -> None:
        is_killed = rng.random() < 0.7
        saved = not is_killed
        if is_killed:
            if rng.random() < 0.4:
                time.sleep(max(0.0, self.rested_at + SAVED_AFTER - time.monotonic()))
            saved = time.monotonic() >= self.rested_at + SAVED_AFTER
            self.watcher.kill()
        else:
            self.watcher.stop()
        self.say("SIGKILL" if is_killed else "SIGINT")
        self.truth.restarted(self.keeps != "none", saved)

    @step(1)
    def rerun(self, rng: random.Random) -> bool:
        """Another run takes the place of this one."""
        if self.contradicts() or self.runs > 1:
            return False
        self.join()
        ways = ["created again"]
        has_id = self.id and self.manifest != "last"
        ways += ["a new id"] if has_id else []
        ways += ["the link leads elsewhere"] * 2 if self.link else []
        if self.keeps != "none" and not self.prunes and self.watcher and self.truth.batches and not has_id:
            ways += ["nothing left at a restart"] * 2
        way = rng.choice(ways)
        self.say(f"another run: {way}")
        self.runs += 1
        if self.id:
            self.id = f"{rng.getrandbits(64):x}"
        if rng.random() < 0.7:
            self.next_number = 0
        stops = way == "nothing left at a restart"
        if stops:
            self.end_watcher(rng)
        self.truth.started_again()
        if way == "the link leads elsewhere":
            self.run = self.home / f"run-{self.runs}"
            self.fill_anew(rng)
            other = self.home / "other-link"
            other.symlink_to(self.run.name)
            other.rename(self.link)
            return True
        if way == "created again":
            shutil.rmtree(self.run, ignore_errors=True)
        elif self.run.exists():
            for entry in sorted(self.run.iterdir()):
                if not entry.name.startswith("."):
                    writers.remove(entry)
        self.fill_anew(rng)
        if stops:
            self.join()
            self.start()
        return True

    def fill_anew(self, rng: random.Random) -> None:
        self.run.mkdir(parents=True, exist_ok=True)
        if self.manifest not in ("none", "last"):
            self.write_manifest(rng)
        for _ in range(rng.randint(1, 3)):
            self.new_batch(rng)

    @step(2)
    def wait(self, rng: random.Random) -> bool:
        seconds = rng.choice([0.05, 0.2, 0.5, 1.0])
        time.sleep(seconds)
        return self.say(f"{seconds} s later")

    @step(4)
    def settle_down(self, rng: random.Random) -> bool:
        self.is_at_odds = not self.rest()
        return self.say("all is counted") if not self.is_at_odds else True

    # --- all of it ---

    def play(self) -> list[Finding]:
        """Plays the scenario; what is wrong with what came of it."""
        rng, weights = random.Random(f"{self.seed}.0"), [weight for weight, _ in STEPS]
        if self.manifest == "early":
            self.write_manifest(rng)
        elif self.manifest not in ("late", "last", "none"):
            self.write_manifest(rng, is_right=False)
        self.is_at_odds = False
        for number in range(self.steps):
            rng = random.Random(f"{self.seed}.{number + 1}")
            if number == self.starts_at:
                self.start()
            if number == self.right_at and not self.is_right and self.manifest != "last":
                self.write_manifest(rng)
            _, name = rng.choices(STEPS, weights)[0]
            if self.only is not None and number not in self.only:
                continue
            if not getattr(self, name)(rng):
                self.new_batch(rng)
            time.sleep(rng.choice([0, 0, 0.02, 0.2]))
            if self.is_at_odds:
                break
        self.finish(random.Random(f"{self.seed}.end"))
        if self.watcher and self.watcher.is_running():
            self.watcher.kill()
        return self.findings

    def finish(self, rng: random.Random) -> None:
        self.join()
        if not self.is_right and self.manifest != "last":
            self.write_manifest(rng)
        if self.manifest in ("last", "none"):
            self.run.mkdir(exist_ok=True)
        end = rng.choice(["early", "late", "late", "absent"]) if not self.leaves else rng.choice(["early", "late"])
        if self.is_at_odds:
            end = "late"
        last = rng.randint(1, 2) if not self.is_at_odds and (rng.random() < 0.6 or not self.truth.batches) else 0
        batches = len(self.truth.batches) + last
        if end == "early":
            self.write_end(batches, rng, False)
        for _ in range(last):
            self.new_batch(rng)
        if end == "late":
            self.join()
            self.write_end(batches, rng, by_rank=None not in self.ranks and rng.random() < 0.4)
        if not self.is_right:  # as in a copy in alphabetical order
            time.sleep(rng.choice([0, 0.02, 0.1]))
            self.write_manifest(rng)
        outcome = self.last_figures(rng)
        self.notice_pruned()
        if self.leaves and self.longest_pause > self.settle:
            return  # a writer was held up for so long that nobody could know that it goes on
        self.findings += checks.check(outcome, self.truth, self.priced())
        if not self.findings:
            self.check_completeness(outcome)
        if not self.findings:
            self.compare(rng, outcome)

    def write_end(self, batches: int, rng: random.Random, by_rank: bool) -> None:
        self.end = {"batches": batches} if rng.random() < 0.8 or self.leaves else {}
        if not by_rank:
            self.say(f"end.json: {self.end}")
            return self.write_json("end.json", self.end, rng)
        ranks = [rank for rank, _ in self.truth.batches]
        for rank in sorted(set(ranks)):
            name = rng.choice([f"rank-{rank}/end.json", f"rank-{rank}.end.json"])
            end = {"batches": ranks.count(rank)}
            self.say(f"{name}: {end}")
            self.path(name)
            self.write_json(name, end, rng)

    def last_figures(self, rng: random.Random) -> Outcome:
        """Those with which the last process leaves."""
        if not self.watcher or not self.watcher.is_running():
            self.start()
        if self.leaves:
            self.join()
            outcome = self.watcher.leaves(REST_WITHIN)
            self.say(f"it left, exit code {outcome.code}")
            return outcome
        self.rest() or self.findings.append(Finding("no rest", f"after {REST_WITHIN} s: {self.watcher.metrics()}"))
        if rng.random() < (0.5 if self.poll else 0.1):
            time.sleep(2.2 * self.poll if self.poll else 5.5)  # a look at everything
        outcome = self.watcher.stop()
        self.say(f"SIGINT, exit code {outcome.code}")
        return outcome

    def check_completeness(self, outcome: Outcome) -> None:
        """A run is complete that has an end, and all that it says."""
        figures, end = outcome.figures, self.end
        counted = figures["run"]["batches"]
        complete = end is not None and counted >= end.get("batches", 0) and not checks.set_aside(figures)
        if figures["complete"] and not complete:
            self.findings.append(Finding("complete", f"{counted} batches, end: {end}; {checks.said(figures)}"))
        if complete and not figures["complete"]:
            self.findings.append(Finding("incomplete", f"not complete: {figures.get('incomplete')}"))

    def compare(self, rng: random.Random, outcome: Outcome) -> None:
        """One who comes later, shards, and a process that goes on have the same figures."""
        if not self.prunes and any(batch.files for batch in self.truth.batches.values()):
            summary = self.command("summary", self.watched, "--format", "json")
            self.findings += [Finding(f"summary: {kind}", what) for kind, what in self.checked(summary, on_disk=True)]
            if not self.findings and rng.random() < 0.4:
                self.compare_shards(rng, summary)
            quiet = not checks.set_aside(outcome.figures) and not checks.set_aside(summary.figures or {"problems": []})
            same = quiet and not self.findings and checks.shown(outcome.figures) == checks.shown(summary.figures)
            if same:
                left_out = "account", "problems", "incomplete"
                self.findings += checks.same_reports("watch and summary", outcome.figures, summary.figures, *left_out)
        if not self.findings and rng.random() < 0.3:
            self.truth.restarted(self.keeps != "none", saved=True)
            self.start()
            again = self.last_figures(rng)
            self.findings += [Finding(f"next process: {kind}", what) for kind, what in self.checked(again)]

    def checked(self, outcome: Outcome, on_disk: bool = False) -> list[Finding]:
        return checks.check(outcome, self.truth, self.priced(), on_disk)

    def command(self, *arguments: object) -> Outcome:
        settle = [] if arguments[0] == "merge" else ["--settle", self.settle, *self.costs()]
        return run(self.binary, self.home, *arguments, *settle, "--stall-after", 4)

    def compare_shards(self, rng: random.Random, summary: Outcome) -> None:
        number = rng.randint(2, 4)
        parts = [f"part-{part}.json" for part in range(1, number + 1)]
        for place, part in enumerate(parts, 1):
            self.command("summary", self.watched, "--shard", f"{place}/{number}", "-o", part, "--format", "json")
        rng.shuffle(parts)
        merged = self.command("merge", "--format", "json", *parts)
        if merged.figures is None:
            self.findings.append(Finding("merge", f"exit code {merged.code}: {merged.errors.strip()[-400:]}"))
        elif merged.text != summary.text and (found := checks.differences(summary.figures, merged.figures)):
            # A time in the future is taken for now, which comes later for who looks later.
            late = "run.status", *(("ranks",) if self.has_future_times else ())
            if not all(each.startswith(late) for each in found):
                self.findings.append(Finding("summary and merge", "; ".join(found[:4])))
