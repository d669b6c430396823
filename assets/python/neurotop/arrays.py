"""Potentials that are given as arrays: what `Recording.add` takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .encoding import Member, bits_members
from .network import PRICED

if TYPE_CHECKING:
    from .messages import Trap


@dataclass
class ArrayLayer:
    """One layer in one batch, given as arrays; what `Layer` is for hooks.

    Attributes
    ----------
    name, neuron, reset : str
        As in the manifest.
    cost : int or None
        Operations of one update, where the user says.
    post : list of numpy.ndarray, each ``[B, ...]``
        Potential after each step.
    before : list of numpy.ndarray or None
        Potential before each step; None where it is the one that the step before ended with.
    """

    name: str
    neuron: str
    reset: str
    cost: int | None
    post: list[np.ndarray]
    before: list[np.ndarray] | None
    called = True
    unhooked = ""

    def defect(self) -> str | None:
        """Why the steps cannot be recorded: checked when they were given."""
        return None

    def is_elsewhere(self) -> bool:
        """Whether the potentials are on an accelerator: they were copied when they were given."""
        return False

    def flushes_subnormals(self) -> bool:
        """Whether subnormal numbers are treated as zero: NumPy never does."""
        return False

    def add_batch_axis(self) -> None:
        """Make the potentials of one sample without a batch axis ``[1, ...]``."""
        self.post = [post[None] for post in self.post]
        self.before = None if self.before is None else [pre[None] for pre in self.before]

    def manifest_entry(self) -> dict[str, Any]:
        """What the manifest says of the layer, but its shape."""
        entry: dict[str, Any] = {"name": self.name, "neuron": self.neuron, "reset": self.reset}
        return entry if self.cost is None else {**entry, "ops_per_update": int(self.cost)}

    def traps(self) -> Iterator[Trap]:
        """A layer without a price: the command takes NeuroBench's, or the one that is given."""
        if self.cost is None and (self.neuron, self.reset) not in PRICED:
            yield (
                ("unpriced", self.name),
                f"layer '{self.name}' ({self.neuron}) with reset '{self.reset}' has no price in "
                f"NeuroBench. Give the command one: --cost {self.neuron}:{self.reset}=OPERATIONS, "
                "or cost= to rec.add()",
            )

    def members(self, form: str) -> Iterator[Member]:
        """The layer's arrays of a batch with at least one step; see `encode`."""
        post = np.stack(self.post)
        pre = None if self.before is None else np.stack(self.before)
        if pre is not None and np.array_equal(pre[1:], post[:-1], equal_nan=post.dtype.kind == "f"):
            pre = None
        if form == "bits":
            yield from bits_members(self.name, post.shape, self._changed(pre, post))
            return
        yield Member.from_array(f"{self.name}.post", post)
        if form == "pair" and pre is None:
            pre = np.concatenate([np.zeros_like(post[:1]), post[:-1]])
        if pre is not None:
            yield Member.from_array(f"{self.name}.pre", pre)

    def _changed(self, pre: np.ndarray | None, post: np.ndarray) -> Iterator[np.ndarray]:
        """Which elements changed, eight steps at a time: see `changed_bits`."""
        before = post[:-1] if pre is None else pre[1:]
        for begin in range(0, len(before), 8):
            one, other = before[begin : begin + 8], post[begin + 1 : begin + 9]
            if post.dtype.kind == "f":
                wide = np.float64 if post.dtype == np.float64 else np.float32
                with np.errstate(all="ignore"):
                    difference = one.astype(wide) - other.astype(wide)
                yield np.packbits(difference != 0)
            else:
                yield np.packbits(one != other)


def rows_of(name: str, potentials: Any) -> list[np.ndarray]:
    """The steps of an array ``[T, B, ...]``, or of an iterable of steps, as NumPy's own copies.

    Raises
    ------
    ValueError
        They are no numbers that the format knows, or steps of different shapes.
    """
    is_array = hasattr(potentials, "shape")
    if is_array and len(potentials.shape) == 0:
        raise ValueError(f"rec.add({name!r}): one number has no time axis: give [T, B, ...]")
    steps = _on_host(potentials) if is_array else map(_on_host, potentials)
    rows = [np.array(step) for step in steps]
    rows = [row if row.ndim else row[None] for row in rows]
    if len({(row.shape, row.dtype) for row in rows}) > 1:
        raise ValueError(f"rec.add({name!r}): the steps have different shapes or types")
    for row in rows[:1]:
        kind, size = row.dtype.kind, row.dtype.itemsize
        if not (kind in "iu" or (kind == "f" and size in (2, 4, 8))):
            raise ValueError(
                f"rec.add({name!r}): {row.dtype} are no potentials; give floats of 16, 32 or 64 "
                "bits, or integers"
            )
    return rows


def with_one_type(
    name: str, post: list[np.ndarray], pre: list[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Both in a type that holds the numbers of both.

    Raises
    ------
    ValueError
        There is no such type.
    """
    if not post or post[0].dtype == pre[0].dtype:
        return post, pre
    one, other = post[0].dtype, pre[0].dtype
    both = np.result_type(one, other)
    if {one.kind, other.kind} not in ({"f"}, {"i"}, {"u"}, {"i", "u"}) or both.kind not in "iuf":
        raise ValueError(f"rec.add({name!r}): pre is {other} and post {one}: give both in one type")
    if both.kind == "f" != one.kind:  # of 64 bits, with and without a sign
        raise ValueError(f"rec.add({name!r}): no type holds both {other} and {one}")
    return [row.astype(both) for row in post], [row.astype(both) for row in pre]


def _on_host(array: Any) -> np.ndarray:
    """An array of NumPy, torch, JAX or another library as one of NumPy."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        array = array.detach().cpu()
        array = (array.float() if array.dtype == torch.bfloat16 else array).numpy()
    elif not hasattr(array, "__array__") and hasattr(array, "__dlpack__"):
        array = np.from_dlpack(array)
    found: np.ndarray = np.asarray(array)
    return found.astype(np.float32) if found.dtype.name == "bfloat16" else found
