"""SpikingJelly 0.0.0.0.14 and 2.0.0: nodes keep the potential after the reset in ``v``.

Before the first step ``v`` is a number. A multi-step node keeps the potentials of all steps,
``[T, B, ...]``, in ``v_seq``, if ``store_v_seq`` is set. It is set for the length of such a call:
in single-step mode 2.0.0 would copy the whole sequence in each step.
"""

from __future__ import annotations

from typing import Any, Callable

from . import Sink, hook, replace_method

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
        return _Node(module, sink).attach()


class _Node:
    """One node, whose ``forward`` calls one of two methods: for one step, or for all of them.

    Both are wrapped, so that a step is seen wherever it is called. Where a ``forward`` of the
    user's own calls neither, hooks see the call, as one step.
    """

    def __init__(self, module: Any, sink: Sink) -> None:
        self.module = module
        self.sink = sink
        self.before: Any = None  # what the call of the node began with
        self.is_seen = False  # whether that call was one of a method
        self.stores = False  # within a method that stores the potentials of all its steps

    def attach(self) -> Callable[[], None]:
        """Set the hooks, and wrap the methods; what is returned undoes that."""
        module = self.module
        restores = [
            hook(module, self.enter, self.leave),
            replace_method(module, "single_step_forward", self.watch_one),
        ]
        if hasattr(module, "multi_step_forward") and hasattr(module, "store_v_seq"):
            # Else it calls the other.
            restores.append(replace_method(module, "multi_step_forward", self.watch_all))

        def detach() -> None:
            for restore in restores:
                restore()

        return detach

    def watch_one(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method that computes one step, of which the sink is told."""

        def watched(*arguments: Any, **named: Any) -> Any:
            before = self.module.v
            output = method(*arguments, **named)
            if not self.stores:
                self.is_seen = True
                self.sink.was_called()
                self.sink.begin(before)
                self.sink.end(self.module.v)
            return output

        return watched

    def watch_all(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method that computes all steps, of which the sink is told."""

        def watched(*arguments: Any, **named: Any) -> Any:
            module, before, outer = self.module, self.module.v, self.stores
            restore = None if module.store_v_seq else _store_v_seq(module)
            self.stores = True
            try:
                output = method(*arguments, **named)
                if not outer:
                    self.is_seen = True
                    self.sink.was_called()
                    if module.v_seq is not None:
                        self.sink.rows(before, module.v_seq)
                        given = getattr(arguments[0], "shape", ()) if arguments else ()
                        if given and given[0] != len(module.v_seq):  # those of the last call in it
                            self.sink.was_taken_for_one()
                return output
            finally:
                self.stores = outer
                if restore is not None:
                    restore()

        return watched

    def enter(self, module: Any, _inputs: Any) -> None:
        """The call begins."""
        self.before, self.is_seen = module.v, False

    def leave(self, module: Any, _inputs: Any, output: Any) -> None:
        """The call is over, or raised, where `output` is None."""
        if output is None or self.is_seen:
            return
        self.sink.was_called()
        if getattr(module, "step_mode", "s") == "s" and hasattr(module.v, "shape"):
            self.sink.begin(self.before)
            self.sink.end(module.v)
            self.sink.was_taken_for_one()


def _only_charges(module: Any) -> bool:
    """Whether the node integrates and does not spike: it has no memories, and all steps a call."""
    return any(kind.__name__ == "NonSpikingBaseNode" for kind in type(module).__mro__)


def _watch_steps(module: Any, method: str, sink: Sink) -> Callable[[], None]:
    """Hand over each step of a node that calls `method` once for it."""

    def watch(step: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            before = module.v
            output = step(*arguments, **named)
            sink.was_called()
            sink.begin(before)
            sink.end(module.v)
            return output

        return watched

    return replace_method(module, method, watch)


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
