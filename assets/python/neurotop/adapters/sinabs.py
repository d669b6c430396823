"""Sinabs 3: a layer's call is all steps, ``[B, T, ...]``; ``v_mem`` is the potential after them.

``reset_fn`` is called once a step, with the state that it resets, so that it is wrapped; after it
comes only ``min_v_mem``. The layers' own ``record_states`` cannot be used: in ALIF and in recurrent
layers all its steps are the same. Only ExpLeak, which does not spike, is recorded by it.
"""

from __future__ import annotations

from typing import Any, Callable

from . import Sink, hook, replace_attribute

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
        """Wrap the reset function; have ExpLeak record its states."""
        call = _SpikingCall(module, sink) if module.reset_fn else _LeakingCall(module, sink)
        return hook(module, call.enter, call.leave)


class _SpikingCall:
    """One call of a layer that spikes."""

    def __init__(self, module: Any, sink: Sink) -> None:
        self.sink = sink
        self.before: Any = None
        self.restore: Callable[[], None] | None = None

    def enter(self, module: Any, _inputs: Any) -> None:
        """The call begins: wrap the reset function."""
        self.before = module.v_mem
        reset_fn = module.reset_fn

        def watched(spikes: Any, state: Any, threshold: Any) -> Any:
            state = reset_fn(spikes, state, threshold)
            after = state["v_mem"]
            if module.min_v_mem is not None:  # as sinabs does next
                after = (after - module.min_v_mem).relu() + module.min_v_mem
            self.sink.begin(self.before)
            self.sink.end(after)
            self.before = after
            return state

        self.restore = replace_attribute(module, "reset_fn", watched)

    def leave(self, _module: Any, _inputs: Any, output: Any) -> None:
        """The call is over, or raised, where `output` is None."""
        if self.restore is not None:
            self.restore()
            self.restore = None
        if output is not None:
            self.sink.was_called()


class _LeakingCall:
    """One call of a layer that does not spike."""

    def __init__(self, module: Any, sink: Sink) -> None:
        self.sink = sink
        self.before: Any = None
        self.recorded = False

    def enter(self, module: Any, _inputs: Any) -> None:
        """The call begins: record its states."""
        self.before = module.v_mem
        self.recorded, module.record_states = module.record_states, True

    def leave(self, module: Any, _inputs: Any, output: Any) -> None:
        """The call is over, or raised, where `output` is None."""
        module.record_states = self.recorded
        if output is None:
            return
        self.sink.was_called()
        self.sink.rows(self.before, module.recordings["v_mem"].transpose(0, 1))
        if not self.recorded:
            module.recordings = {}
