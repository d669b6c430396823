"""The hooks on layers of snnTorch and of other frameworks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Union

from .compiled import never_compiled
from .layers import Layer
from .network import (
    PRICED,
    adapter_for,
    computes_all_steps,
    forgets_state,
    is_spiking,
    passed_potential,
)
from .steps import Steps, is_backward

if TYPE_CHECKING:
    import torch

    from .adapters import Adapter
    from .prices import Meter


class _MembraneHook:
    """Hands a snnTorch layer's membrane potential around each call to `Steps`.

    What counts is the potential that the layer begins with: the one that the network passes
    (``spk, mem = lif(x, mem)``), else the one that the layer kept.
    """

    def __init__(self, name: str, module: torch.nn.Module) -> None:
        self.layer = Layer(name, module)
        self.steps = Steps(self.layer)
        self._passed = passed_potential(module)
        self._forgets_state = forgets_state(module)
        self._computes_all_steps = computes_all_steps(module)
        enter, leave = never_compiled(self._enter), never_compiled(self._leave)
        self._handles = [
            module.register_forward_pre_hook(enter, with_kwargs=True),
            module.register_forward_hook(leave),
        ]

    def _enter(self, module: torch.nn.Module, inputs: Any, named: dict[str, Any]) -> None:
        passed = self._passed(inputs, named)
        if self._forgets_state:
            self.steps.begin(None)
        else:
            self.steps.begin(getattr(module, "mem", None) if passed is None else passed)

    def _leave(self, module: torch.nn.Module, _inputs: Any, output: Any) -> None:
        self.layer.called = True
        if self._computes_all_steps:
            self.steps.rows(None, output[1] if isinstance(output, tuple) else output)
            return
        after = getattr(module, "mem", None)
        if after is not None:
            self.steps.end(after)

    def remove(self) -> None:
        """Remove the hooks from the layer."""
        for handle in self._handles:
            handle.remove()


class _ParallelHook:
    """Collects the potentials of a LeakyParallel: what its ``rnn`` returns, ``[T, B, ...]``."""

    def __init__(self, name: str, module: torch.nn.Module) -> None:
        self.layer = Layer(name, module)
        self.steps = Steps(self.layer)
        rnn: Any = module.rnn
        self._handle = rnn.register_forward_hook(never_compiled(self._leave))

    def _leave(self, _module: torch.nn.Module, _inputs: Any, output: Any) -> None:
        self.layer.called = True
        potentials = output[0]
        # Without a batch axis it is one sample.
        self.steps.rows(None, potentials if potentials.dim() > 2 else potentials[:, None])

    def remove(self) -> None:
        """Take the hook off the layer."""
        self._handle.remove()


class _AdapterHook:
    """Collects the potentials of a layer of another framework, as its adapter sees them."""

    def __init__(self, name: str, module: torch.nn.Module, adapter: Adapter) -> None:
        self.layer = Layer(name, module, adapter=adapter)
        self.steps = Steps(self.layer)
        self.remove = adapter.attach(module, self.steps)


class RaiseWatch:
    """Notices that a call of the network raised, whose steps are not whole then."""

    def __init__(self, net: torch.nn.Module) -> None:
        self._raised = ""
        self._outer: list[BaseException | None] = []  # what was being handled before each call
        self._handles = [
            net.register_forward_pre_hook(never_compiled(self._enter)),
            net.register_forward_hook(never_compiled(self._leave), always_call=True),
        ]

    def _enter(self, _net: torch.nn.Module, _inputs: Any) -> None:
        self._outer.append(sys.exc_info()[1])

    def _leave(self, _net: torch.nn.Module, _inputs: Any, _output: Any) -> None:
        outer, error = self._outer.pop() if self._outer else None, sys.exc_info()[1]
        # torch.utils.checkpoint ends what it computes again by an exception.
        if error is not None and error is not outer and not is_backward():
            self._raised = type(error).__name__

    def raised(self) -> str:
        """The class of an exception since the last time that this was asked; empty if none came.

        It is asked between two calls. torch calls no hook after KeyboardInterrupt and its like.
        """
        found = self._raised or ("an exception" if self._outer else "")
        self._raised = ""
        self._outer.clear()
        return found

    def remove(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()


#: A hook that collects potentials.
AnyHook = Union[_MembraneHook, _ParallelHook, _AdapterHook]


def meter_on(layer: Layer, steps_are_seen: bool = True) -> Meter | None:
    """Begin to measure the price of `layer`; None where NeuroBench has one."""
    if (layer.neuron, layer.reset) in PRICED:
        return None
    from . import prices  # it imports torch

    return prices.meter_on(
        layer.module, layer.adapter, (lambda: layer.post) if steps_are_seen else None
    )


def hook_on(name: str, module: torch.nn.Module) -> AnyHook | None:
    """Begin to collect the potentials of `module`; None for what is no spiking layer."""
    if is_spiking(module):
        return _MembraneHook(name, module)
    if type(module).__name__ == "LeakyParallel" and hasattr(module, "rnn"):
        return _ParallelHook(name, module)
    adapter = adapter_for(module)
    return None if adapter is None else _AdapterHook(name, module, adapter)
