"""One layer in one batch: what its hooks saw."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .device import is_elsewhere
from .encoding import (
    bits_members,
    changed_bits,
    changed_bits_as_neurobench,
    flushes_subnormals,
    potential_members,
)
from .forwards import Within
from .network import part_name
from .steps import equals
from .traps import adapter_traps, layer_traps

if TYPE_CHECKING:
    from typing import Union

    import torch

    from .adapters import Adapter
    from .arrays import ArrayLayer
    from .encoding import Member
    from .messages import Trap
    from .prices import Measured, Meter

    #: A layer that hooks saw, or one that was given as arrays.
    AnyLayer = Union["Layer", ArrayLayer]


@dataclass
class Layer:
    """One layer in one batch.

    Attributes
    ----------
    name : str
        The module's qualified name in the network, made unique.
    module : torch.nn.Module
        The spiking layer.
    pre, post : list of torch.Tensor, each ``[B, ...]``
        Membrane potential before and after each call. ``pre[0]`` belongs to the previous batch (or
        has shape ``(0,)``) and is never counted.
    called : bool
        Whether the layer was called in this batch, with or without a membrane potential.
    unhooked : str
        What to do about a layer that no hook watches; empty where one does.
    defects : list of str
        What was seen that keeps the batch from being recorded exactly.
    adapter : Adapter or None
        How the potential of a layer of another framework than snnTorch is seen.
    meter : Meter or None
        Measures the price of a layer for which NeuroBench has none.
    hides_steps : bool
        Whether NeuroBench's hooks see one step where the layer computes several.
    within : set of Within
        What is within the calls of a ``forward`` that is not snnTorch's.
    rest_advice : str
        How the layer is brought to rest before each batch.
    """

    name: str
    module: torch.nn.Module
    pre: list[torch.Tensor] = field(default_factory=list)
    post: list[torch.Tensor] = field(default_factory=list)
    called: bool = False
    unhooked: str = ""
    defects: list[str] = field(default_factory=list)
    adapter: Adapter | None = None
    meter: Meter | None = None
    hides_steps: bool = False
    within: set[Within] = field(default_factory=set)
    rest_advice: str = (
        "snntorch's utils.reset(net) resets only the network's direct children: give the network a "
        "reset() method that resets every layer"
    )

    @property
    def neuron(self) -> str:
        """Class name, NeuroBench's price key: a subclass of Leaky is not a Leaky."""
        return type(self.module).__name__

    @property
    def reset(self) -> str:
        """Reset mechanism as NeuroBench reads it: the string, not ``reset_mechanism_val``."""
        if self.adapter is not None:
            return self.adapter.reset(self.module)
        return str(getattr(self.module, "_reset_mechanism", "none"))

    def dtype(self) -> torch.dtype:
        """The smallest dtype that holds all steps (their precision may differ)."""
        import torch

        dtypes = {potential.dtype for potential in self.post + self.pre[1:]}
        return functools.reduce(torch.promote_types, dtypes)

    def manifest_entry(self) -> dict[str, Any]:
        """What the manifest says of the layer, but its shape."""
        entry: dict[str, Any] = {"name": self.name, "neuron": self.neuron, "reset": self.reset}
        return {**entry, **self.measured.manifest_entry()} if self.measured else entry

    @property
    def measured(self) -> Measured | None:
        """What its meter has found out, if it has one that has seen a call."""
        return None if self.meter is None else self.meter.measured

    def cost_advice(self) -> str:
        """The option that prices the layer, with the number that was measured."""
        option = f"--cost {self.neuron}:{self.reset}="
        if self.measured is None:
            return f"{option}OPERATIONS"
        if self.measured.unpriced:
            return f"{option}OPERATIONS (they cannot be measured: {self.measured.unpriced})"
        operations = self.measured.operations
        return f"{option}{len(operations)} (measured: {' '.join(operations)})"

    def traps(self) -> Iterator[Trap]:
        """Everything about the layer in this batch that makes a figure other than it seems."""
        return layer_traps(self) if self.adapter is None else adapter_traps(self)

    def members(self, form: str) -> Iterator[Member]:
        """The layer's arrays of a batch with at least one step; see `encode`."""
        flushes = self.flushes_subnormals()
        if form == "bits" or flushes:
            shape = (len(self.post), *self.post[0].shape)
            packed = changed_bits_as_neurobench(self) if flushes else changed_bits(self)
            yield from bits_members(self.name, shape, packed, is_own=self.is_elsewhere())
        else:
            yield from potential_members(self, with_pre=form == "pair")

    def is_elsewhere(self) -> bool:
        """Whether the potentials are on an accelerator."""
        return bool(self.post) and is_elsewhere(self.post[0])

    def flushes_subnormals(self) -> bool:
        """Whether torch treats the layer's subnormal numbers as zero, which it can on the CPU."""
        return not self.is_elsewhere() and flushes_subnormals()

    def passed_shapes(self) -> list[torch.Size]:
        """The shapes of one sample, where the network passes potentials of several to the layer."""
        import torch

        if self.adapter is not None or getattr(self.module, "init_hidden", True):
            return []
        lengths = {post.shape[:1] for post in self.post}
        if len(lengths) != 1 or torch.Size() in lengths or len(self.pre) != len(self.post):
            return []
        return [*dict.fromkeys(post.shape[1:] for post in self.post)]

    def parts(self, shapes: list[torch.Size]) -> list[Layer]:
        """The layer as one for each shape; as one, if there are others."""
        if not shapes or {post.shape[1:] for post in self.post} - {*shapes}:
            return [self]
        return [self._part(number, shape) for number, shape in enumerate(shapes)]

    def _part(self, number: int, shape: torch.Size) -> Layer:
        pairs = [pair for pair in zip(self.pre, self.post) if pair[1].shape[1:] == shape]
        post = [after for _, after in pairs]
        pre = [before for before, _ in pairs]
        for index in range(1, len(pairs)):
            if equals(pre[index], post[index - 1]):
                pre[index] = post[index - 1]
        name = part_name(self.name, number)
        return replace(self, name=name, pre=pre, post=post, called=bool(post))

    def add_batch_axis(self) -> None:
        """Make the potentials of one sample without a batch axis ``[1, ...]``."""
        whole = {id(post): post[None] for post in self.post}
        self.pre = [whole.get(id(pre), pre[None]) for pre in self.pre]
        self.post = [whole[id(post)] for post in self.post]

    def pre_is_previous_post(self) -> bool:
        """Whether each step started from the very tensor with which the previous step ended."""
        return all(map(operator.is_, self.pre[1:], self.post))

    def _why_no_step(self) -> str:
        """Why nothing is seen of a layer that was called."""
        if Within.GENERATOR in self.within:
            return (
                "its forward returns a generator, and computes its steps when the call is over: "
                "have it return the spikes of all steps"
            )
        return "it keeps no membrane potential ('mem')"

    def defect(self) -> str | None:
        """Why the steps of a call cannot be one ``[T, B, ...]`` array of floats, or None."""
        import torch

        if self.defects:
            return self.defects[0]
        if not self.post:
            return self._why_no_step() if self.called else None
        shape = self.post[0].shape
        if not shape:
            return "its potential is a single number, without an axis of samples"
        others = [tuple(post.shape) for post in self.post if post.shape != shape]
        if others:
            return f"it was called with shapes {tuple(shape)} and {others[0]} in one batch"
        if len(self.pre) != len(self.post):
            return f"its hooks saw {len(self.pre)} steps begin and {len(self.post)} end"
        if not self.pre_is_previous_post() and any(pre.shape != shape for pre in self.pre[1:]):
            return "its potential changed shape between two steps"
        if self.post[0].is_meta:
            return "its potential is on the device 'meta', without numbers"
        if self.dtype() not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            return f"its potential is {self.dtype()}, not a float of 16, 32 or 64 bits"
        return None
