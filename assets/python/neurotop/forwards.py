"""Follow the calls of spiking layers of snnTorch, and the time steps within them.

A subclass may call its parent's ``forward``, once for each time step, and a program a layer's
``forward`` itself. While a layer is watched, the ``forward`` of its classes is wrapped: the layer
stays as it is, and other layers of these classes, also copies of it, are let through. Hooks see the
calls of a ``forward`` that was set on the layer itself. The steps within a function that is not
snnTorch's are told by the potentials that it assigns.
"""

from __future__ import annotations

import enum
import functools
import inspect
import sys
from threading import get_ident
from typing import TYPE_CHECKING, Any, Callable

from .adapters import Instead
from .assignments import Assignments, is_of_snntorch
from .compiled import Hook, never_traced
from .network import kept_potential, passed_potential, potential_in

if TYPE_CHECKING:
    import torch

#: What a call that raised returns.
RAISED = object()

#: Of a call that a wrapped ``forward`` tells of.
_TOLD = object()


class Within(enum.Enum):
    """What is within a call that is not one of snnTorch's own ``forward``."""

    LOOP = enum.auto()  # the potential is assigned in one step after the other
    SEVERAL = enum.auto()  # there seem to be several steps, and the last potential is assigned
    OWN = enum.auto()  # another update than that of snnTorch's forward, which was replaced
    GENERATOR = enum.auto()  # nothing yet: the steps come later


class _Call:
    """A call that is not over."""

    __slots__ = "assignments", "has_inner", "steps", "thread"

    def __init__(self, assignments: Assignments | None) -> None:
        self.assignments = assignments  # None for what is snnTorch's own
        self.steps = 0  # those that are over within it
        self.has_inner = False  # whether they are calls of their own
        self.thread = get_ident()


