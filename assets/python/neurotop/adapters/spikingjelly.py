"""SpikingJelly 0.0.0.0.14 and 2.0.0: nodes keep the potential after the reset in ``v``.

Before the first step ``v`` is a number. A multi-step node keeps the potentials of all steps,
``[T, B, ...]``, in ``v_seq``, if ``store_v_seq`` is set. It is set for the length of a call: in
single-step mode 2.0.0 would copy the whole sequence in each step.
"""

from __future__ import annotations

from typing import Any, Callable

from . import Sink, hook, replace_attribute

__all__ = ["SpikingJelly"]


class SpikingJelly:
    """Nodes with a memory ``v``, in single-step and in multi-step mode."""

    reset_advice = "call spikingjelly.activation_based.functional.reset_net(net) before each batch"
    calls_forward = False

    def finds(self, module: Any) -> bool:
        """Whether the module has a memory ``v``, or is one that does not spike."""
        return "v" in getattr(module, "_memories", ()) or _only_charges(module)

    def reset(self, module: Any) -> str:
        """A node without ``v_reset`` subtracts its threshold."""
        if _only_charges(module):
            return "none"
        return "subtract" if getattr(module, "v_reset", None) is None else "zero"

    def state(self, module: Any, output: Any) -> list[Any]:
        """The memories."""
        if _only_charges(module):
            return [getattr(module, "v", None)]
        return list(module._memories.values())

    def attach(self, module: Any, sink: Sink) -> Callable[[], None]:
        """Set hooks on the node."""
        if _only_charges(module):
            return _watch_steps(module, "neuronal_charge", sink)
        call = _Call(module, sink)
        # After an exception too, so that store_v_seq never stays set.
        return hook(module, call.enter, call.leave)


class _Call:
    """One call of a node, between its hooks."""

    def __init__(self, module: Any, sink: Sink) -> None:
        self.module = module
        self.sink = sink
        self.before: Any = None
        self.restore: Callable[[], None] | None = None

    def enter(self, module: Any, _inputs: Any) -> None:
        """The call begins."""
        self.before = module.v
        if getattr(module, "step_mode", "s") != "m":
            return
        if not hasattr(module, "store_v_seq"):
            self.restore = _watch_steps(module, "single_step_forward", self.sink)
        elif not module.store_v_seq:
            self.restore = _store_v_seq(module)

    def leave(self, module: Any, _inputs: Any, output: Any) -> None:
        """The call is over, or raised, where `output` is None."""
        restore, self.restore = self.restore, None
        try:
            if output is not None:
                self._hand_over(module)
        finally:
            if restore is not None:
                restore()

    def _hand_over(self, module: Any) -> None:
        self.sink.was_called()
        if getattr(module, "step_mode", "s") == "s":
            self.sink.begin(self.before)
            self.sink.end(module.v)
        elif getattr(module, "v_seq", None) is not None:
            self.sink.rows(self.before, module.v_seq)


def _only_charges(module: Any) -> bool:
    """Whether the node integrates and does not spike: it has no memories, and all steps a call."""
    return any(kind.__name__ == "NonSpikingBaseNode" for kind in type(module).__mro__)


def _watch_steps(module: Any, method: str, sink: Sink) -> Callable[[], None]:
    """Hand over each step of a node that calls `method` once for it."""
    step = getattr(module, method)

    def watched(*arguments: Any, **named: Any) -> Any:
        before = module.v
        output = step(*arguments, **named)
        sink.was_called()
        sink.begin(before)
        sink.end(module.v)
        return output

    return replace_attribute(module, method, watched)


def _store_v_seq(module: Any) -> Callable[[], None]:
    """Have a node keep the potentials of its next call; undone by what is returned.

    0.0.0.0.14 registers ``v_seq`` as a memory, which would stay.
    """
    known = "v_seq" in module._memories or "v_seq" in vars(module)
    module.store_v_seq = True

    def restore() -> None:
        module.store_v_seq = False
        if not known and "v_seq" in module._memories:
            del module.v_seq
        elif "v_seq" in module._memories or "v_seq" in vars(module):
            module.v_seq = None

    return restore
