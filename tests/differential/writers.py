"""Batches as files: archives and directories, written in all the ways in which people write them."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path
from typing import Callable

import numpy as np
from potentials import Content

Pause = Callable[[], None]
PAGE = 4096
ARCHIVES = ["stored", "zip64", "deflated", "mixed"]


def npy(array: np.ndarray) -> bytes:
    """An array as NumPy saves it."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def npz(content: Content, kind: str) -> bytes:
    """The archive of a batch."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for place, (name, array) in enumerate(content.members.items()):
            info = zipfile.ZipInfo(f"{name}.npy")
            deflates = kind == "deflated" or (kind == "mixed" and place % 2)
            info.compress_type = zipfile.ZIP_DEFLATED if deflates else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=kind in ("zip64", "mixed")) as member:
                member.write(npy(array))
    return buffer.getvalue()


def hidden(path: Path) -> Path:
    """A name beside a batch that is never read."""
    return path.with_name(f".{path.name}.tmp")


def renamed(path: Path, data: bytes, times: tuple[int, int] | None = None) -> None:
    """Writes a file under another name and renames it."""
    hidden(path).write_bytes(data)
    if times:
        os.utime(hidden(path), ns=times)
    hidden(path).rename(path)


def in_place(path: Path, data: bytes, pause: Pause, pieces: int) -> None:
    """Writes a file where it is, in pieces."""
    size = -(-len(data) // pieces)
    with open(path, "wb") as file:
        for begin in range(0, len(data), size):
            if begin:
                pause()
            file.write(data[begin : begin + size])
            file.flush()


def overwritten(path: Path, data: bytes, keeps_time: bool) -> None:
    """Writes other bytes of the same length over a file, of which the times may stay as they were."""
    before = path.stat()
    assert len(data) == before.st_size
    with open(path, "r+b") as file:
        file.write(data)
    if keeps_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def directory(path: Path, content: Content, pause: Pause) -> None:
    """Writes a directory batch file by file, in alphabetical order."""
    path.mkdir(exist_ok=True)
    for place, name in enumerate(sorted(content.members)):
        if place:
            pause()
        file = path / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(npy(content.members[name]))


def mapped(path: Path, content: Content, pause: Pause, without_trace: bool = False) -> None:
    """Writes a directory batch as `open_memmap` does: whole headers and zeros first, the potentials by and by. Only
    what is written to another page gives a file another time; with pauses within one it is filled `without_trace`."""
    path.mkdir(exist_ok=True)
    for name, array in content.members.items():
        file = path / f"{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        if array.ndim < 2 or array.size == 0:
            file.write_bytes(npy(array))
            continue
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        may_pause = without_trace or (array[0].nbytes >= PAGE and not fortran)
        target = np.lib.format.open_memmap(file, mode="w+", dtype=array.dtype, shape=array.shape, fortran_order=fortran)
        for step in range(len(array)):
            if may_pause and step in (1, len(array) - 1):
                pause()
            target[step] = array[step]
        target.flush()


def renamed_directory(path: Path, content: Content, pause: Pause) -> None:
    """Writes a directory batch under another name and renames it; one that is there gives way."""
    directory(hidden(path), content, lambda: None)
    if path.exists():
        shutil.rmtree(path)
        pause()
    hidden(path).rename(path)


def remove(path: Path) -> None:
    """Deletes a batch of either kind, which neurotop may do, too."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
