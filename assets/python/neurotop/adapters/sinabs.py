"""Sinabs 3: a layer's call is all steps, ``[B, T, ...]``; ``v_mem`` is the potential after them.

``reset_fn`` is called once a step, with the state that it resets, so that it is wrapped; after it
comes only ``min_v_mem``. The layers' own ``record_states`` cannot be used: in ALIF and in recurrent
layers all its steps are the same. Only ExpLeak, which does not spike, is recorded by it.
"""

from __future__ import annotations

from typing import Any, Callable

from . import Sink, replace_attribute, replace_method

__all__ = ["Sinabs"]


class Sinabs:
    """LIF, ALIF, IAF and ExpLeak, recurrent and squeezed."""

    reset_advice = "call reset_states() of each layer before each batch"
    calls_forward = False

    def finds(self, module: Any) -> bool:
        """Whether the module has ``v_mem`` and a reset function."""
        return hasattr(module, "v_mem") and hasattr(module, "reset_fn")

    def reset(self, module: Any) -> str:
        """By the class of the reset function."""
        names = {"MembraneSubtract": "subtract", "MembraneReset": "zero"}
        return names.get(type(module.reset_fn).__name__, "none")

    def state(self, module: Any, output: Any) -> list[Any]:
        """The potential and the currents, which are buffers."""
        return list(module._buffers.values())

    def attach(self, module: Any, sink: Sink) -> Callable[[], None]:
        """Wrap ``forward``, which a program may call itself."""
        call = _spiking_call if module.reset_fn else _leaking_call
        return replace_method(module, "forward", lambda forward: call(module, forward, sink))


def _spiking_call(module: Any, forward: Callable[..., Any], sink: Sink) -> Callable[..., Any]:
    """`forward` of a layer that spikes, within which its reset function is wrapped."""

    def watched(*arguments: Any, **named: Any) -> Any:
        reset = _Reset(module, sink)
        restore = replace_attribute(module, "reset_fn", reset)
        try:
            output = forward(*arguments, **named)
        finally:
            restore()
        sink.was_called()
        return output

    return watched


class _Reset:
    """The reset function of a layer, which ends each step."""

    def __init__(self, module: Any, sink: Sink) -> None:
        self.module = module
        self.sink = sink
        self.reset_fn = module.reset_fn
        self.kept = self.before = module.v_mem

    def __call__(self, spikes: Any, state: Any, threshold: Any) -> Any:
        """Reset the state, and tell the sink of the step."""
        module = self.module
        if module.v_mem is not self.kept:  # a call of the layer within this one is over
            self.kept = self.before = module.v_mem
        state = self.reset_fn(spikes, state, threshold)
        after = state["v_mem"]
        if module.min_v_mem is not None:  # as sinabs does next
            after = (after - module.min_v_mem).relu() + module.min_v_mem
        self.sink.begin(self.before)
        self.sink.end(after)
        self.before = after
        return state


def _leaking_call(module: Any, forward: Callable[..., Any], sink: Sink) -> Callable[..., Any]:
    """`forward` of a layer that does not spike, and records its states for the length of a call."""
    is_known = str(getattr(forward, "__module__", "")).startswith("sinabs.")

    def watched(*arguments: Any, **named: Any) -> Any:
        before, recorded = module.v_mem, module.record_states
        module.record_states = True
        try:
            output = forward(*arguments, **named)
        finally:
            module.record_states = recorded
        sink.was_called()
        rows = module.recordings["v_mem"].transpose(0, 1)
        sink.rows(before, rows)
        given = getattr(arguments[0], "shape", ()) if arguments else ()
        if not is_known and given[1:2] != rows.shape[:1]:  # others may be of an earlier call in it
            sink.was_taken_for_one()
        if not recorded:
            module.recordings = {}
        return output

    return watched
