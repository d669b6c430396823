"""Watch the ``forward`` of spiking layers where no hook is called.

A subclass may call its parent's ``forward``, once for each time step, and a program a layer's
``forward`` itself. While a layer is watched, the ``forward`` of its classes is wrapped: the layer
stays as it is, and other layers of these classes, also copies of it, are let through.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Callable, Protocol

from .compiled import never_traced
from .network import passed_potential

if TYPE_CHECKING:
    import torch


class Watcher(Protocol):
    """Is told of the calls of a layer's ``forward``, also of those within each other."""

    @property
    def is_called(self) -> bool:
        """Whether it knows already of a call that is not over."""

    def enter(self, passed: torch.Tensor | None, is_named: bool) -> None:
        """A call begins. The potential that it is passed, and whether it takes one by name."""

    def leave(self, output: Any) -> None:
        """The call is over; `output` is None where it raised."""


#: Those who watch a layer, by its identity.
_watchers: dict[int, list[Watcher]] = {}

#: The own ``forward`` of each class that is wrapped, and for how many watchers.
_wrapped: dict[type, tuple[Any, int]] = {}


def classes_with_forward(module: torch.nn.Module) -> list[type]:
    """The classes of a layer that have a ``forward``, each of which may call that of the next."""
    import snntorch

    spiking = [kind for kind in type(module).__mro__ if issubclass(kind, snntorch.SpikingNeuron)]
    return [kind for kind in spiking if inspect.isfunction(vars(kind).get("forward"))]


def watch_forward(module: torch.nn.Module, watcher: Watcher) -> Callable[[], None]:
    """Tell `watcher` of all calls, until the function that is returned is called."""
    kinds = classes_with_forward(module)
    for kind in kinds:
        _wrap(kind)
    _watchers.setdefault(id(module), []).append(watcher)

    def stop() -> None:
        _watchers[id(module)].remove(watcher)
        if not _watchers[id(module)]:
            del _watchers[id(module)]
        for kind in kinds:
            _unwrap(kind)

    return stop


def _wrap(kind: Any) -> None:
    own, count = _wrapped.get(kind, (vars(kind)["forward"], 0))
    _wrapped[kind] = own, count + 1
    if count:
        return
    passed, is_named = passed_potential(own, skips_self=True)

    @functools.wraps(own)
    def forward(self: Any, *inputs: Any, **named: Any) -> Any:
        watchers = _watchers.get(id(self))
        if watchers is None:
            return own(self, *inputs, **named)
        # Most calls are those of a layer of this very class, which hooks have told of.
        if type(self) is kind and all(watcher.is_called for watcher in watchers):
            return own(self, *inputs, **named)
        for watcher in watchers:
            watcher.enter(passed(inputs, named), is_named)
        output = None
        try:
            output = own(self, *inputs, **named)
            return output
        finally:
            for watcher in watchers:
                watcher.leave(output)

    never_traced(forward)
    kind.forward = forward


def _unwrap(kind: Any) -> None:
    own, count = _wrapped.pop(kind)
    if count > 1:
        _wrapped[kind] = own, count - 1
    else:
        kind.forward = own
