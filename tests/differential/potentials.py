"""Random layers and batches of membrane potentials, and how NumPy counts them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

NAMES = ["lif1", "net.0.lif", "head/lif", "schicht-ä", "a b", "out", "enc.block/1/mem", "x"]
SHAPES = [(3,), (2, 3), (2, 2, 2), (1,), (700,), (40, 50)]
LARGE = (100, 200)  # of which a batch takes a while to be read
PRICES = {
    ("Leaky", "subtract"): 4, ("Leaky", "zero"): 4, ("Synaptic", "subtract"): 6, ("Synaptic", "zero"): 8,
    ("Lapicque", "subtract"): 11, ("Lapicque", "zero"): 11, ("Alpha", "subtract"): 18, ("Alpha", "zero"): 24,
}  # fmt: skip
KINDS = [*PRICES, ("Leaky", "none"), ("RLeaky", "zero")]


@dataclass(frozen=True)
class Layer:
    """What a manifest says of a layer."""

    name: str
    neuron: str | None
    reset: str | None
    shape: tuple[int, ...]

    @property
    def price(self) -> int | None:
        """Operations of one update; none where NeuroBench has no price."""
        return PRICES.get((self.neuron, self.reset))

    def entry(self) -> dict:
        """The layer in a manifest."""
        return {"name": self.name, "neuron": self.neuron, "reset": self.reset, "shape": list(self.shape)}


def layers(rng: random.Random) -> list[Layer]:
    """The layers of a run."""
    names = rng.sample(NAMES, rng.choice([1, 1, 2, 3]))
    if rng.random() < 0.1:
        return [Layer(names[0], *rng.choice(KINDS), LARGE)]
    return [Layer(name, *rng.choice(KINDS), rng.choice(SHAPES)) for name in names]


@dataclass(frozen=True)
class Arrays:
    """How a layer is in a batch: potentials after each step, before and after it, or bits."""

    layer: Layer
    steps: int
    form: str
    dtype: str
    fortran: tuple[bool, bool]

    @classmethod
    def random(cls, rng: random.Random, layer: Layer) -> Arrays:
        form = rng.choice(["post", "pairs", "bits"])
        dtype = rng.choice("<>") + rng.choice(["f2", "f4", "f8"])
        return cls(layer, rng.randint(1, 6), form, dtype, (rng.random() < 0.3, rng.random() < 0.3))


@dataclass(frozen=True)
class Layout:
    """All of a batch but its numbers: two batches of one layout have the same size."""

    samples: int
    says_samples: bool
    arrays: tuple[Arrays, ...]

    @classmethod
    def random(cls, rng: random.Random, layers: list[Layer]) -> Layout:
        return cls(rng.randint(1, 5), rng.random() < 0.8, tuple(Arrays.random(rng, layer) for layer in layers))


class Active(NamedTuple):
    """Which neurons are updated at a later step at all, and which always; not known of arrays in Fortran order."""

    ever: np.ndarray
    always: np.ndarray
    is_known: bool


@dataclass(eq=False)
class Content:
    """What a batch holds, and what it counts: the updates of each step, and the elements, by layer."""

    layout: Layout
    members: dict[str, np.ndarray] = field(default_factory=dict)
    steps: dict[str, list[int]] = field(default_factory=dict)
    dense: dict[str, int] = field(default_factory=dict)
    active: dict[str, Active] = field(default_factory=dict)  # of layers with more than one step

    @property
    def samples(self) -> int:
        return self.layout.samples

    @property
    def updates(self) -> int:
        return sum(map(sum, self.steps.values()))

    def figures(self) -> tuple:
        """What it adds to the sums."""
        return self.samples, self.steps, self.dense


def values(dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Potentials in which everything special comes, and how often."""
    info = np.finfo(dtype)
    tiny, largest = info.smallest_subnormal, info.max
    chosen = [0.0, 1.0, 0.5, -0.0, tiny, -tiny, info.tiny, largest, -largest, np.inf, -np.inf, np.nan]
    often = np.array([6, 6, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1], float)
    return np.array(chosen, dtype), often / often.sum()


def potentials(numbers: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A trace of which many elements stay as they were."""
    chosen, often = values(dtype)
    trace = numbers.choice(chosen, size=shape, p=often)
    for step in range(1, shape[0]):
        stays = numbers.random(shape[1:]) < 0.5
        trace[step] = np.where(stays, trace[step - 1], trace[step])
    return trace


def changed(pre: np.ndarray, post: np.ndarray) -> np.ndarray:
    """NeuroBench's rule, from the second step on."""
    with np.errstate(all="ignore"):
        return (pre[1:] - post[1:]) != 0


def fill(rng: random.Random, layout: Layout) -> Content:
    """A batch of this layout with random numbers in it, and the count of it."""
    numbers = np.random.default_rng(rng.getrandbits(64))
    content = Content(layout)
    if layout.says_samples:
        content.members["samples"] = np.array(layout.samples, rng.choice(["<i8", ">i4", "<u2", "u1"]))
    for arrays in layout.arrays:
        add(numbers, content, arrays)
    return content


def add(numbers: np.random.Generator, content: Content, arrays: Arrays) -> None:
    """Adds the members and the count of one layer."""
    name, shape = arrays.layer.name, (arrays.steps, content.samples, *arrays.layer.shape)
    native = np.dtype(arrays.dtype).newbyteorder("=")
    post = potentials(numbers, shape, native)
    before = np.concatenate([potentials(numbers, (1, *shape[1:]), native), post[:-1]])
    if arrays.form == "pairs":
        other = numbers.random(shape) < 0.2
        before[other] = potentials(numbers, shape, native)[other]
    bits = changed(before, post)
    content.steps[name] = [post[0].size, *(int(np.count_nonzero(step)) for step in bits)]
    content.dense[name] = post.size
    later = bits.reshape(-1, post[0, 0].size)
    active = Active(later.any(axis=0), later.all(axis=0), True)
    if len(later):
        content.active[name] = active
    if arrays.form == "bits":
        content.members[f"{name}.changed"] = np.packbits(bits.reshape(-1))
        content.members[f"{name}.shape"] = np.array(shape, "<i8")
        return
    pair = {"post": post, "pre": before} if arrays.form == "pairs" else {"post": post}
    for (member, array), fortran in zip(pair.items(), arrays.fortran):
        content.members[f"{name}.{member}"] = np.array(array, arrays.dtype, order="F" if fortran else "C")
    written = [content.members[f"{name}.{member}"] for member in pair]
    if len(later) and not any(array.flags.c_contiguous for array in written):
        content.active[name] = active._replace(is_known=False)
