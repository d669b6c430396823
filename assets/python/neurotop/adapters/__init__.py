"""How spiking layers of other frameworks than snnTorch show their membrane potential.

Each framework has one file with one class, an `Adapter`. It finds the framework's layers, and hands
the potential before and after each time step to a `Sink`. Nothing here imports a framework: whoever
has such a layer has imported it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from types import MethodType
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, Union

from ..compiled import Hook, disabled, never_traced

if TYPE_CHECKING:
    import torch

    #: What a step begins with: a potential, one number for all neurons, or None for rest.
    Before = Optional[Union["torch.Tensor", float]]

__all__ = ["Adapter", "Instead", "Sink", "adapter_for"]


class Sink(Protocol):
    """Takes the potentials of one layer, step by step, each ``[B, ...]``."""

    def begin(self, before: Before) -> None:
        """A step begins with the potential `before`."""

    def end(self, after: torch.Tensor) -> None:
        """The step ends with the potential `after`."""

    def rows(self, before: Before, potentials: torch.Tensor) -> None:
        """All steps of one call, ``[T, B, ...]``, of which the first begins with `before`."""

    def was_called(self) -> None:
        """The layer was called, whatever is seen of its potential."""

    def was_taken_for_one(self) -> None:
        """A call was taken for one step, since nothing is seen of what is within it."""


class Adapter(Protocol):
    """What the recorder must know of a framework.

    Attributes
    ----------
    reset_advice : str
        How a user brings all layers to rest before a batch.
    calls_forward : bool
        Whether the framework calls a layer's ``forward`` itself, so that hooks are never called.
    """

    reset_advice: str
    calls_forward: bool

    def finds(self, module: torch.nn.Module) -> bool:
        """Whether `module` is one of the framework's layers with a potential."""

    def reset(self, module: torch.nn.Module) -> str:
        """The layer's reset mechanism: ``subtract``, ``zero`` or ``none``."""

    def state(self, module: torch.nn.Module, output: Any) -> list[Any]:
        """What the layer hands to its next step, once a call has returned `output`.

        Before a call `output` is None. What is no tensor is not looked at.
        """

    def attach(self, module: torch.nn.Module, sink: Sink) -> Callable[[], None]:
        """Hand each step of the layer to `sink`, until the function that is returned is called."""


def adapter_for(module: torch.nn.Module) -> Adapter | None:
    """The adapter that finds `module`, if any: of the frameworks that are imported."""
    from . import bindsnet, norse, rockpool, sinabs, spikingjelly

    adapters: dict[str, Adapter] = {
        "spikingjelly": spikingjelly.SpikingJelly(),
        "norse": norse.Norse(),
        "sinabs": sinabs.Sinabs(),
        "bindsnet": bindsnet.BindsNet(),
        "rockpool": rockpool.Rockpool(),
    }
    for package, adapter in adapters.items():
        if package in sys.modules and adapter.finds(module):
            return adapter
    return None


def hook(module: torch.nn.Module, enter: Any, leave: Any) -> Callable[[], None]:
    """Call `enter` before each call and `leave` after it, after an exception too.

    The function that is returned takes both hooks off.
    """
    handles = [
        module.register_forward_pre_hook(Hook(module, enter)),
        module.register_forward_hook(Hook(module, leave), always_call=True),
    ]

    def detach() -> None:
        for handle in handles:
            handle.remove()

    return detach


class Instead:
    """A function in the place of an attribute. A copy of its owner has the attribute as it was.

    Attributes
    ----------
    old : callable
        What the attribute was.
    was_set : bool
        Whether it was set on the owner itself; else it is that of its class.
    """

    def __init__(
        self, function: Callable[..., Any], old: Callable[..., Any], was_set: bool
    ) -> None:
        functools.update_wrapper(self, old)  # first: it takes over attributes, such as these
        self.old = old
        self.was_set = was_set
        self._function = function
        self._is_disabled = False
        never_traced(Instead.__call__)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if not self._is_disabled and "torch._dynamo" in sys.modules:  # as `Hook` does
            self._function, self._is_disabled = disabled(self._function), True
        return self._function(*arguments, **named)

    def retire(self) -> None:
        """Be the attribute as it was, for whoever has kept this."""
        self._function, self._is_disabled = self.old, True

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (self.old,)


def replace_attribute(owner: Any, name: str, function: Callable[..., Any]) -> Callable[[], None]:
    """Set an attribute; the function that is returned brings the old one back.

    What the program sets in its place meanwhile stays.
    """
    had, old = name in vars(owner), getattr(owner, name)
    instead = Instead(function, old, had)
    setattr(owner, name, instead)

    def restore() -> None:
        instead.retire()
        if vars(owner).get(name) is not instead:  # the program has set another
            return
        if had:
            setattr(owner, name, old)
        else:  # the class's own shows again
            delattr(owner, name)

    return restore


#: A method, bound or wrapped.
_Method = Callable[..., Any]


class _Replaced:
    """A method of a class that is another one for some of its layers.

    Attributes
    ----------
    own : function
        The method.
    layers : dict
        What it is for each of those layers, by identity, the newest last.
    """

    def __init__(self, kind: Any, name: str) -> None:
        self.own = own = getattr(kind, name)
        self.layers: dict[int, list[Instead]] = {}
        self._was_set = name in vars(kind)

        @functools.wraps(own)
        def method(layer: Any, *arguments: Any, **named: Any) -> Any:
            # A method of a subclass calls this one as it was.
            chain = self.layers.get(id(layer)) if type(layer) is kind else None
            return chain[-1](*arguments, **named) if chain else own(layer, *arguments, **named)

        never_traced(method)
        self._method = method
        setattr(kind, name, method)

    def bring_back(self, kind: Any, name: str) -> None:
        """Undo that, unless the program has set another method."""
        if vars(kind).get(name) is not self._method:
            return
        if self._was_set:
            setattr(kind, name, self.own)
        else:  # the parent class's shows again
            delattr(kind, name)


#: By the class and the name of the method.
_replaced: dict[tuple[type, str], _Replaced] = {}


def replace_method(layer: Any, name: str, wrap: Callable[[_Method], _Method]) -> Callable[[], None]:
    """Wrap a method of one layer; the function that is returned brings the old one back.

    It is replaced in the class, for this layer alone: a copy that shares the layer's attributes
    would call a method that was set on the layer, and change the state of the layer.
    """
    kind = type(layer)
    if name in vars(layer) or not inspect.isfunction(getattr(kind, name)):
        return replace_attribute(layer, name, wrap(getattr(layer, name)))
    if (kind, name) not in _replaced:
        _replaced[kind, name] = _Replaced(kind, name)
    replaced = _replaced[kind, name]
    chain = replaced.layers.setdefault(id(layer), [])
    old: _Method = chain[-1] if chain else MethodType(replaced.own, layer)
    instead = Instead(wrap(old), old, False)
    chain.append(instead)

    def restore() -> None:
        instead.retire()
        chain.remove(instead)
        if not chain:
            del replaced.layers[id(layer)]
        if not replaced.layers:
            del _replaced[kind, name]
            replaced.bring_back(kind, name)

    return restore
