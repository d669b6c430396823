"""Networks under torch.compile, whose compiled code can leave hooks out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

from .network import modules

if TYPE_CHECKING:
    import torch


def never_compiled(function: Callable[..., None]) -> Callable[..., None]:
    """`function` as a hook that torch.compile neither traces nor recompiles.

    torch._dynamo takes seconds to import, so it is asked for only where something else did.
    """
    disabled: list[Callable[..., None]] = []

    def hook(*arguments: Any) -> None:
        if not disabled:
            if "torch._dynamo" not in sys.modules:
                function(*arguments)
                return
            import torch

            compiler: Any = torch.compiler
            disabled.append(compiler.disable(function))
        disabled[0](*arguments)

    hook._torchdynamo_disable = True  # type: ignore[attr-defined]
    import torch

    skip_code = getattr(torch._C._dynamo.eval_frame, "skip_code", None)
    if skip_code is not None:
        skip_code(hook.__code__)
    return hook


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
