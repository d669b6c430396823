"""The arrays of a batch in each form: potentials, or which of them changed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .device import begin_changed_bits, begin_rows, is_elsewhere

if TYPE_CHECKING:
    import torch

    from .layers import AnyLayer, Layer


#: Steps smaller than this are written and compared together.
BLOCK_BYTES = 1 << 20


@dataclass
class Member:
    """One array of a batch: name, dtype, shape, and its C-ordered data in pieces.

    `is_own` says that the program has no part in the data, so that they can be written later.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    chunks: Iterable[np.ndarray]
    is_own: bool = False

    @classmethod
    def from_array(cls, name: str, array: np.ndarray) -> Member:
        """A member whose data are one C-ordered array, which nobody changes."""
        return cls(name, array.dtype, array.shape, [array], is_own=True)

    def kept(self) -> Member:
        """The member, to be written later: what the program may change is copied."""
        if self.is_own:
            return self
        chunks = [np.array(chunk) for chunk in self.chunks]
        return Member(self.name, self.dtype, self.shape, chunks, is_own=True)

    @property
    def nbytes(self) -> int:
        """Size of the data in bytes, without the header."""
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))


def encode(layers: Iterable[AnyLayer], form: str, samples: int) -> Iterator[Member]:
    """The members of one batch.

    Parameters
    ----------
    layers : iterable of Layer
    form : {'trace', 'pair', 'bits'}
        ``trace``: ``<layer>.post``, and also ``<layer>.pre`` if a step did not start from the very
        tensor with which the previous step ended. ``pair``: always both. ``bits``:
        ``<layer>.changed``, u1, one bit per element of ``[T-1, B, ...]``, and ``<layer>.shape``.
    samples : int
        Samples in the batch.

    Yields
    ------
    Member
        ``samples`` first. A layer without steps has an empty ``.post`` of shape ``[0, B]``.
    """
    yield Member.from_array("samples", np.array(samples, dtype=np.int64))
    for layer in layers:
        if layer.post:
            yield from layer.members(form)
        else:
            yield no_steps_member(layer.name, samples)


