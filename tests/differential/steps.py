"""What may happen to a run while it is watched. Each step returns whether it could be done."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from typing import Callable

import writers
from potentials import fill
from stage import Stage

SAVED_AFTER = 3  # seconds after which what was counted is on disk
WEIGHTS: dict[str, int] = {}


def step(weight: int) -> Callable:
    """Makes a method a step that comes so often."""

    def register(method: Callable) -> Callable:
        WEIGHTS[method.__name__] = weight
        return method

    return register


class Steps(Stage):
    """A stage, and what happens on it."""

    # --- batches ---

    @step(7)
    def new_batch(self, rng: random.Random) -> bool:
        key = self.new_key(rng)
        self.write(rng, key, self.name(rng, key, rng.random() < 0.7), self.content(rng))
        return True

    @step(2)
    def burst(self, rng: random.Random) -> bool:
        return all([self.new_batch(rng) for _ in range(rng.randint(2, 4))])

    @step(3)
    def rewrite(self, rng: random.Random) -> bool:
        if not (picked := self.pick(rng)):
            return False
        # In a directory, members of other names would be left from the one before.
        is_file = picked.name.endswith(".npz")
        content = self.content(rng) if is_file else fill(rng, picked.content.layout)
        self.write(rng, picked.key, picked.name, content)
        return True

    @step(2)
    def overwrite(self, rng: random.Random) -> bool:
        """With a file of the same length, and often of the same time."""
        if not (picked := self.pick(rng, only_files=True)):
            return False
        content, path = fill(rng, picked.content.layout), self.path(picked.name)
        data, before = writers.npz(content, "stored"), path.stat()
        is_in_place, keeps_time = rng.random() < 0.5, rng.random() < 0.5
        if before.st_size != len(data):
            return False
        if is_in_place:
            writers.overwritten(path, data, keeps_time)
        else:
            writers.renamed(path, data, (before.st_atime_ns, before.st_mtime_ns) if keeps_time else None)
        self.truth.written(picked.key, picked.name, content)
        how = f"{'in place' if is_in_place else 'renamed'}, {'same' if keeps_time else 'new'} time"
        self.say(f"{picked.name} overwritten with as many bytes ({how}; {content.updates} updates)")
        return True

    @step(1)
    def touch(self, rng: random.Random) -> bool:
        """Another time, or another mode."""
        if not (picked := self.pick(rng)):
            return False
        path = self.path(picked.name)
        if rng.random() < 0.5:
            os.utime(path)
            self.truth.touched(picked.key)
            self.say(f"{picked.name} touched")
        else:
            os.chmod(path, 0o750 if path.is_dir() else rng.choice([0o600, 0o640]))
            self.say(f"mode of {picked.name} changed")
        return True

    @step(2)
    def rename(self, rng: random.Random) -> bool:
        if not (picked := self.pick(rng)):
            return False
        new = self.name(rng, picked.key, picked.name.endswith(".npz"), picked.name)
        self.path(picked.name).rename(self.path(new))
        self.truth.renamed(picked.key, picked.name, new)
        self.say(f"{picked.name} renamed to {new}")
        return True

    @step(2)
    def repack(self, rng: random.Random) -> bool:
        """An archive is unpacked to a directory, or the other way round."""
        if not (picked := self.pick(rng)):
            return False
        new = self.name(rng, picked.key, not picked.name.endswith(".npz"))
        self.truth.written(picked.key, new, picked.content)
        if new.endswith(".npz"):
            writers.renamed(self.path(new), writers.npz(picked.content, "deflated"))
        else:
            writers.renamed_directory(self.path(new), picked.content, lambda: None)
        time.sleep(rng.choice([0, 0.02, 0.4]))
        writers.remove(self.path(picked.name))
        self.truth.deleted(picked.key, picked.name)
        self.say(f"{picked.name} repacked as {new}")
        return True

    @step(2)
    def twin(self, rng: random.Random) -> bool:
        """Another batch of the same number."""
        if not (picked := self.pick(rng)):
            return False
        self.say(f"as a twin of {picked.name}:")
        name = self.name(rng, picked.key, rng.random() < 0.7, picked.name)
        self.write(rng, picked.key, name, self.content(rng))
        return True

    @step(2)
    def untwin(self, rng: random.Random) -> bool:
        """One of two of a number is deleted."""
        batches = self.truth.batches.items()
        pairs = [(key, name) for key, batch in batches if len(batch.files) > 1 for name in batch.files]
        pairs = [(key, name) for key, name in pairs if key not in self.writing]
        if not pairs:
            return False
        key, name = rng.choice(sorted(pairs, key=str))
        writers.remove(self.path(name))
        self.truth.deleted(key, name)
        self.say(f"{name} deleted, of which there were two")
        return True

    @step(2)
    def delete(self, rng: random.Random) -> bool:
        """Mostly after it was counted."""
        if self.contradicts() or (rng.random() < 0.6 and not self.rest()):
            return False
        if not (picked := self.pick(rng)):
            return False
        is_counted = self.truth.batches[picked.key].counted
        writers.remove(self.path(picked.name))
        self.truth.deleted(picked.key, picked.name)
        self.say(f"{picked.name} deleted{'' if is_counted else ', perhaps before it was counted'}")
        return True

    @step(1)
    def cut(self, rng: random.Random) -> bool:
        """A writer is killed in the middle of a batch, of a new one or of one that was there."""
        picked = self.pick(rng, only_files=True) if rng.random() < 0.5 else None
        key = picked.key if picked else self.new_key(rng)
        name = picked.name if picked else self.name(rng, key, True)
        data = writers.npz(self.content(rng), "stored")
        self.path(name).write_bytes(data[: rng.randrange(len(data) - 22)])
        self.truth.written(key, name, None)
        self.say(f"{name} cut off for good")
        return True

    # --- directories and manifests ---

    @step(1)
    def remove_rank(self, rng: random.Random) -> bool:
        """The directory of a rank is deleted."""
        if self.contradicts() or not self.rest():
            return False
        there = [(key, name) for key, batch in self.truth.batches.items() for name in batch.files if "/" in name]
        folders = sorted({name.partition("/")[0] for _, name in there})
        if not folders:
            return False
        folder = rng.choice(folders)
        shutil.rmtree(self.run / folder, ignore_errors=True)
        for key, name in there:
            if name.startswith(f"{folder}/"):
                self.truth.deleted(key, name)
        self.say(f"{folder} deleted")
        return True

    @step(1)
    def away(self, rng: random.Random) -> bool:
        """The directory is not there for a while, as if a disk were not mounted."""
        if not self.run.exists() or self.link:
            return False
        self.join()
        seconds, leaves_empty = rng.choice([0.1, 0.5, 1.2]), rng.random() < 0.3
        moved = self.run.rename(self.home / "away")
        if leaves_empty:
            self.run.mkdir()
        time.sleep(seconds)
        if leaves_empty:
            self.run.rmdir()
        moved.rename(self.run)
        self.say(f"the directory was away for {seconds} s" + ", an empty one in its place" * leaves_empty)
        return True

    @step(1)
    def manifest_again(self, rng: random.Random) -> bool:
        """The manifest is written again, perhaps without a shape, which changes nothing."""
        if not self.is_right or self.manifest == "none":
            return False
        if rng.random() < 0.3:
            rng.choice(self.entries).pop("shape", None)
        self.write_manifest(rng)
        return True

    # --- neurotop ---

    @step(3)
    def restart(self, rng: random.Random) -> bool:
        """Neurotop is killed, or leaves, and another goes on."""
        if not self.is_watched():
            return False
        # What was counted of a half-filled directory would rightly be named after the restart.
        needs_rest = self.keeps != "none" and (self.has_new_directories or self.contradicts())
        if needs_rest and not self.rest():
            return False
        self.end_watcher(rng)
        time.sleep(rng.choice([0, 0, 0.3]))
        if rng.random() < 0.3:
            self.new_batch(rng)
        self.start()
        return True

    def end_watcher(self, rng: random.Random) -> None:
        is_saved = is_told = rng.random() < 0.3
        if is_told:
            self.watcher.stop(rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
        else:
            if rng.random() < 0.4:
                time.sleep(max(0.0, self.rested_at + SAVED_AFTER - time.monotonic()))
            is_saved = time.monotonic() >= self.rested_at + SAVED_AFTER
            self.watcher.kill()
        self.say("told to leave" if is_told else "SIGKILL")
        self.truth.restarted(self.keeps != "none", is_saved)

    # --- another run ---

    @step(1)
    def rerun(self, rng: random.Random) -> bool:
        """Another run takes the place of this one."""
        if self.contradicts() or self.runs > 1:
            return False
        self.join()
        way = rng.choice(self.ways_to_rerun())
        self.say(f"another run: {way.__name__.replace('_', ' ')}")
        self.runs += 1
        self.id = f"{rng.getrandbits(64):x}" if self.id else None
        self.next_number = rng.choice([0, 0, self.next_number])
        way(rng)
        return True

    def ways_to_rerun(self) -> list[Callable[[random.Random], None]]:
        ways = [self.created_again]
        if self.truth.has_id:
            ways.append(self.with_a_new_id)
        if self.link:
            ways += [self.the_link_leads_elsewhere] * 2
        if self.keeps != "none" and not self.prunes and not self.truth.has_id and self.watcher and self.truth.batches:
            ways += [self.nothing_left_at_a_restart] * 2
        return ways

    def created_again(self, rng: random.Random) -> None:
        shutil.rmtree(self.run, ignore_errors=True)
        self.begin_again(rng)

    def with_a_new_id(self, rng: random.Random) -> None:
        self.empty()
        self.begin_again(rng)

    def the_link_leads_elsewhere(self, rng: random.Random) -> None:
        self.run = self.home / f"run-{self.runs}"
        self.begin_again(rng)
        other = self.home / "other-link"
        other.symlink_to(self.run.name)
        other.rename(self.link)

    def nothing_left_at_a_restart(self, rng: random.Random) -> None:
        self.end_watcher(rng)
        self.empty()
        self.begin_again(rng)
        self.join()
        self.start()

    def empty(self) -> None:
        """Deletes all of a run but its directory."""
        for entry in sorted(self.run.iterdir()) if self.run.exists() else []:
            if not entry.name.startswith("."):
                writers.remove(entry)

    def begin_again(self, rng: random.Random) -> None:
        self.truth.started_again()
        self.run.mkdir(parents=True, exist_ok=True)
        if self.manifest not in ("none", "last"):
            self.write_manifest(rng)
        for _ in range(rng.randint(1, 3)):
            self.new_batch(rng)

    # --- nothing ---

    @step(2)
    def wait(self, rng: random.Random) -> bool:
        seconds = rng.choice([0.05, 0.2, 0.5, 1.0])
        time.sleep(seconds)
        self.say(f"{seconds} s later")
        return True

    @step(4)
    def settle_down(self, rng: random.Random) -> bool:
        if self.rest():
            self.say("all is counted")
        return True
