"""Networks under torch.compile, whose compiled code can leave hooks out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

from .network import modules

if TYPE_CHECKING:
    import torch


def never_traced(function: Any) -> None:
    """Have torch.compile leave a function out of what it compiles."""
    import torch

    function._torchdynamo_disable = True
    skip_code = getattr(torch._C._dynamo.eval_frame, "skip_code", None)
    if skip_code is not None:
        skip_code(function.__code__)


def disabled(function: Any) -> Any:
    """`function`, which compiled code calls as it was written. Imports torch._dynamo."""
    import torch

    compiler: Any = torch.compiler
    return compiler.disable(function)


class Hook:
    """`function` as a hook on one module, which torch.compile neither traces nor recompiles.

    torch._dynamo takes seconds to import, so it is asked for only where something else did.
    A copy of the module takes the hook along, as does a pickle, but is not recorded: there it does
    nothing.
    """

    _torchdynamo_disable = True  # as `never_traced` does

    def __init__(self, module: torch.nn.Module, function: Callable[..., None]) -> None:
        self._module = module
        self._function = function
        self._is_disabled = False
        never_traced(Hook.__call__)

    def __call__(self, module: torch.nn.Module, *arguments: Any) -> None:
        if module is not self._module:  # in a copy that shares its hooks, such as a replica
            return
        if not self._is_disabled and "torch._dynamo" in sys.modules:
            self._function, self._is_disabled = disabled(self._function), True
        self._function(module, *arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        # Whoever reads a pickle need not have neurotop: this takes any arguments, and does nothing.
        return getattr, (contextlib.nullcontext(), "__exit__")


def is_compiled(net: torch.nn.Module) -> bool:
    """Whether torch.compile has the network or a part of it."""
    return any(
        type(module).__name__ == "OptimizedModule"
        or getattr(module, "_compiled_call_impl", None) is not None
        for module in modules(net)
    )


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run compiled functions as they were written: compiled code can leave hooks out."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    import torch

    if hasattr(torch.compiler, "set_stance"):  # since torch 2.6
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        torch._dynamo.reset()  # what is compiled again has the hooks
        yield
