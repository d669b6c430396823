"""The hooks on layers of snnTorch and of other frameworks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Union

from .compiled import Hook
from .forwards import Calls, Within, follow
from .layers import Layer
from .network import (
    PRICED,
    adapter_for,
    computes_all_steps,
    forgets_state,
    is_parallel,
    is_spiking,
    kept_potential,
)
from .steps import Steps, is_backward

if TYPE_CHECKING:
    import torch

    from .adapters import Adapter
    from .prices import Meter


class _LayerHook:
    """What all hooks on a layer have: the layer, and the steps that they collect."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.steps = Steps(layer)
        self.raised = ""

    def reset(self) -> None:
        """Forget the batch."""
        self.steps.reset()


class _MembraneHook(Calls, _LayerHook):
    """Hands a snnTorch layer's membrane potential before and after each step to `Steps`.

    What counts is the potential that a step begins with: the one that is passed
    (``spk, mem = lif(x, mem)``), else the one that the layer kept.
    """

    def __init__(self, name: str, module: torch.nn.Module) -> None:
        Calls.__init__(self, module)
        _LayerHook.__init__(self, Layer(name, module))
        self.layer.within = self.found
        self._forgets_state = forgets_state(module)
        self._stops = [*self.hook(is_told=True), follow(module, self)]

    def begin(self, passed: torch.Tensor | None) -> None:
        """Keep the potential that the step begins with."""
        kept = kept_potential(self._module)
        self.steps.begin(None if self._forgets_state else kept if passed is None else passed)

    def end(self) -> None:
        """Keep the potential that the step ended with."""
        self.layer.called = True
        after = kept_potential(self._module)
        if after is not None:
            self.steps.end(after)

    def amend(self) -> None:
        """Keep the potential that was made of it after the step."""
        after = kept_potential(self._module)
        if after is not None:
            self.steps.amend(after)

    def over(self, steps: int) -> None:
        """Note that the layer was called, whatever was seen of its potential."""
        self.layer.called |= steps > 0 or Within.GENERATOR in self.found

    def mix_up(self) -> None:
        """The steps of this batch cannot be told apart."""
        self.layer.called = True
        self.layer.defects.append("two threads called it at the same time")

    def has_changed(self) -> bool:
        """Whether the potential is another than the one with which the step began."""
        kept = kept_potential(self._module)
        return kept is not None and self.steps.has_left(kept)

    def reset(self) -> None:
        """Forget the batch, and a call that was interrupted."""
        super().reset()
        self.forget()
        self.raised = ""

    def remove(self) -> None:
        """Take the hooks off the layer."""
        for stop in self._stops:
            stop()


class _SequenceHook(_LayerHook):
    """Collects the potentials of a layer of snnTorch that computes all steps in one call."""

    def __init__(
        self, name: str, module: torch.nn.Module, inner: torch.nn.Module, place: int
    ) -> None:
        super().__init__(Layer(name, module))
        self._place = place
        self._handle = inner.register_forward_hook(Hook(inner, self._leave))

    def _leave(self, _module: torch.nn.Module, _inputs: Any, output: Any) -> None:
        self.layer.called = True
        potentials = output[self._place] if isinstance(output, tuple) else output
        # Without a batch axis it is one sample.
        self.steps.rows(None, potentials if potentials.dim() > 2 else potentials[:, None])

    def remove(self) -> None:
        """Take the hook off the layer."""
        self._handle.remove()


class _AdapterHook(_LayerHook):
    """Collects the potentials of a layer of another framework, as its adapter sees them."""

    def __init__(self, name: str, module: torch.nn.Module, adapter: Adapter) -> None:
        super().__init__(Layer(name, module, adapter=adapter))
        self.remove = adapter.attach(module, self.steps)


class RaiseWatch:
    """Notices that a call of the network raised, whose steps are not whole then."""

    def __init__(self, net: torch.nn.Module) -> None:
        self._raised = ""
        self._outer: list[BaseException | None] = []  # what was being handled before each call
        self._handles = [
            net.register_forward_pre_hook(Hook(net, self._enter)),
            net.register_forward_hook(Hook(net, self._leave), always_call=True),
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
AnyHook = Union[_MembraneHook, _SequenceHook, _AdapterHook]


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
        if computes_all_steps(module):
            return _SequenceHook(name, module, module, 1)
        return _MembraneHook(name, module)
    if is_parallel(module):
        rnn: Any = module.rnn
        return _SequenceHook(name, module, rnn, 0)
    adapter = adapter_for(module)
    return None if adapter is None else _AdapterHook(name, module, adapter)