def bits_members(
    name: str, shape: tuple[int, ...], packed: Iterable[np.ndarray], is_own: bool = False
) -> Iterator[Member]:
    """``<layer>.changed`` and ``<layer>.shape`` of a layer with potentials of `shape`."""
    bits = (shape[0] - 1) * int(np.prod(shape[1:], dtype=np.int64))
    yield Member(f"{name}.changed", np.dtype(np.uint8), ((bits + 7) // 8,), packed, is_own)
    yield Member.from_array(f"{name}.shape", np.array(shape, dtype=np.int64))


def no_steps_member(name: str, samples: int) -> Member:
    """For a layer without steps in the batch: an empty ``<layer>.post`` of shape ``[0, B]``."""
    return Member.from_array(f"{name}.post", np.empty((0, samples), dtype=np.float32))


def potential_members(layer: Layer, with_pre: bool) -> Iterator[Member]:
    """``<layer>.post`` and, if needed, ``<layer>.pre``: f2, f4 or f8, ``[T, B, ...]``."""
    import torch

    dtype = layer.dtype()
    if dtype == torch.bfloat16:  # NumPy has none; widening changes no zero difference
        dtype = torch.float32
    numpy_dtype = torch.empty(0, dtype=dtype).numpy().dtype
    shape = (len(layer.post), *layer.post[0].shape)
    is_own = is_elsewhere(layer.post[0])
    rows = begin_rows if is_own else _rows
    yield Member(f"{layer.name}.post", numpy_dtype, shape, rows(layer.post, dtype), is_own)
    if with_pre or not layer.pre_is_previous_post():
        # Row 0 is ignored, and pre[0] belongs to the previous batch: its shape may differ.
        pre = [torch.zeros_like(layer.post[0]), *layer.pre[1:]]
        yield Member(f"{layer.name}.pre", numpy_dtype, shape, rows(pre, dtype), is_own)


def _rows(steps: list[torch.Tensor], dtype: torch.dtype) -> Iterator[np.ndarray]:
    """The steps as C-ordered NumPy arrays, copied only if necessary.

    Small steps come in blocks, ``[n, B, ...]``: writing each by itself takes longer than copying
    them.
    """
    if _block_of(steps[0]) > 8:
        yield from _blocks(steps, dtype)
        return
    for step in steps:
        if step.dtype != dtype or step.requires_grad:
            step = step.detach().to(dtype)
        yield np.ascontiguousarray(step.numpy())


def _block_of(step: torch.Tensor) -> int:
    """How many steps make a block of about a MiB; a multiple of eight, which fill whole bytes."""
    return 8 * max(1, BLOCK_BYTES // (8 * max(1, step.numel() * step.element_size())))


def _blocks(steps: list[torch.Tensor], dtype: torch.dtype) -> Iterator[np.ndarray]:
    """Small steps in the CPU's memory as blocks, ``[n, B, ...]``."""
    import torch

    count = _block_of(steps[0])
    for begin in range(0, len(steps), count):
        block = steps[begin : begin + count]
        if len({step.dtype for step in block}) > 1:
            block = [step.to(dtype) for step in block]
        yield torch.stack(block).detach().to(dtype).numpy()


def changed_bits(layer: Layer) -> Iterable[np.ndarray]:
    """Which elements changed: one bit per element of ``[T-1, B, ...]``, set if ``pre - post`` != 0.

    The subtraction matters: NaN counts and so does ``inf - inf``, which ``pre != post`` misses.
    """
    import torch

    dtype = torch.float64 if layer.dtype() == torch.float64 else torch.float32
    if is_elsewhere(layer.post[0]):
        return begin_changed_bits(layer, dtype)
    return _changed_bits(layer, dtype)


def _changed_bits(layer: Layer, dtype: torch.dtype) -> Iterator[np.ndarray]:
    """`changed_bits` in the CPU's memory.

    Blocks of a MiB stay in the cache, and so many steps fill whole bytes whatever the layer's
    size. NumPy does this in one thread: as quick as torch's threads, which on a busy machine wait
    for each other in every step.
    """
    if len(layer.post) < 2:
        return
    is_same = layer.pre_is_previous_post()
    if _block_of(layer.post[0]) > 8:
        before = layer.post[:-1] if is_same else layer.pre[1:]
        for one, other in zip(_blocks(before, dtype), _blocks(layer.post[1:], dtype)):
            with np.errstate(all="ignore"):
                changed = np.subtract(one, other) != 0
            yield np.packbits(changed)
        return
    post = _each_row(layer.post, dtype)
    pre = post if is_same else _each_row(layer.pre[1:], dtype)
    difference = np.empty_like(post[0])
    changed = np.empty((8, *post[0].shape), dtype=bool)
    for begin in range(0, len(post) - 1, 8):
        pairs = list(zip(pre[begin : begin + 8], post[begin + 1 : begin + 9]))
        with np.errstate(all="ignore"):  # not around the yield, which would affect the caller
            for row, (left, right) in zip(changed, pairs):
                np.subtract(left, right, out=difference)
                np.not_equal(difference, 0, out=row)
        yield np.packbits(changed[: len(pairs)])


def _each_row(steps: list[torch.Tensor], dtype: torch.dtype) -> list[np.ndarray]:
    """The steps one by one, whether `_rows` gives them so or in blocks."""
    axes = steps[0].dim()
    every = ((rows if rows.ndim > axes else rows[None]) for rows in _rows(steps, dtype))
    return [row for rows in every for row in rows]


def changed_bits_as_neurobench(layer: Layer) -> Iterator[np.ndarray]:
    """Like `changed_bits`, but with exactly NeuroBench's operations.

    If torch flushes subnormal numbers, each thread does so by its own setting. The count then
    depends on how an operation is split among threads, so only the same operations agree.
    """
    import torch

    if len(layer.post) > 1:
        difference = torch.stack(layer.pre[1:]) - torch.stack(layer.post[1:])
        yield np.packbits(torch.ne(difference, 0).numpy())


def flushes_subnormals() -> bool:
    """Whether torch's arithmetic treats subnormal numbers as zero (set_flush_denormal)."""
    if "torch" not in sys.modules:
        return False
    import torch

    smallest_normal = torch.tensor([2.0**-126])
    return not bool(smallest_normal * 0.5)
