"""Write the ``.npz`` file of a batch."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .encoding import Member


def write_npz(path: Path, members: Iterable[Member]) -> None:
    """Write a stored (not deflated) ``.npz`` in one pass, without assembling whole arrays."""
    with open(path, "wb", buffering=1 << 16) as file, zipfile.ZipFile(file, "w") as archive:
        for member in members:
            header = _npy_header(member)
            info = zipfile.ZipInfo(f"{member.name}.npy")
            info.file_size = len(header) + member.nbytes  # zipfile decides by this about zip64
            with archive.open(info, "w") as out:
                out.write(header)
                for chunk in member.chunks:
                    if chunk.size:  # an empty array has no bytes to view
                        out.write(chunk.reshape(-1).view(np.uint8).data)


def _npy_header(member: Member) -> bytes:
    """The header of a ``.npy`` file, version 1.0."""
    header = io.BytesIO()
    description = np.lib.format.dtype_to_descr(member.dtype)
    np.lib.format.write_array_header_1_0(
        header, {"descr": description, "fortran_order": False, "shape": tuple(member.shape)}
    )
    return header.getvalue()
