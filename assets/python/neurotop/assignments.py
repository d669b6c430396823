"""Tell the time steps of one call by what it assigns to the layer's potential."""

from __future__ import annotations

import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, Callable

from .compiled import never_traced

if TYPE_CHECKING:
    import torch

#: Where a program is: the functions that run, the outermost first, and the instruction in each.
_Path = list[tuple[FrameType, int]]


class Assignments:
    """Watches the potential that one call assigns, ``layer.mem = …``, until it is stopped.

    A step begins where the program comes back to what it did in the step before: in a loop, or
    since it calls a function again, such as a ``forward`` of snnTorch that it has kept.

    Attributes
    ----------
    steps : int
        How many steps have begun; 0 where nothing was assigned.
    """

    def __init__(self, module: torch.nn.Module, begin: Callable[[Any, bool], None]) -> None:
        """Watch `module`; `begin` takes what a step is passed, and whether another is over."""
        from torch.nn.modules.module import register_module_buffer_registration_hook

        self.steps = 0
        self._module = module
        self._begin = begin
        self._path: _Path = []
        self._forward: FrameType | None = None  # snnTorch's, within this step
        self._all_in_forward = True  # of the steps before this one
        never_traced(Assignments._assigned)
        self._handle = register_module_buffer_registration_hook(self._assigned)

    @property
    def are_calls(self) -> bool:
        """Whether each step is a call of a ``forward`` of snnTorch."""
        return self.steps > 0 and self._all_in_forward and self._forward is not None

    def stop(self) -> None:
        """Watch no more."""
        self._handle.remove()
        self._path = []  # a frame keeps what its function has computed

    def _assigned(self, module: torch.nn.Module, name: str, value: Any) -> None:
        """The potential is about to be assigned."""
        if module is not self._module or name != "mem":
            return
        path = _path_of(sys._getframe(1))
        while len(path) > 1 and _only_sets(path[-1][0], value):
            path.pop()
        is_next = bool(self._path) and not _goes_on(self._path, path)
        if is_next:
            self._all_in_forward &= self._forward is not None
            self._forward = None
            self._begin(None, True)
        self.steps += is_next or not self._path
        self._path = path
        forward = _forward_in(path, module)
        if forward is not None and self._forward is None:
            self._forward = forward
            passed = forward.f_locals.get("mem")
            if passed is not None:
                self._begin(passed, False)


def is_of_snntorch(function: Any) -> bool:
    """Whether snnTorch wrote a function, or what runs in a frame.

    functools.wraps copies the name of a function's module, but not its global names.
    """
    names = function.f_globals if isinstance(function, FrameType) else function.__globals__
    return str(names.get("__name__")).startswith("snntorch.")


def _path_of(frame: FrameType | None) -> _Path:
    """Where the program is, from the call of a module on."""
    import torch

    file = torch.nn.Module.__setattr__.__code__.co_filename
    while frame is not None and frame.f_code.co_filename == file:  # it sets the attribute
        frame = frame.f_back
    path = []
    while frame is not None and frame.f_code.co_filename != file:
        if frame.f_globals.get("__package__") == __package__:
            break
        path.append((frame, frame.f_lasti))
        frame = frame.f_back
    return path[::-1]


def _forward_in(path: _Path, module: torch.nn.Module) -> FrameType | None:
    """The call of a ``forward`` of snnTorch on `module` through which a path leads, if any."""
    for frame, _ in path:
        if frame.f_code.co_name == "forward" and is_of_snntorch(frame):
            if frame.f_locals.get("self") is module:
                return frame
    return None


def _only_sets(frame: FrameType, value: Any) -> bool:
    """Whether a function of the program's was called with the `value` that it assigns."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    is_given = any(frame.f_locals.get(name) is value for name in names)
    return is_given and not is_of_snntorch(frame)


def _goes_on(old: _Path, new: _Path) -> bool:
    """Whether the program went forward from `old` to `new`, without a loop or a repeated call."""
    for depth, ((frame, instruction), (other, later)) in enumerate(zip(old, new)):
        if frame is not other or later < instruction:
            return False
        if later > instruction:
            called = {frame.f_code for frame, _ in old[depth + 1 :]}
            return all(frame.f_code not in called for frame, _ in new[depth + 1 :])
    return False
