"""NeuroBench's NeuronOperations for networks of any framework.

NeuroBench reads the potentials of snnTorch's layers only, and fails on layers without a price.
This metric takes snnTorch's layers from NeuroBench's own hooks, so that its figures are those of
NeuroBench wherever they are not 0.0; the layers of other frameworks it sees as the recorder does.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .benchmark import STALE, neurobench_layers, stale_steps, why_hooks_fail
from .encoding import changed_bits, changed_bits_as_neurobench
from .forwards import Within
from .hooks import hook_on, meter_on
from .layers import Layer
from .messages import RecorderError, tell
from .network import is_spiking, modules, qualified_names
from .neurobench_traps import StateWatch, may_hide_steps
from .options import is_count

if TYPE_CHECKING:
    from .hooks import AnyHook
    from .prices import Meter

__all__ = ["NeuronOperations"]


def NeuronOperations(costs: Mapping[str, int] | None = None) -> type:
    """Make a NeuroBench workload metric that prices the neurons of any framework.

    Parameters
    ----------
    costs : mapping of str to int, optional
        Operations of one update, by ``NEURON:RESET``, such as ``{"LIFNode:zero": 8}``: as the
        command's ``--cost``. They go before NeuroBench's own prices. A layer without a price is
        left out, with a warning.

    Returns
    -------
    type
        A class for ``metric_list``. Its result has NeuroBench's two figures, ``Effective Neuron
        Ops`` and ``Neuron Dense Ops``, under the name ``NeurotopNeuronOperations``.

    Raises
    ------
    ValueError
        A cost is not ``NEURON:RESET`` with a whole number of operations.
    ImportError
        NeuroBench is not installed.

    Examples
    --------
    >>> metric = neurotop.NeuronOperations({"LIFNode:zero": 8})  # doctest: +SKIP
    >>> benchmark = Benchmark(TorchModel(net), loader, [], [], [[], [metric]])
    """
    from neurobench.metrics.abstract import AccumulatedMetric

    prices = _prices(costs or {})

    class NeurotopNeuronOperations(AccumulatedMetric):  # type: ignore[misc]
        """Effective and dense operations of all layers, per sample."""

        def __init__(self) -> None:
            super().__init__(requires_hooks=True)
            self._count = _Count(prices)

        def reset(self) -> None:
            """Begin a run. NeuroBench calls this once, before the first batch."""
            self._count.detach()
            self._count = _Count(prices)
            self._count.begin(sys._getframe(1))

        def __call__(self, model: Any, preds: Any, data: tuple[Any, ...]) -> dict[str, float]:
            """Add one batch of ``data[0].size(0)`` samples."""
            self._count.add(model, int(data[0].size(0)))
            return self.compute()

        def compute(self) -> dict[str, float]:
            """The two figures of all batches so far."""
            return self._count.figures()

    return NeurotopNeuronOperations


def _prices(costs: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Operations of one update by neuron and reset: the user's, else NeuroBench's."""
    from neurobench.metrics.workload.neuron_operations import neuron_ops_reset_operations

    prices = {
        (neuron, reset): int(price)
        for neuron, resets in neuron_ops_reset_operations.items()
        for reset, price in resets.items()
    }
    for key, price in costs.items():
        neuron, _, reset = str(key).partition(":")
        whole = int(price) if isinstance(price, float) and price.is_integer() else price
        if not neuron or not reset or not is_count(whole):
            raise ValueError(f"costs: {key!r}: {price!r} is not NEURON:RESET and operations")
        prices[neuron, reset] = int(whole)
    return prices


