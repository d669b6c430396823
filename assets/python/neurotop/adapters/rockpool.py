"""Rockpool 3: a layer's ``forward`` is all steps, ``[B, T, N]``, and can record ``vmem``."""

from __future__ import annotations

from typing import Any, Callable

from . import Sink, replace_method

__all__ = ["Rockpool"]

_RECORDED = ("vmem", "isyn", "irec")


class Rockpool:
    """LIFTorch and its relatives."""

    reset_advice = "call net.reset_state() before each batch"
    calls_forward = False

    def finds(self, module: Any) -> bool:
        """Whether the module has ``vmem`` and records on request."""
        return hasattr(module, "vmem") and hasattr(module, "_record")

    def reset(self, module: Any) -> str:
        """Spikes subtract the threshold; layers without one do not spike."""
        return "subtract" if hasattr(module, "threshold") else "none"

    def state(self, module: Any, output: Any) -> list[Any]:
        """The potential and the currents."""
        return [module.vmem, module.isyn]

    def attach(self, module: Any, sink: Sink) -> Callable[[], None]:
        """Wrap ``forward``: it records, for the length of the call."""

        def watch(forward: Callable[..., Any]) -> Callable[..., Any]:
            def watched(*arguments: Any, **named: Any) -> Any:
                before, recorded = module.vmem.clone(), module._record
                module._record = True
                try:
                    output = forward(*arguments, **named)
                finally:
                    module._record = recorded
                potentials = module._record_dict["vmem"].transpose(0, 1)
                sink.was_called()
                # The state has no batch axis: all samples begin with it.
                sink.rows(before.expand_as(potentials[0]), potentials)
                if not recorded:
                    for name in _RECORDED:
                        module._record_dict.pop(name, None)
                return output

            return watched

        return replace_method(module, "forward", watch)