class Calls:
    """Follows the calls of one layer, and tells a subclass of each step.

    A step is a call of the layer's ``forward``. Where that calls the one of its parent class, as a
    subclass does, each of these inner calls is one.

    Attributes
    ----------
    found : set of Within
        What is within the calls of functions that are not snnTorch's.
    raised : str
        The class of an exception that has left a step unfinished; empty if none has.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.found: set[Within] = set()
        self.raised = ""
        self._module = module
        self._calls: list[_Call] = []  # those that are not over, each within the one before
        self._takes_potential = False
        self._hooked: list[Any] = []  # of each call that hooks see, what was being handled before
        self._is_told = True
        self._is_hidden = not _is_function(module)
        self._signature: tuple[Any, Any, bool] = None, None, False

    def hook(self, is_told: bool) -> list[Callable[[], None]]:
        """Follow the calls by hooks, too; what is returned takes them off.

        Parameters
        ----------
        is_told : bool
            Whether a wrapped ``forward`` tells of calls: then only those are followed that come to
            another.
        """
        module, self._is_told = self._module, is_told
        handles = [
            module.register_forward_pre_hook(Hook(module, self._called), with_kwargs=True),
            module.register_forward_hook(
                Hook(module, self._returned), with_kwargs=True, always_call=True
            ),
        ]
        return [handle.remove for handle in handles]

    def _called(self, module: torch.nn.Module, inputs: Any, named: Any) -> None:
        is_hidden = self._is_hidden or "forward" in module.__dict__
        if self._is_told and not is_hidden:
            if self._hooked:  # within another call
                self._hooked.append(_TOLD)
            return
        if self._calls:  # of a call that was interrupted
            self.forget()
        self._hooked.append(sys.exc_info()[1])
        passed, is_named = None, False
        if is_hidden:
            passed, is_named = self._passed(module.forward, inputs, named)
        self.enter(module, passed, is_named, is_hidden)

    def _returned(self, module: torch.nn.Module, inputs: Any, named: Any, output: Any) -> None:
        if self._hooked and (outer := self._hooked.pop()) is not _TOLD:
            error = sys.exc_info()[1]
            has_raised = error is not None and error is not outer
            self.leave(module, inputs or tuple(named.values()), RAISED if has_raised else output)

    def _passed(self, forward: Any, inputs: Any, named: Any) -> tuple[torch.Tensor | None, bool]:
        """The potential that is passed to a function that was set on the layer."""
        known, passed, is_named = self._signature
        if known is not forward:
            passed, is_named = passed_potential(forward)
            self._signature = forward, passed, is_named
        return passed(inputs, named), is_named

    def begin(self, passed: torch.Tensor | None) -> None:
        """A step begins with the potential that it is passed, or else with the one that is kept."""

    def end(self) -> None:
        """The step is over."""

    def amend(self) -> None:
        """The step before may have another potential now: something came after it in its call."""

    def over(self, steps: int) -> None:
        """The outermost call is over, with so many steps."""

    def mix_up(self) -> None:
        """Two threads are within calls of the layer, whose steps are mixed up."""

    def has_changed(self) -> bool:
        """Whether the potential is another than the one with which the step began."""
        return False

    def enter(
        self, _module: torch.nn.Module, passed: torch.Tensor | None, is_named: bool, is_own: bool
    ) -> None:
        """A call begins.

        Parameters
        ----------
        passed : torch.Tensor or None
            The potential that it is passed.
        is_named : bool
            Whether it takes one by name.
        is_own : bool
            Whether it is one of a function that is not snnTorch's.
        """
        call = _Call(Assignments(self._module, self._assigned) if is_own else None)
        # First, since another thread may be at this very line; or take it away at the next.
        self._calls.append(call)
        calls = self._calls.copy()
        around = calls[: calls.index(call)] if call in calls else calls
        if around:
            self._enter_inner(around, passed, is_named)
        else:
            self._takes_potential = is_named
            self.begin(passed)

    def _enter_inner(
        self, around: list[_Call], passed: torch.Tensor | None, is_named: bool
    ) -> None:
        """A call within others begins: with the first of them, a step that has begun goes on."""
        outer = around[-1]
        if outer.thread != get_ident():
            self.mix_up()
        if outer.assignments is not None:
            outer.assignments.stop()
            if outer.steps and not outer.has_inner:
                self.end()
        # The outer call may take the potential under another name than `mem`.
        takes_another = passed is not None and not self._takes_potential
        if takes_another or any(call.steps for call in around):
            self.begin(passed)
        self._takes_potential |= is_named

    def _assigned(self, passed: Any, is_next: bool) -> None:
        """The innermost call assigns the potential: perhaps of the next step, perhaps a passed."""
        if is_next:
            self.end()
            self._calls[-1].steps += 1
        self.begin(potential_in(passed))

    def leave(self, _module: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """The innermost call is over.

        Parameters
        ----------
        inputs : tuple
            What it was given.
        output : object
            What it returned; `RAISED` where it raised.
        """
        if not self._calls:
            return
        call = self._calls.pop()
        if call.assignments is not None:
            call.assignments.stop()
        if output is RAISED:
            if not call.has_inner and self.has_changed():
                self.raised = type(sys.exc_info()[1]).__name__
        elif call.assignments is not None and _comes_later(output):
            self.found.add(Within.GENERATOR)
        elif call.has_inner:
            self.amend()
        else:
            call.steps += 1
            self.end()
            if call.assignments is not None:
                self._look_at(call.assignments, inputs, output)
        if self._calls:
            self._calls[-1].steps += call.steps
            self._calls[-1].has_inner |= call.steps > 0
        else:
            self.over(call.steps)

    def _look_at(self, assignments: Assignments, inputs: tuple[Any, ...], output: Any) -> None:
        """Note what is within a call of a function that is not snnTorch's."""
        if assignments.are_calls:
            return
        if assignments.steps > 1:
            self.found.add(Within.LOOP)
        elif _seems_several(kept_potential(self._module), inputs, output):
            self.found.add(Within.SEVERAL)
        elif _is_replaced(self._module):
            self.found.add(Within.OWN)

    def forget(self) -> None:
        """Calls that were interrupted are over."""
        for call in self._calls:
            if call.assignments is not None:
                call.assignments.stop()
        self._calls.clear()
        self._hooked.clear()


#: Of each class that is wrapped, its own ``forward``, the wrapped one, and for how many layers.
_wrapped: dict[type, tuple[Any, Any, int]] = {}

#: What is told of the calls of a layer, when they begin and when they are over, by its identity.
_followers: dict[int, list[tuple[Hook, Hook]]] = {}


