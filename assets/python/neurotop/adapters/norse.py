"""Norse 1.1: a module's ``activation`` is one step, ``(input, state, …) -> (spikes, state)``.

It is called once a step in cells and in multi-step modules, so that it is wrapped. The state is an
argument: nothing stays on the module. Its first ``v`` can be a single number.
"""

from __future__ import annotations

from typing import Any, Callable

from ..compiled import Hook
from . import Sink, replace_attribute

__all__ = ["Norse"]


class Norse:
    """Cells and multi-step modules, recurrent or not."""

    reset_advice = "pass no state (None) in the first call of each batch"
    calls_forward = False

    def finds(self, module: Any) -> bool:
        """Whether the module has an activation and a state to begin with."""
        return callable(getattr(module, "activation", None)) and hasattr(module, "state_fallback")

    def reset(self, module: Any) -> str:
        """Leaky integrators do not spike; all others are set to a potential."""
        kind = type(module).__name__
        return "none" if kind.startswith("LI") and not kind.startswith("LIF") else "zero"

    def state(self, module: Any, output: Any) -> list[Any]:
        """The state that comes with the spikes."""
        return _tensors(output[1]) if isinstance(output, tuple) else []

    def attach(self, module: Any, sink: Sink) -> Callable[[], None]:
        """Wrap the activation, and the one for sparse inputs."""
        called = Hook(module, lambda *_: sink.was_called())
        restores = [module.register_forward_hook(called).remove]
        for name in ("activation", "activation_sparse"):
            activation = getattr(module, name, None)
            if activation is not None:
                restores.append(replace_attribute(module, name, _watched(activation, sink)))

        def detach() -> None:
            for restore in restores:
                restore()

        return detach


def _watched(activation: Callable[..., Any], sink: Sink) -> Callable[..., Any]:
    """`activation`, each call of which is handed to `sink`."""

    def step(inputs: Any, state: Any, *arguments: Any, **named: Any) -> Any:
        before = _potential(state)
        if before is not None and before.dim() == 0:
            before = float(before)
        output, after = activation(inputs, state, *arguments, **named)
        potential = _potential(after)
        if potential is not None:
            sink.begin(before)
            sink.end(potential)
        return output, after

    return step


def _potential(state: Any) -> Any:
    """The potential of a state; refractory ones keep it in a state of their own."""
    inner = [getattr(state, name) for name in ("lif", "lif_adex") if hasattr(state, name)]
    return getattr(inner[0] if inner else state, "v", None)


def _tensors(state: Any) -> list[Any]:
    """What a state consists of, also in the states within it, but not its spikes."""
    fields = state._asdict() if hasattr(state, "_asdict") else {}
    found = []
    for name, value in fields.items():
        if name != "z":
            found += _tensors(value) if hasattr(value, "_asdict") else [value]
    return found
