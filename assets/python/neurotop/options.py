"""The user's options, and the rank of this process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FORMS = ("trace", "pair", "bits")


@dataclass(frozen=True)
class Options:
    """The user's options, checked when they are given rather than when the benchmark runs."""

    directory: Path
    form: str = "trace"
    name: str | None = None
    keep: int | None = None
    exist_ok: bool = False
    strict: bool = False
    external_state: bool = False
    rank: int | None = None
    world_size: int | None = None
    expected_batches: int | None = None
    expected_samples: int | None = None

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"form={self.form!r}: choose one of {', '.join(FORMS)}")
        if self.keep is not None and not (is_count(self.keep) and self.keep >= 1):
            raise ValueError(f"keep={self.keep!r}: give the number of batches to keep, 1 or more")
        if (self.rank is None) != (self.world_size is None):
            raise ValueError("give rank= and world_size= together, or neither")
        rank, world_size = self.rank, self.world_size
        if (
            rank is not None
            and world_size is not None
            and not (is_count(rank) and is_count(world_size) and rank < world_size)
        ):
            raise ValueError(
                f"rank={self.rank!r}, world_size={self.world_size!r}: "
                "ranks go from 0 to world_size - 1"
            )
        for option in ("expected_batches", "expected_samples"):
            value = getattr(self, option)
            if value is not None and not is_count(value):
                raise ValueError(f"{option}={value!r}: give a whole number, 0 or more")


def run_directory(directory: str | os.PathLike[str]) -> Path:
    """Where a run is to be written, wherever the program goes to meanwhile.

    Raises
    ------
    ValueError
        It is a URL.
    """
    given = os.fspath(directory)
    if "://" in given:
        raise ValueError(
            f"{given}: the recorder writes to a directory of the file system. Copy the files of a "
            "run to an object store as they appear; neurotop watch reads them there"
        )
    return Path(os.path.abspath(given))


def is_count(value: object) -> bool:
    """Whether `value` is a whole number, 0 or more (NumPy's integers count, booleans do not)."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return is_integer and int(value) >= 0  # type: ignore[call-overload]


#: What one update can cost at most.
MOST_OPERATIONS = 1_000_000_000


def rank_and_world(options: Options) -> tuple[int, int]:
    """Rank and number of processes: from the options, torch.distributed or the environment."""
    if options.rank is not None and options.world_size is not None:
        return int(options.rank), int(options.world_size)
    if "torch" in sys.modules:
        import torch

        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
    rank, world_size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if rank.isdecimal() and world_size.isdecimal() and int(rank) < int(world_size):
        return int(rank), int(world_size)
    return 0, 1
