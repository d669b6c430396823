"""The run directory: claimed, written atomically, shared by several ranks."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .messages import RecorderError
from .npz import write_npz

if TYPE_CHECKING:
    from .encoding import Member
    from .options import Options


COUNTED_FILE = ".neurotop-counted.json"


_RUN_FILES = re.compile(r"manifest\.json|(rank-\d+\.)?(end\.json|batch-\d+(\.npz)?)|\.neurotop-.*")


_RANK_DIRECTORIES = re.compile(r"rank-\d+")


_TEMPORARY_FILES = re.compile(
    r"\.(manifest\.json|(rank-\d+\.)?(end\.json|batch-\d+\.npz)|\.neurotop-.*)(\.\d+)?\.tmp"
)


class RunDirectory:
    """The files of one run. Each is written under a temporary name and then renamed."""

    def __init__(self, path: Path, rank: int, world_size: int) -> None:
        self.path = path
        self.rank = rank
        self.world_size = world_size

    def claim(self, exist_ok: bool) -> None:
        """Create the directory and make this process the only writer for its rank.

        Raises
        ------
        FileExistsError
            The directory holds a run already (and `exist_ok` is false).
        RecorderError
            `exist_ok` with several processes, which cannot clear a directory safely.
        OSError
            The directory cannot be created or written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if exist_ok and self.world_size > 1:
            raise RecorderError(
                "exist_ok=True does not work with several processes: they cannot tell an old run "
                f"from one that another rank has just begun. Delete {self.path} first"
            )
        if exist_ok:
            self._clear()
        elif self._holds_another_run():
            raise FileExistsError(f"{self.path} already holds a run")
        claim = os.open(self._writer_file(), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        os.close(claim)

    def _writer_file(self) -> Path:
        return self.path / f".neurotop-writer-{self.rank}"

    def _holds_another_run(self) -> bool:
        """Whether the directory holds a run other than the one that is beginning."""
        if self.world_size == 1:
            if self._stopped_without_a_batch():
                self._clear()
                return False
            return any(
                _RUN_FILES.fullmatch(entry.name) or _is_rank_of_a_run(entry)
                for entry in self.path.iterdir()
            )
        manifest = self.read_manifest()
        other = manifest is not None and manifest.get("world_size", 1) != self.world_size
        return other or self._writer_file().exists() or (self.path / "end.json").exists()

    def _stopped_without_a_batch(self) -> bool:
        """Whether the files are those of a recording that stopped before its first batch."""
        names = {entry.name for entry in self.path.iterdir() if _RUN_FILES.fullmatch(entry.name)}
        if names - {COUNTED_FILE} != {"manifest.json"}:
            return False
        try:
            manifest = self.read_manifest()
        except ValueError:
            return False
        return isinstance(manifest, dict) and manifest.get("stopped") is True

    def release(self) -> None:
        """Let another run have the directory, which has no batch of this one."""
        delete(self._writer_file())

    def _clear(self) -> None:
        """Delete the files of an earlier run, and nothing else.

        This includes its acknowledgements, which would let `keep` delete uncounted batches.
        """
        ranks = [entry for entry in self.path.iterdir() if _is_rank_of_a_run(entry)]
        for directory in (self.path, *ranks):
            for entry in directory.iterdir():
                if _RUN_FILES.fullmatch(entry.name) or _TEMPORARY_FILES.fullmatch(entry.name):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def read_manifest(self) -> dict[str, Any] | None:
        """The manifest, or None if there is none yet."""
        try:
            text = (self.path / "manifest.json").read_text(encoding="utf-8")
            manifest: dict[str, Any] = json.loads(text)
            return manifest
        except FileNotFoundError:
            return None

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file atomically."""
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        with self._renamed(name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def batch_name(self, number: int) -> str:
        """File name of a batch; with several ranks it names the one that wrote it."""
        rank = f"rank-{self.rank}." if self.world_size > 1 else ""
        return f"{rank}batch-{number:06d}.npz"

    @contextmanager
    def batch(self, number: int, members: Iterable[Member]) -> Iterator[None]:
        """Write a batch; it becomes visible when the ``with`` block ends without an error."""
        with self._renamed(self.batch_name(number)) as temporary:
            write_npz(temporary, members)
            yield

    @contextmanager
    def _renamed(self, name: str) -> Iterator[Path]:
        """A temporary path, renamed to `name` on success and deleted on an error."""
        suffix = f".{self.rank}.tmp" if self.world_size > 1 and name == "manifest.json" else ".tmp"
        temporary = self.path / f".{name}{suffix}"
        try:
            yield temporary
            os.replace(temporary, self.path / name)
        except BaseException:
            delete(temporary)
            raise

    @contextmanager
    def lock(self, patience: float = 10.0) -> Iterator[None]:
        """Lock the files that all ranks write.

        A lock that is held for more than `patience` seconds belongs to a process that died.
        """
        if self.world_size == 1:
            yield
            return
        lock = self.path / ".neurotop-lock"
        begun = time.monotonic()
        while True:
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
                break
            except FileExistsError:
                if time.monotonic() - begun > patience:
                    delete(lock)
                time.sleep(0.01)
        try:
            yield
        finally:
            delete(lock)

    def counted(self, run_id: str) -> list[tuple[int, int]]:
        """Inclusive ranges of this rank's batch numbers that a watching neurotop has counted.

        Acknowledgements of another or an unknown run are ignored.
        """
        try:
            content = json.loads((self.path / COUNTED_FILE).read_text(encoding="utf-8"))
            if content["format"] != "neurotop.counted" or content["version"] != 1:
                return []
            if content["id"] != run_id:
                return []
            ranks = content.get("ranks", {})
            ranges = ranks.get(str(self.rank), []) if self.world_size > 1 else content["batches"]
            return [(int(first), int(last)) for first, last in ranges]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []  # a missing or unreadable file acknowledges nothing

    def is_alone(self) -> bool:
        """Whether this is the first of several ranks, and no other has begun to record."""
        others = range(1, self.world_size)
        begun = any((self.path / f".neurotop-writer-{rank}").exists() for rank in others)
        return self.world_size > 1 and self.rank == 0 and not begun

    def end(self, part: dict[str, Any]) -> None:
        """Write ``end.json``. Each of several ranks writes its own, and the last one the run's."""
        if self.world_size == 1:
            self.write_json("end.json", part)
            return
        with self.lock():
            self.write_json(f"rank-{self.rank}.end.json", {"rank": self.rank, **part})
            ends = [self.path / f"rank-{rank}.end.json" for rank in range(self.world_size)]
            if all(end.exists() for end in ends):
                ranks = [json.loads(end.read_text(encoding="utf-8")) for end in ends]
                total = {key: sum(rank[key] for rank in ranks) for key in ("samples", "batches")}
                self.write_json("end.json", {**total, "ranks": ranks})


def _is_rank_of_a_run(entry: Path) -> bool:
    """Whether an entry is a rank's directory with files of a run. Links do not count."""
    if not _RANK_DIRECTORIES.fullmatch(entry.name) or entry.is_symlink() or not entry.is_dir():
        return False
    return any(_RUN_FILES.fullmatch(inside.name) for inside in entry.iterdir())


def delete(path: Path) -> None:
    """Delete a file, if it exists and can be deleted."""
    try:
        path.unlink()
    except OSError:
        pass


def claimed_directory(options: Options, rank: int, world_size: int) -> RunDirectory:
    """The requested directory; for a single process, the first free one with a counter.

    Raises
    ------
    RecorderError
        Several processes were given a directory that holds a run.
    OSError
        The directory cannot be created or written.
    """
    path = options.directory
    for counter in range(2, 1_000_000):
        directory = RunDirectory(path, rank, world_size)
        try:
            directory.claim(options.exist_ok)
            return directory
        except FileExistsError as error:
            if not path.is_dir():
                raise
            if world_size > 1:
                raise RecorderError(
                    f"{path} already holds a run (or rank {rank} of it): give all ranks another "
                    "directory, or delete this one"
                ) from error
            path = options.directory.with_name(f"{options.directory.name}-{counter}")
    raise RecorderError(f"found no free directory name like {options.directory}-2")
