"""A random run: its manifest and batches on disk, those who write them, and neurotop that watches."""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, NamedTuple

import writers
from potentials import Content, Layer, Layout, fill, layers
from truth import Key, Truth
from watcher import Watcher

REST_WITHIN = 25  # seconds in which the figures must be right; neurotop takes six at the most, but machines are busy
LOOKS_WITHIN = 7  # seconds in which it has looked at everything
STALL_AFTER = 4  # seconds after which a run counts as stalled
HOUR, DAY = 3600, 86_400
ARCHIVES_COME = ["renamed", "renamed", "old", "future", "in place", "slowly"]
MANIFESTS = ["early", "early", "late", "last", "wrong shape", "layer lacking", "layer too many", "none"]


class Picked(NamedTuple):
    """A batch that is there: its rank and number, its name, and what it holds."""

    key: Key
    name: str
    content: Content


class Stage:
    """All that steps need to act on a run."""

    def __init__(self, rng: random.Random, binary: Path, home: Path) -> None:
        self.binary, self.home = binary, home
        self.story: list[str] = []
        self.begun = time.monotonic()
        self.truth = Truth()
        # Who writes and who watches.
        self.writing: dict[Key, threading.Thread] = {}
        self.was_held_up = False  # whether a writer was so slow that nobody could know that it goes on
        self.watcher: Watcher | None = None
        self.watchers = 0
        self.rested_at = self.begun
        self.is_at_odds = False  # whether the figures did not come to be right
        # What was written.
        self.has_new_directories = self.has_future_times = False
        self.is_verified = False  # whether what is written now is read once more before the run is over
        self.next_number = self.runs = 0
        self.set_up(rng)

    def set_up(self, rng: random.Random) -> None:
        self.layers = layers(rng)
        self.extra = Layer("unnamed", "", "", (4,)) if rng.random() < 0.15 else None  # the manifest lacks it
        self.ranks = rng.choice([[None], [None], [None], [0], [0, 1], [3, 10, 200]])
        self.manifest = rng.choice(MANIFESTS)
        self.entries = [layer.entry() for layer in self.layers]  # those of the right manifest
        self.is_right = self.manifest == "none"  # whether the manifest is as it will stay
        self.id = f"{rng.getrandbits(64):x}" if self.manifest != "none" and rng.random() < 0.5 else None
        self.truth.has_id = self.id is not None and self.manifest != "last"
        self.keeps = rng.choice(["file", "file", "default", "none"])
        self.prunes = self.truth.prunes = self.keeps != "none" and rng.random() < 0.25
        self.leaves = rng.random() < 0.5
        self.poll = rng.choice([None, None, 0.3, 0.3, 1])
        self.settle, self.threads = rng.choice([0.3, 0.6]), rng.choice([1, 2])
        self.run = self.home / "run"
        self.link = self.home / "latest" if rng.random() < 0.25 else None
        self.watched = self.link or self.run
        if self.link:
            self.link.symlink_to("run")
        if rng.random() < 0.7:
            self.run.mkdir()
        facts = [
            f"manifest {self.manifest}" + (" with an id" if self.id else ""),
            f"ranks {self.ranks}" if self.ranks != [None] else "",
            f"layers {[layer.name for layer in self.layers]}" + (" and one unnamed" if self.extra else ""),
            "watched through a link" if self.link else "",
            " ".join(self.options()),
        ]
        self.story.append("; ".join(filter(None, facts)))

    def say(self, text: str) -> None:
        """Adds to the story."""
        self.story.append(f"{time.monotonic() - self.begun:5.1f} s  {text}")

    # --- the manifest ---

    def contradicts(self) -> bool:
        """Whether the manifest keeps batches from being counted."""
        return not self.is_right and self.manifest in ("wrong shape", "layer too many")

    def write_manifest(self, rng: random.Random) -> None:
        """The right one."""
        self.is_right = True
        self.say("the right manifest.json")
        self._write_manifest(rng, self.entries)

    def write_wrong_manifest(self, rng: random.Random) -> None:
        entries = [layer.entry() for layer in self.layers]
        if self.manifest == "wrong shape":
            entries[0]["shape"] = [*entries[0]["shape"], 7]
        elif self.manifest == "layer lacking":
            entries = entries[1:]
        else:
            entries.append(Layer("never there", "Leaky", "zero", (1,)).entry())
        self.say(f"a manifest.json with {self.manifest}")
        self._write_manifest(rng, entries)

    def _write_manifest(self, rng: random.Random, entries: list[dict]) -> None:
        content = {"format": "neurotop", "version": 1, "run": "differential", "layers": entries}
        self.write_json("manifest.json", content | ({"id": self.id} if self.id else {}), rng)

    def write_json(self, name: str, content: dict, rng: random.Random) -> None:
        text, path = json.dumps(content).encode(), self.path(name)
        if rng.random() < 0.7:
            writers.renamed(path, text)
        else:
            writers.in_place(path, text, lambda: time.sleep(0.05), 2)

    def priced(self) -> list[Layer]:
        """The layers as neurotop should take them in the end."""
        if self.manifest == "none":
            names = [*(layer.name for layer in self.layers), "unnamed"]
            return [Layer(name, "Leaky", "zero", ()) for name in names]
        return [*self.layers, Layer("unnamed", None, None, ())]

    # --- batches ---

    def path(self, name: str) -> Path:
        """Where an entry of the run is; its directory is made."""
        path = self.run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def new_key(self, rng: random.Random) -> Key:
        self.next_number += rng.choice([1, 1, 1, 4])
        return rng.choice(self.ranks), self.next_number

    def name(self, rng: random.Random, key: Key, is_file: bool, other_than: str = "") -> str:
        """One of the names of a batch."""
        rank, number = key
        while True:
            name = f"batch-{number:0{rng.choice([1, 2, 4, 6])}}" + (".npz" if is_file else "")
            if rank is not None:
                name = f"rank-{rank:0{rng.choice([1, 1, 3])}}{rng.choice('/.')}{name}"
            if name != other_than:
                return name

    def content(self, rng: random.Random) -> Content:
        extra = [self.extra] if self.extra and rng.random() < 0.5 else []
        return fill(rng, Layout.random(rng, [*self.layers, *extra]))

    def pick(self, rng: random.Random, only_files: bool = False) -> Picked | None:
        """A whole batch that is there under one name and that nobody is writing."""
        there = [
            Picked(key, name, content)
            for key, batch in self.truth.batches.items()
            for name, content in batch.files.items()
            if content and len(batch.files) == 1 and key not in self.writing
        ]
        there = [picked for picked in there if picked.name.endswith(".npz") or not only_files]
        return rng.choice(sorted(there, key=lambda picked: str(picked.key))) if there else None

    def write(self, rng: random.Random, key: Key, name: str, content: Content) -> None:
        """Writes a batch in one of all ways, some of which take a while."""
        self.truth.written(key, name, content)
        write = self.write_archive if name.endswith(".npz") else self.write_directory
        how = write(rng, key, self.path(name), content)
        self.say(f"{name} written ({how}; {len(content.members)} members, {content.updates} updates)")

    def write_archive(self, rng: random.Random, key: Key, path: Path, content: Content) -> str:
        """Returns how."""
        kind = rng.choice(writers.ARCHIVES)
        data, how = (
            writers.npz(content, kind),
            rng.choice(["renamed", "renamed", "old", "future", "in place", "slowly"]),
        )
        if how == "renamed":
            writers.renamed(path, data)
        elif how == "in place":
            writers.in_place(path, data, lambda: None, 3)
        elif how == "slowly":
            seconds, pieces = rng.choice([0.02, 0.1, 0.2, 0.1 if self.leaves else 0.7]), rng.randint(2, 3)
            how = f"{pieces} pieces, {seconds} s between them"
            self.in_background(key, seconds, lambda pause: writers.in_place(path, data, pause, pieces))
        else:
            self.has_future_times |= how == "future"
            written = time.time_ns() + (HOUR if how == "future" else -DAY) * 1_000_000_000
            writers.renamed(path, data, (written, written))
        return f"{kind}, {how}"

    def write_directory(self, rng: random.Random, key: Key, path: Path, content: Content) -> str:
        """Returns how."""
        how, seconds = rng.choice(["renamed", "file by file", "mapped"]), rng.choice([0.0, 0.1, 0.2])
        if how == "renamed":
            writers.renamed_directory(path, content, lambda: time.sleep(seconds))
            return "directory, renamed"
        self.has_new_directories = True
        without_trace = self.is_verified
        if how == "mapped":
            self.in_background(key, seconds, lambda pause: writers.mapped(path, content, pause, without_trace))
        else:
            self.in_background(key, seconds, lambda pause: writers.directory(path, content, pause))
        return f"directory, {how}, pauses of {seconds} s"

    def notice_pruned(self) -> None:
        """Of several names of a batch some may have been deleted by neurotop, which counted them in turn."""
        for key, batch in self.truth.batches.items():
            if self.prunes and len(batch.files) > 1 and key not in self.writing:
                for name in [name for name in batch.files if not (self.run / name).exists()]:
                    self.truth.deleted(key, name)

    # --- who writes and who watches ---

    def in_background(self, key: Key, seconds: float, write: Callable[[writers.Pause], None]) -> None:
        """Has a batch written with pauses of so many seconds, which may turn out longer on a busy machine."""

        def play() -> None:
            last = time.monotonic()

            def pause(seconds: float = seconds) -> None:
                nonlocal last
                time.sleep(seconds)
                self.was_held_up |= time.monotonic() > last + self.settle
                last = time.monotonic()

            write(pause)
            pause(0)

        self.writing[key] = threading.Thread(target=play, daemon=True)
        self.writing[key].start()

    @contextmanager
    def in_time(self, seconds: float) -> Iterator[None]:
        """Notes whether what is done takes longer."""
        begun = time.monotonic()
        yield
        self.was_held_up |= time.monotonic() > begun + seconds

    def join(self) -> None:
        """Waits for all writers."""
        for thread in self.writing.values():
            thread.join()
        self.writing.clear()

    def options(self) -> list[str]:
        """Those of `watch`."""
        state = {"file": ["--state", "progress"], "default": [], "none": ["--state", "none"]}[self.keeps]
        poll = ["--poll", str(self.poll)] if self.poll else []
        wishes = ["--prune"] * self.prunes + ["--exit-when-finished"] * self.leaves
        return [
            *state,
            *poll,
            *wishes,
            "--threads",
            str(self.threads),
            "--stall-after",
            str(STALL_AFTER),
            *self.counting(),
        ]

    def counting(self) -> list[str]:
        """Options of everything that counts."""
        neuron = ["--neuron", "Leaky", "--reset", "zero"] if self.manifest == "none" else []
        return ["--settle", str(self.settle), *neuron]

    def start(self) -> None:
        self.watchers += 1
        self.say(f"watch starts ({self.watchers})")
        self.watcher = Watcher(self.binary, self.home, self.watchers, self.watched, *self.options())

    def is_watched(self) -> bool:
        return self.watcher is not None and self.watcher.is_running()

    def rest(self) -> bool:
        """Waits until the figures are right; whether they came to be."""
        self.join()
        if not self.watcher or self.contradicts():
            time.sleep(0.2)
            return True
        begun = time.monotonic()
        if not self.watcher.waits_until(lambda: self.figures_are_right(begun), REST_WITHIN):
            self.is_at_odds = True
            self.say(f"it does not come to rest: {self.watcher.metrics()}")
            return False
        self.has_new_directories = False
        self.truth.came_to_rest()
        self.rested_at = time.monotonic()
        return True

    def figures_are_right(self, begun: float) -> bool:
        """Whether they are, or nobody will show any more. At first nothing less than the best is good enough, since
        neurotop may not have looked yet."""
        self.notice_pruned()
        seen, is_early = self.watcher.metrics(), time.monotonic() < begun + LOOKS_WITHIN
        if seen is None:
            return not self.watcher.is_running()
        if seen["waiting"] or (is_early and seen["set_aside"] < self.truth.to_be_named()):
            return False
        return self.truth.fits(seen["counted"], seen["samples"], seen["updates"], all_is_well=is_early)
