"""Measure what one update of a spiking layer costs, where NeuroBench has no price.

The operations of a layer's own call are written down while the call runs, by a
``TorchDispatchMode`` that changes no value and no gradient. From the layer's new state one goes
back to the old state and the input, and counts the arithmetic on the way:

- add, sub, mul, div, neg, reciprocal, pow, sqrt, log, exp, sigmoid and tanh are one operation,
  addcmul and addcdiv are two; a repeated expression counts once;
- arithmetic on parameters (fewer elements than neurons) counts 1 and is marked with ``°``;
- comparisons and roundings end the way, since the spike is given, and so do matrix products and
  convolutions, which are synaptic operations;
- clamp, relu, where, masked_fill, copies and views are free.

This rule gives 7 of the 8 prices in NeuroBench's table. Alpha with reset ``zero`` differs (17, not
24); NeuroBench's own prices are never replaced.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any, Callable

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .adapters import Adapter, replace_attribute
from .compiled import Hook
from .manifest import DIFFERS

__all__ = ["Measured", "Meter", "meter_on"]

#: Operations that count, and the names under which they are listed.
ARITHMETIC = {
    **{
        name: (name,)
        for name in (
            *("add", "sub", "rsub", "mul", "div", "neg", "reciprocal", "pow", "sqrt"),
            *("log", "exp", "sigmoid", "tanh"),
        )
    },
    "addcmul": ("mul", "add"),
    "addcdiv": ("div", "add"),
}
FREE = frozenset(
    "clamp clamp_min clamp_max minimum maximum relu where masked_fill clone copy _to_copy detach "
    "alias lift_fresh view _unsafe_view reshape _reshape_alias expand squeeze unsqueeze transpose "
    "permute t slice select index index_select index_put cat stack split split_with_sizes chunk "
    "unsafe_chunk unsafe_split unsafe_split_with_sizes unbind as_strided narrow flatten repeat "
    "movedim contiguous select_scatter slice_scatter".split()
)
COMPARISONS = frozenset(
    "eq ne lt le gt ge heaviside isnan isinf logical_and logical_or logical_not logical_xor "
    "bitwise_and bitwise_or bitwise_not bitwise_xor sign floor ceil trunc round".split()
)
SYNAPTIC = frozenset(
    "mm bmm addmm addmv addbmm baddbmm mv dot matmul linear convolution _convolution "
    "mkldnn_convolution mkldnn_linear cudnn_convolution".split()
)
NEW = frozenset(
    "zeros ones full empty empty_strided zeros_like ones_like full_like empty_like new_zeros "
    "new_ones new_full new_empty new_empty_strided scalar_tensor arange fill zero rand rand_like "
    "randn randn_like randint uniform normal bernoulli".split()
)
#: The calls that are measured; an update with a branch can take the other way in a later one.
CALLS = (1, 2, 3, 5, 9, 17)
KNOWN = FREE | COMPARISONS | SYNAPTIC | NEW | frozenset(ARITHMETIC)


@dataclass(frozen=True)
class Measured:
    """What was found out about the price of one layer.

    Attributes
    ----------
    operations : tuple of str
        The operations of one update in the order in which they ran; empty if it has no price.
    unpriced : str
        Why there is no price; empty if there is one.
    versions : str
        The framework and torch, as installed.
    mode : {'train', 'eval'}
        The layer's mode; in some frameworks the price depends on it.
    """

    operations: tuple[str, ...]
    unpriced: str
    versions: str
    mode: str

    def manifest_entry(self) -> dict[str, Any]:
        """The fields of the layer in the manifest."""
        if self.unpriced:
            return {"unpriced": self.unpriced}
        return {
            "ops_per_update": len(self.operations),
            "priced_by": "measured",
            "operations": list(self.operations),
            "versions": self.versions,
            "mode": self.mode,
        }


class Meter:
    """Measures one layer in some of its calls.

    Its price is that of a call that goes on from a state; until there is one, that of a call that
    creates the state, as the first may. Calls of one kind that differ leave it without a price.

    Parameters
    ----------
    module : torch.nn.Module
        The layer.
    state : callable
        Given what the call returned, the tensors that the layer hands to its next step.
    potentials : callable, optional
        Gives the potentials of the batch so far, each ``[B, ...]``; those of a call are there when
        the call ends. By default a call is one step.
    wraps_forward : bool
        Whether to wrap ``forward`` instead of setting hooks: where the framework calls it directly.
        Without `potentials` it is always wrapped, since nothing else is there to see the call end
        if the user interrupts it.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        state: Callable[[Any], Iterable[Any]],
        potentials: Callable[[], list[torch.Tensor]] | None = None,
        wraps_forward: bool = False,
    ) -> None:
        self.measured: Measured | None = None
        self._module = module
        self._state = state
        self._potentials = potentials
        self._steps_before = 0
        self._calls = 0
        # What was measured, by whether the call went on from a state, and by the mode.
        self._seen: dict[tuple[bool, str], Measured] = {}
        self._goes_on = False
        self._call: _Call | None = None
        wraps = wraps_forward or potentials is None
        self._detach: Callable[[], None] | None = (
            self._wrap_forward() if wraps else self._set_hooks()
        )

    def _set_hooks(self) -> Callable[[], None]:
        def enter(_module: Any, inputs: Any, named: Any) -> None:
            self._enter(inputs, named)

        def leave(_module: Any, _inputs: Any, output: Any) -> None:
            self._leave(output, has_raised=output is None)

        handles = [
            self._module.register_forward_pre_hook(Hook(self._module, enter), with_kwargs=True),
            # Called after an exception too, so that the mode never stays on.
            self._module.register_forward_hook(Hook(self._module, leave), always_call=True),
        ]

        def detach() -> None:
            for handle in handles:
                handle.remove()

        return detach

    def _wrap_forward(self) -> Callable[[], None]:
        forward = self._module.forward

        def measured(*inputs: Any, **named: Any) -> Any:
            self._enter(inputs, named)
            try:
                output = forward(*inputs, **named)
            except BaseException:
                self._leave(None, has_raised=True)
                raise
            self._leave(output)
            return output

        return replace_attribute(self._module, "forward", measured)

    def _enter(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._calls += 1
        if self._calls not in CALLS:
            return
        self._steps_before = 0 if self._potentials is None else len(self._potentials())
        try:
            # The state is an attribute, or is passed behind the input.
            old = [*self._state(None), *tree_leaves((inputs[1:], named))]
            self._call = _Call(tensor for tensor in old if isinstance(tensor, torch.Tensor))
        except Exception as error:  # a price is not worth a benchmark
            self._call = _Call(())
            self._call.fail(error)
        self._call.__enter__()  # type: ignore[no-untyped-call]

    def _leave(self, output: Any, has_raised: bool = False) -> None:
        call, self._call = self._call, None
        if call is None:
            return
        call.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        if has_raised:
            self._calls -= 1
            return
        if self._calls >= CALLS[-1]:
            self.remove()
        goes_on = False
        try:
            found, operations, unpriced = self._price(call, output)
            goes_on = found.has_old_state
        except Exception as error:  # a price is not worth a benchmark
            operations, unpriced = (), f"the measurement failed ({type(error).__name__}: {error})"
        mode = "train" if self._module.training else "eval"
        self._note(Measured(operations, unpriced, _versions(type(self._module)), mode), goes_on)

    def _note(self, new: Measured, goes_on: bool) -> None:
        """Take what was measured in a call, if it says more than the calls before."""
        known = self._seen.get((goes_on, new.mode), new)
        if known.operations and known.operations != new.operations:
            self.measured = replace(new, operations=(), unpriced=new.unpriced or DIFFERS)
            self.remove()
            return
        self._seen[goes_on, new.mode] = new
        is_better = goes_on > self._goes_on and not new.unpriced
        if self.measured is None or self.measured.unpriced or is_better:
            self.measured, self._goes_on = new, goes_on

    def _price(self, call: _Call, output: Any) -> tuple[_Slice, tuple[str, ...], str]:
        state = [tensor for tensor in self._state(output) if isinstance(tensor, torch.Tensor)]
        if call.failed:
            return _Slice(), (), call.failed
        if self._potentials is None:
            steps, neurons = 1, max((tensor.numel() for tensor in state), default=0)
        else:
            new = self._potentials()[self._steps_before :]
            steps, neurons = len(new), new[-1].numel() if new else 0
        if not steps or not neurons:
            return _Slice(), (), "its call left no potential"
        found = call.slice(state)
        return found, *_operations(found, steps, neurons)

    def remove(self) -> None:
        """Take the hooks off the layer, also in a call that was interrupted."""
        self._leave(None, has_raised=True)
        detach, self._detach = self._detach, None
        if detach is not None:
            detach()


def meter_on(
    module: torch.nn.Module,
    adapter: Adapter | None,
    potentials: Callable[[], list[torch.Tensor]] | None,
) -> Meter:
    """Begin to measure a layer of snnTorch or, with its adapter, of another framework."""
    if adapter is not None:
        state = functools.partial(adapter.state, module)
        return Meter(module, state, potentials, adapter.calls_forward)
    rnn = getattr(module, "rnn", None)
    if isinstance(rnn, torch.nn.Module):  # LeakyParallel's potentials are what its RNN returns
        return Meter(rnn, lambda output: [] if output is None else [output[0]], potentials)
    return Meter(module, functools.partial(_snntorch_state, module), potentials)


def _snntorch_state(module: torch.nn.Module, output: Any) -> list[Any]:
    """The state of one of snnTorch's layers: what it keeps and what it returns, but no spikes."""
    kept = {**vars(module), **module._buffers}
    own = [
        kept[name]
        for name in ("mem", "syn", "syn_exc", "syn_inh", "mem_delta")
        if kept.get(name) is not None
    ]
    return [*own, *(tree_leaves(output[1:]) if isinstance(output, tuple) else [])]


@dataclass(eq=False)
class _Value:
    """One value that a call computed, or one that it began with.

    Attributes
    ----------
    operation : str
        What computed it: an operation of aten without the underscore of in-place forms; empty for
        what the call began with.
    inputs : tuple of _Value
        What it was computed from.
    elements : int
        Its number of elements.
    is_old_state : bool
        Whether it is the layer's state before the call.
    """

    operation: str
    inputs: tuple[_Value, ...]
    elements: int
    is_old_state: bool = False


@dataclass
class _Slice:
    """Everything on the way from the new state back to where it comes from, in order."""

    arithmetic: list[_Value] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    has_begin: bool = False
    has_old_state: bool = False
    is_synaptic: bool = False


#: A tensor's storage, and how it looks at it.
_Place = tuple[Any, ...]


class _Call(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down the operations of one call, as numbered values.

    The same operation on the same values is the same value. Tensors are known by their storage and
    how they look at it, because torch makes new objects for one tensor. Weak references to the
    storages keep their identities, but not their memory, from being used again.
    """

    def __init__(self, old_state: Iterable[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.failed = ""
        self._storages: dict[int, StorageWeakRef] = {}
        self._old_state = {self._place(tensor) for tensor in old_state}
        # Each value with the number of writes to its storage that it takes account of.
        self._values: dict[_Place, tuple[_Value, int]] = {}
        self._writes: dict[int, list[tuple[_Place, _Value]]] = {}
        self._known: dict[tuple[Any, ...], _Value] = {}
        self._order: dict[int, int] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: torch would else import its compiler, which takes seconds."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func._schema.name.removeprefix("aten::").rstrip("_") not in KNOWN:
            # In inference mode operations come whole that come as their parts otherwise.
            with self:
                parts = func.decompose(*args, **named)
            if parts is not NotImplemented:
                return parts
        inputs: list[Any] | None = None
        try:
            inputs = [self._value_or_number(leaf) for leaf in tree_leaves((args, named))]
        except Exception as error:
            self.fail(error)
        output = func(*args, **named)
        try:
            if inputs is not None:
                self._note(func, inputs, output)
        except Exception as error:
            self.fail(error)
        return output

    def fail(self, error: Exception) -> None:
        """Note that the call cannot be followed."""
        self.failed = f"its tensors cannot be followed ({type(error).__name__}: {error})"

    def _value_or_number(self, leaf: Any) -> Any:
        return self._value(leaf) if isinstance(leaf, torch.Tensor) else leaf

    def _place(self, tensor: torch.Tensor) -> _Place:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            weak = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
            self._storages[storage._cdata] = weak
        offset, shape = tensor.storage_offset(), tuple(tensor.shape)
        return (storage._cdata, offset, shape, tensor.stride(), tensor.dtype)

    def _value(self, tensor: torch.Tensor) -> _Value:
        place = self._place(tensor)
        if place not in self._values:
            leaf = _Value("", (), tensor.numel(), place in self._old_state)
            self._values[place] = leaf, 0
        value, seen = self._values[place]
        writes = self._writes.get(place[0], [])
        later = [new for other, new in writes[seen:] if other != place]
        if later:  # through other views of the same storage
            parts = (value, *later)
            mixed = _Value("alias", parts, value.elements)
            value = self._known.setdefault(("alias", *map(id, parts)), mixed)
        self._values[place] = value, len(writes)
        return value

    def _note(self, func: Any, inputs: list[Any], output: Any) -> None:
        namespace, _, name = func._schema.name.partition("::")
        changes_input = func._schema.is_mutable
        name = name.rstrip("_") if changes_input else name
        name = name if namespace == "aten" else func._schema.name
        if name == "copy":  # what was there before is lost
            inputs = inputs[1:]
        elif name == "mul" and _is_of(inputs, "reciprocal", 1):  # torch's 1 / x
            name = "clone"
        elif name == "add" and _is_of(inputs, "neg"):  # TorchScript's 1 - x
            name, inputs = "rsub", [inputs[0].inputs[0], inputs[1]]
        elif name == "sum" and inputs[0].elements == output.numel():  # over an axis of one
            name = "clone"
        elif func._schema.overload_name.endswith("_mode"):  # a division that rounds
            name = "floor"
        values = tuple(one for one in inputs if isinstance(one, _Value))
        key: tuple[Any, ...] = tuple(
            id(one) if isinstance(one, _Value) else repr(one) for one in inputs
        )
        if name in NEW:
            key, values = (len(self._order),), ()
        for index, tensor in enumerate(tree_leaves(output)):
            if isinstance(tensor, torch.Tensor):
                found = _Value(name, values, tensor.numel())
                found = self._known.setdefault((name, index, tuple(tensor.shape), *key), found)
                self._order.setdefault(id(found), len(self._order))
                self._set(self._place(tensor), found, changes_input)

    def _set(self, place: _Place, value: _Value, changes_input: bool) -> None:
        writes = self._writes.setdefault(place[0], [])
        if changes_input:
            writes.append((place, value))
        self._values[place] = value, len(writes)

    def slice(self, state: Iterable[torch.Tensor]) -> _Slice:
        """Go back from the new state to comparisons, synapses, the input and the old state."""
        found = _Slice()
        open_values = [
            self._value(tensor) for tensor in state if self._place(tensor) in self._values
        ]
        seen: set[int] = set()
        while open_values:
            value = open_values.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if self._goes_on(value, found):
                open_values += value.inputs
        found.arithmetic.sort(key=lambda value: self._order[id(value)])
        return found

    def _goes_on(self, value: _Value, found: _Slice) -> bool:
        """Note `value` in the slice; whether the way leads on to what it was computed from."""
        name = value.operation
        found.has_old_state |= value.is_old_state
        found.has_begin |= value.is_old_state or name in NEW
        found.is_synaptic |= name in SYNAPTIC
        if name in ARITHMETIC:
            found.arithmetic.append(value)
            return True
        if name and name not in KNOWN:
            found.unknown.append(name)
        return name in FREE


def _is_of(inputs: list[Any], operation: str, *number: float) -> bool:
    """Whether the inputs are what `operation` gave, and a number (this one, if there is one)."""
    if len(inputs) < 2 or not isinstance(inputs[0], _Value) or isinstance(inputs[1], _Value):
        return False
    return inputs[0].operation == operation and number in ((), (inputs[1],))


def _operations(found: _Slice, steps: int, neurons: int) -> tuple[tuple[str, ...], str]:
    """The operations of one update, or why there is no price.

    Parameters
    ----------
    found : _Slice
        What the new state was computed from.
    steps : int
        Time steps of the call.
    neurons : int
        Elements of the potential in one step.
    """
    if found.unknown:
        names = ", ".join(sorted(set(found.unknown)))
        return (), f"its update uses {names}, whose operations are not known"
    # Steps of one call follow from each other, also where the first begins with a number.
    has_begin = found.has_begin or (steps > 1 and not found.is_synaptic)
    if not found.arithmetic or not has_begin:
        if found.is_synaptic:
            return (), "its state passes through a matrix product or a convolution"
        return (), "no operation of its update was seen"
    shaped: Counter[str] = Counter()
    for value in found.arithmetic:
        if value.elements >= neurons:
            for name in ARITHMETIC[value.operation]:
                shaped[name] += value.elements
    left = {name: round(elements / (steps * neurons)) for name, elements in shaped.items()}
    # What a call does once, before or after its steps, is no part of an update.
    most_at_once = neurons * (steps // 4)
    for name, elements in shaped.items():
        if abs(elements - left[name] * steps * neurons) > most_at_once:
            return (), "its operations differ from neuron to neuron, or from step to step"
    return tuple(_listed(found.arithmetic, left, neurons)), ""


def _listed(arithmetic: list[_Value], left: dict[str, int], neurons: int) -> list[str]:
    """The operations of the last step, in order; `left` says how often each occurs."""
    listed: list[str] = []
    for value in reversed(arithmetic):
        for name in reversed(ARITHMETIC[value.operation]):
            if value.elements < neurons:
                listed.append(f"{name}°")
                continue
            times = min(left[name], max(1, value.elements // neurons))
            left[name] -= times
            listed += [name] * times
    return listed[::-1]


def _versions(kind: type) -> str:
    """The framework that `kind` comes from, and torch, with their versions."""
    return ", ".join([*_framework_versions(kind), f"torch {torch.__version__}"])


def _framework_versions(kind: type) -> Iterator[str]:
    packages = dict.fromkeys(base.__module__.partition(".")[0] for base in kind.__mro__)
    for package in packages:
        if package not in ("torch", "builtins", "typing", "abc"):
            try:
                yield f"{package} {metadata.version(package)}"
            except metadata.PackageNotFoundError:
                continue
