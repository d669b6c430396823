"""What the figures of a run may be, given all that was done to its files, and what must be named.

The rules, of which docs/format.md and docs/reliability.md give the most; where they are silent, the tester takes
what a researcher would expect, and says so here ("ours"):

- A batch is its rank and its number. A whole file or directory of that name counts as it is in the end, once.
- The same batch under another name (renamed, unpacked, packed, from a rank's directory to a prefix) is the same
  batch: it counts once and nothing is named (ours).
- The same number under two names at once: either counts, and the other is named.
- A batch that is deleted after it was counted stays counted. But where no batch is left that was counted as it is,
  and the manifest has no `id`, what is there may be taken for another run, which starts at nothing. One that nobody can
  know to be counted may be missing; then it may be named, and need not be, since it may never have been seen.
- A batch cut off for good is named. If it was whole before, the figures keep what was counted then.
- A batch that changes after a restart counts as it is now; or as it was counted first, and then it is named.
- What a restart forgets: with its progress kept, nothing that was on disk for some seconds; without, what is deleted.
- With --prune every batch counts as if it had not been deleted. One that is written again, perhaps after its
  deletion, counts as it is now, or is named. Where a restart finds none that is as it was counted, it may say so (ours).
- A run that takes the place of another (another `id`; a directory created again; a link that leads elsewhere; or, at
  a restart, no batch left of those that were counted) starts at nothing: none of the batches before may be in the
  figures. If any of those was deleted by --prune, that is named, unless a link leads elsewhere.
- Modes, owners and times of files change no figures, and are no reason to name a batch (ours; but for a time that
  changes after a restart, which is a change as above).
- Whatever is not in the figures as it is on disk in the end is named, with exit code 3; and nothing is named without
  a reason.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from potentials import Content

Key = tuple[Optional[int], int]
MOST_CHOICES = 20_000
NAME = re.compile(r"(?:rank-(\d+)[/.])?batch-(\d+)(?:\.npz)?")


def key_of(path: str) -> Key | None:
    """The batch that a path in a report is about."""
    found = NAME.fullmatch(path)
    return found and (None if found[1] is None else int(found[1]), int(found[2]))


class Option(NamedTuple):
    """A way in which a batch may be in the figures; if `named`, only where it is named."""

    content: Content | None
    named: bool


@dataclass(eq=False)
class Batch:
    """What became of the batch of one rank and number."""

    files: dict[str, Content | None] = field(default_factory=dict)  # by name; none for one that is cut off
    counted: Content | None = None  # is in the figures for certain
    maybe: list[Content] = field(default_factory=list)  # was on disk, and may have been counted
    excuses: set[str] = field(default_factory=set)  # why it may be named although all seems well
    restarts: int = 0  # how many there had been when it was last written
    was_replaced: bool = False  # whether it ever held something else, which may have been counted

    def known(self) -> list[Content | None]:
        """What may be in the figures of what was there before."""
        return [self.counted] if self.counted else [*self.maybe, None]

    def options(self) -> list[Option]:
        """The ways in which it may be in the figures of a watch."""
        whole = [content for content in self.files.values() if content]
        if len(self.files) == 1 and whole:
            older = [*self.maybe, self.counted] if self.excuses else []
            return [Option(whole[0], False), *(Option(c, True) for c in older if c and c is not whole[0])]
        if self.files:
            return [Option(content, True) for content in [*whole, *self.known()]]
        return [Option(content, False) for content in self.known()]

    def options_on_disk(self) -> list[Option]:
        """The ways in which it may be in the figures of one who only sees what is there."""
        whole = [content for content in self.files.values() if content]
        if len(self.files) == 1 and whole:
            return [Option(whole[0], False)]
        return [Option(content, True) for content in whole or [None]] if self.files else [Option(None, False)]

    def may_be_named(self, options: list[Option]) -> bool:
        return bool(self.excuses) or any(option.named for option in options)


class Sums(NamedTuple):
    """The sums of a run or a rank."""

    batches: int
    samples: int
    steps: dict[str, list[int]]
    dense: dict[str, int]

    @property
    def updates(self) -> dict[str, int]:
        return {layer: sum(steps) for layer, steps in self.steps.items()}

    def brief(self) -> str:
        return f"{self.batches} batches, {self.samples} samples, updates {self.updates}, dense {self.dense}"


def sums(contents: Iterable[Content]) -> Sums:
    """Adds batches up."""
    batches = samples = 0
    steps: dict[str, list[int]] = {}
    dense: Counter[str] = Counter()
    for content in contents:
        batches += 1
        samples += content.samples
        dense.update(content.dense)
        for layer, added in content.steps.items():
            pairs = itertools.zip_longest(steps.get(layer, []), added, fillvalue=0)
            steps[layer] = [a + b for a, b in pairs]
    return Sums(batches, samples, steps, dict(dense))


class Truth:
    """The batches of a run."""

    def __init__(self) -> None:
        self.batches: dict[Key, Batch] = {}
        self.has_id = False
        self.restarts = 0
        self.prunes = False
        self.is_another = False  # whether there was a run before in its place
        self.lost = False  # whether some of the one before were counted and deleted

    # --- what happens ---

    def written(self, key: Key, name: str, content: Content | None) -> None:
        """A file of a batch is as `content` says now; none for one that is cut off."""
        batch = self.batches.setdefault(key, Batch(restarts=self.restarts))
        if batch.files or batch.counted or batch.maybe:
            self._changed(batch)
        before = [*batch.files.values(), *batch.maybe, batch.counted]
        batch.was_replaced |= any(each is not content for each in before if each)
        batch.files[name] = content
        if content:
            if batch.counted and batch.counted not in batch.maybe:
                batch.maybe.append(batch.counted)
            batch.counted = None
            batch.maybe.append(content)
        self._look_for_another_run()

    def touched(self, key: Key) -> None:
        """A file looks as if it had changed."""
        self._changed(self.batches[key])

    def _changed(self, batch: Batch) -> None:
        if batch.restarts < self.restarts:
            batch.excuses.add("changed after a restart")
        if self.prunes:
            batch.excuses.add("changed when it may have been deleted already")

    def renamed(self, key: Key, old: str, new: str) -> None:
        """A file of a batch has another name."""
        files = self.batches[key].files
        files[new] = files.pop(old)

    def deleted(self, key: Key, name: str) -> None:
        """A file of a batch is gone."""
        batch = self.batches[key]
        del batch.files[name]
        if not batch.files and not batch.counted:
            batch.excuses.add("deleted when it was perhaps not counted yet")
        if not name.endswith(".npz"):
            batch.excuses.add("deleted file by file, which may look like a change at first")
        if len({*map(id, filter(None, [*batch.files.values(), *batch.maybe, batch.counted]))}) > 1:
            batch.excuses.add("was there twice")
        self._look_for_another_run()

    def _look_for_another_run(self) -> None:
        """Where no counted batch is left as it was and no `id` tells, it may be another run that goes on."""
        if self.has_id or any(batch.files and batch.counted for batch in self.batches.values()):
            return
        for batch in self.batches.values():
            if batch.counted and not batch.files:
                batch.counted, batch.maybe = None, [batch.counted]

    def may_be_doubted(self, reason: str) -> bool:
        """Whether a restart may say that counts may be lost: it cannot know whether a batch that was written again had
        been deleted before."""
        return ".doubtful-" in reason and self.restarts > 0 and any(b.was_replaced for b in self.batches.values())

    def came_to_rest(self) -> None:
        """The figures were seen to be right: what is there is counted."""
        for batch in self.batches.values():
            options = batch.options()
            if len({id(option.content) for option in options}) == 1 and not options[0].named:
                batch.counted = options[0].content
                batch.maybe = [batch.counted] if batch.counted else []

    def restarted(self, keeps: bool, saved: bool) -> None:
        """Another process goes on; it knows what was kept."""
        self.restarts += keeps
        for batch in self.batches.values():
            versions = {*map(id, batch.maybe), *map(id, filter(None, batch.files.values()))}
            if keeps and not batch.counted and len(versions) > 1:
                batch.excuses.add("changed about the time of a restart")
            if keeps and saved:
                continue
            if keeps:
                batch.maybe = [batch.counted] if batch.counted else batch.maybe
            else:
                batch.maybe = [content for content in batch.files.values() if content]
            batch.counted = None
        self._look_for_another_run()

    def started_again(self, lost: bool) -> None:
        """Another run is in the place of this one, of which some were `lost` that were counted and deleted."""
        self.batches.clear()
        self.is_another, self.lost = True, lost

    # --- what follows ---

    def choices(self, on_disk: bool, named: set[Key] | None = None) -> Iterable[dict[Key, Option]]:
        """All ways in which the batches may be in the figures, the likeliest first; where it is known which are
        `named`, only those that are right for it."""
        by_key: dict[Key, list[Option]] = {}
        for key, batch in self.batches.items():
            options = batch.options_on_disk() if on_disk else batch.options()
            if named is not None:
                options = [option for option in options if key in named or not option.named] or options
            distinct: dict[int, Option] = {}
            for option in options:
                distinct.setdefault(id(option.content), option)
            by_key[key] = list(distinct.values())
        ways = itertools.product(*by_key.values())
        for way in itertools.islice(ways, MOST_CHOICES):
            yield dict(zip(by_key, way))

    def contents(self, way: dict[Key, Option]) -> list[Content]:
        return [option.content for option in way.values() if option.content]

    def fits(self, batches: int, samples: int, updates: int, all_is_well: bool) -> bool:
        """Whether the sums of a run can be these, also where nothing is named that need not be."""
        for way in self.choices(on_disk=False, named=set() if all_is_well else None):
            contents = self.contents(way)
            seen = (len(contents), sum(c.samples for c in contents), sum(c.updates for c in contents))
            if seen == (batches, samples, updates):
                return True
        return False

    def to_be_named(self) -> int:
        """How many batches must be named, whatever was counted."""
        return sum(all(option.named for option in batch.options()) for batch in self.batches.values())

    def guess(self, seen: tuple[int, int, int]) -> str:
        """What may have happened where the sums are not right: a batch that is lost, or counted twice."""
        way = next(iter(self.choices(on_disk=False)))
        right = sums(self.contents(way))
        base = (right.batches, right.samples, sum(right.updates.values()))
        difference = tuple(a - b for a, b in zip(seen, base))
        for key, batch in self.batches.items():
            for content in [*batch.maybe, *filter(None, batch.files.values()), batch.counted]:
                if content is None:
                    continue
                one = (1, content.samples, content.updates)
                if difference == one:
                    return f"; {show(key)} is counted twice"
                if difference == tuple(-n for n in one):
                    return f"; {show(key)} is lost"
                now = way[key].content
                if now and difference == (0, content.samples - now.samples, content.updates - now.updates):
                    return f"; {show(key)} is counted as it was before"
        return ""


def show(key: Key) -> str:
    """A batch, for people."""
    rank, number = key
    return f"batch {number}" if rank is None else f"batch {number} of rank {rank}"