def classes_with_forward(module: torch.nn.Module) -> list[type]:
    """The classes of a layer that have a ``forward``, each of which may call that of the next."""
    import snntorch

    spiking = [kind for kind in type(module).__mro__ if issubclass(kind, snntorch.SpikingNeuron)]
    return [kind for kind in spiking if inspect.isfunction(vars(kind).get("forward"))]


def is_plain(module: torch.nn.Module) -> bool:
    """Whether each call of a layer is one of a single ``forward``, which snnTorch wrote."""
    kinds = classes_with_forward(module)
    own = [_wrapped.get(kind, (vars(kind)["forward"],))[0] for kind in kinds]
    return len(own) == 1 and is_of_snntorch(own[0]) and not _is_set(module)


def follow(module: torch.nn.Module, calls: Calls) -> Callable[[], None]:
    """Tell `calls` of all calls of a class's ``forward``, until what is returned is called."""
    kinds = classes_with_forward(module)
    for kind in kinds:
        _wrap(kind)
    follower = Hook(module, calls.enter), Hook(module, calls.leave)
    _followers.setdefault(id(module), []).append(follower)

    def stop() -> None:
        calls.forget()
        _followers[id(module)].remove(follower)
        if not _followers[id(module)]:
            del _followers[id(module)]
        for kind in kinds:
            _unwrap(kind)

    return stop


def _wrap(kind: Any) -> None:
    if kind in _wrapped:
        own, wrapped, count = _wrapped[kind]
        _wrapped[kind] = own, wrapped, count + 1
        return
    own = vars(kind)["forward"]
    passed, is_named = passed_potential(own, skips_self=True)
    is_own = not is_of_snntorch(own)

    @functools.wraps(own)
    def forward(self: Any, *inputs: Any, **named: Any) -> Any:
        followers = _followers.get(id(self))
        if followers is None:
            return own(self, *inputs, **named)
        for enter, _ in followers:
            enter(self, passed(inputs, named), is_named, is_own)
        output = RAISED
        try:
            output = own(self, *inputs, **named)
            return output
        finally:
            for _, leave in followers:
                leave(self, inputs or tuple(named.values()), output)

    never_traced(forward)
    _wrapped[kind] = own, forward, 1
    kind.forward = forward


def _unwrap(kind: Any) -> None:
    own, wrapped, count = _wrapped.pop(kind)
    if count > 1:
        _wrapped[kind] = own, wrapped, count - 1
    elif vars(kind).get("forward") is wrapped:  # and not what the program has set
        kind.forward = own


def _is_function(module: torch.nn.Module) -> bool:
    """Whether the ``forward`` of a layer's class is a function, which can be wrapped."""
    owners = (vars(kind)["forward"] for kind in type(module).__mro__ if "forward" in vars(kind))
    return inspect.isfunction(next(owners))


def _is_set(module: torch.nn.Module) -> bool:
    """Whether a layer's ``forward`` was set on the layer, and not by neurotop."""
    forward = vars(module).get("forward")
    while isinstance(forward, Instead) and forward.was_set:
        forward = forward.old
    return forward is not None and not isinstance(forward, Instead)


def _is_replaced(module: torch.nn.Module) -> bool:
    """Whether a ``forward`` of snnTorch was replaced: on the layer, or in snnTorch's class."""
    return _is_set(module) or type(module).__module__.startswith("snntorch.")


def _comes_later(output: Any) -> bool:
    """Whether a function has only begun when it returns."""
    return inspect.isgenerator(output) or inspect.iscoroutine(output)


def _seems_several(kept: torch.Tensor | None, inputs: tuple[Any, ...], output: Any) -> bool:
    """Whether what a call was given, or returned, has an axis more than the potential."""
    import torch

    if kept is None:
        return False
    first = inputs[0] if inputs else None
    if isinstance(first, (list, tuple)):
        return len(first) > 1 and all(getattr(one, "shape", None) == kept.shape for one in first)
    returned = output[0] if isinstance(output, tuple) and output else output
    return any(
        length > 1 and value.shape[:axis] + value.shape[axis + 1 :] == kept.shape
        for value in (first, returned)
        if isinstance(value, torch.Tensor)
        for axis, length in enumerate(value.shape)
    )