class _Count:
    """What one ``Benchmark.run()`` adds up to."""

    def __init__(self, prices: dict[tuple[str, str], int]) -> None:
        self._prices = prices
        self._hooks: list[AnyHook] = []
        self._meters: dict[int, Meter] = {}
        self._watches: list[StateWatch] = []
        self._told: set[str] = set()
        self._stale: dict[int, tuple[int, int, int]] = {}
        self._effective = self._dense = self._samples = self._batches = 0

    def begin(self, caller: Any) -> None:
        """Set hooks on the layers of other frameworks, and measure the layers without a price."""
        manager = caller.f_locals.get("self")
        benchmark = caller.f_back.f_locals.get("self") if caller.f_back else None
        model = getattr(benchmark, "model", None)
        if model is None or not hasattr(manager, "clean_results"):
            raise RecorderError("this version of NeuroBench does not call metrics as expected")
        net = model.__net__()
        reason = why_hooks_fail(net)
        if reason:
            raise RecorderError(reason)
        self._stale = stale_steps(model)
        if self._stale:
            self._tell(STALE)
        names = qualified_names(net)
        for module in modules(net):
            if is_spiking(module):  # NeuroBench's own hooks see its potential
                self._measure(Layer("", module), steps_are_seen=False)
                if may_hide_steps(module):
                    self._watches.append(StateWatch(names[id(module)][0], module))
            elif (hook := hook_on(names[id(module)][0], module)) is not None:
                self._hooks.append(hook)
                self._measure(hook.layer, steps_are_seen=True)
        clean_results = manager.clean_results

        def detach_then_clean_results() -> None:
            self.detach()
            manager.clean_results = clean_results
            clean_results()

        manager.clean_results = detach_then_clean_results

    def _measure(self, layer: Layer, steps_are_seen: bool) -> None:
        if (layer.neuron, layer.reset) not in self._prices:
            meter = meter_on(layer, steps_are_seen)
            if meter is not None:
                self._meters[id(layer.module)] = meter

    def add(self, model: Any, samples: int) -> None:
        """Count one batch."""
        layers = []
        for layer in neurobench_layers(model, self._stale):
            if layer.unhooked:
                self._tell(
                    f"layer '{layer.name}' ({layer.neuron}) is not counted. {layer.unhooked}"
                )
            else:
                layers.append(layer)
        self._stale = {}
        for watch in self._watches:
            watch.close()
            if watch.hides_steps or Within.SEVERAL in watch.found:
                self._see_too_little(watch)
        for hook in self._hooks:
            hook.steps.close()
            layers.append(hook.layer)
        try:
            self._add_whole(layers, samples)
        finally:
            for hook in self._hooks:
                hook.reset()

    def _see_too_little(self, watch: StateWatch) -> None:
        """Tell of a layer that hides steps; what was measured is the price of several."""
        meter = self._meters.pop(id(watch.module), None)
        if meter is not None:
            meter.remove()
        does = "computes" if watch.hides_steps else "seems to compute"
        self._tell(
            f"layer '{watch.name}' {does} several time steps in one call, and NeuroBench sees the "
            "potential after the last one only: the figures are too small. neurotop.record() "
            "counts step by step, where each step assigns the potential"
        )

    def _add_whole(self, layers: list[Layer], samples: int) -> None:
        """Add a batch, or leave it out: its samples must not count without a layer's updates."""
        self._batches += 1
        for layer in layers:
            layer.meter = self._meters.get(id(layer.module))
            if (layer.neuron, layer.reset) in self._prices and (defect := layer.defect()):
                self._tell(
                    f"batch {self._batches} is not counted, since layer '{layer.name}' "
                    f"({layer.neuron}) cannot be: {defect}"
                )
                return
        for layer in layers:
            self._add_layer(layer)
        self._samples += samples

    def _add_layer(self, layer: Layer) -> None:
        price = self._prices.get((layer.neuron, layer.reset))
        label = f"layer '{layer.name}' ({layer.neuron})"
        if price is None:
            operations = "OPERATIONS"
            if layer.measured and not layer.measured.unpriced:
                operations = str(len(layer.measured.operations))
            self._tell(
                f"{label} has no price: it is left out of the operations. Give "
                f"neurotop.NeuronOperations(costs={{'{layer.neuron}:{layer.reset}': {operations}}})"
                + (", as measured." if operations.isdecimal() else ".")
            )
        elif layer.post:
            changed = changed_bits_as_neurobench if layer.flushes_subnormals() else changed_bits
            later = sum(int(np.unpackbits(packed).sum()) for packed in changed(layer))
            self._effective += price * (layer.post[0].numel() + later)
            self._dense += price * layer.post[0].numel() * len(layer.post)

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            tell(text)

    def figures(self) -> dict[str, float]:
        """Operations per sample, under NeuroBench's names."""
        effective, dense, samples = self._effective, self._dense, self._samples
        return {
            "Effective Neuron Ops": effective / samples if samples else 0,
            "Neuron Dense Ops": dense / samples if samples else 0,
        }

    def detach(self) -> None:
        """Take the hooks off the layers."""
        for meter in self._meters.values():
            meter.remove()
        for one in (*self._hooks, *self._watches):
            one.remove()
        self._hooks, self._watches = [], []
