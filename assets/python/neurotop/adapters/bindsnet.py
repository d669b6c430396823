"""BindsNET 0.3: ``Network.run`` calls each layer's ``forward`` directly, once a step.

Hooks are never called, so that ``forward`` is wrapped; ``v`` is changed in place, so that it is
copied.
"""

from __future__ import annotations

from typing import Any, Callable

from . import Sink, replace_method

__all__ = ["BindsNet"]


class BindsNet:
    """Nodes with a potential ``v``, ``[B, ...]``."""

    reset_advice = "call network.reset_state_variables() before each batch"
    calls_forward = True

    def finds(self, module: Any) -> bool:
        """Whether the module is a layer of a BindsNET network, and no input."""
        return hasattr(module, "v") and hasattr(module, "s") and hasattr(module, "set_batch_size")

    def reset(self, module: Any) -> str:
        """Neurons that spike are set to a potential."""
        return "none" if type(module).__name__ == "McCullochPitts" else "zero"

    def state(self, module: Any, output: Any) -> list[Any]:
        """The potential."""
        return [module.v]

    def attach(self, module: Any, sink: Sink) -> Callable[[], None]:
        """Wrap ``forward``."""

        def watch(forward: Callable[..., Any]) -> Callable[..., Any]:
            def watched(*arguments: Any, **named: Any) -> Any:
                before = module.v.clone()
                output = forward(*arguments, **named)
                sink.was_called()
                sink.begin(before)
                sink.end(module.v.clone())
                return output

            return watched

        return replace_method(module, "forward", watch)
