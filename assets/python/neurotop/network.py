"""What the modules of a network are: their names, and which of them spike."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    import torch

    from .adapters import Adapter


#: The pairs (neuron, reset mechanism) for which NeuroBench 2.3.0's NeuronOperations has a price.
PRICED = frozenset(
    (neuron, reset)
    for neuron in ("Leaky", "Synaptic", "Lapicque", "Alpha")
    for reset in ("subtract", "zero")
)


def passed_potential(
    module: torch.nn.Module,
) -> Callable[[tuple[Any, ...], dict[str, Any]], torch.Tensor | None]:
    """A function that finds the membrane potential among the arguments of a call of `module`."""
    import torch

    parameters = [*inspect.signature(module.forward).parameters]
    index = parameters.index("mem") if "mem" in parameters else sys.maxsize

    def passed(inputs: tuple[Any, ...], named: dict[str, Any]) -> torch.Tensor | None:
        found = inputs[index] if index < len(inputs) else named.get("mem")
        if isinstance(found, tuple) and found:  # DeltaLeaky's potential, and the one before
            found = found[0]
        return found if isinstance(found, torch.Tensor) else None

    return passed


def forgets_state(module: torch.nn.Module) -> bool:
    """Whether snnTorch sets the layer's state to zero at each step.

    SLSTM compares the shape of its state with that of its input, not with its own.
    """
    return type(module).__name__ == "SLSTM" and module.input_size != module.hidden_size


def computes_all_steps(module: torch.nn.Module) -> bool:
    """Whether one call of the layer is all time steps, ``[T, B, ...]``."""
    import snntorch

    return isinstance(module, getattr(snntorch, "StateLeaky", ()))


def adapter_for(module: torch.nn.Module) -> Adapter | None:
    """What sees the potential of a layer of another framework, if this is one."""
    from . import adapters

    return adapters.adapter_for(module)


def is_spiking(module: object) -> bool:
    """Whether `module` is one of snnTorch's spiking layers."""
    snntorch = sys.modules.get("snntorch")  # whoever has such a layer has imported it
    return snntorch is not None and isinstance(module, snntorch.SpikingNeuron)


def qualified_names(net: torch.nn.Module) -> dict[int, list[str]]:
    """All qualified names of each module by its identity; a shared module has several.

    They are those of the network before torch.compile, which puts ``_orig_mod.`` before each.
    """
    names: dict[int, list[str]] = {}
    for name, module in net.named_modules(remove_duplicate=False):
        own = name.replace("_orig_mod.", "")
        names.setdefault(id(module), []).append(own or type(module).__name__)
    return names


def why_replicated(net: torch.nn.Module) -> str:
    """Why hooks mix up the steps of a network that DataParallel splits; empty if it does not."""
    for module in modules(net):
        if type(module).__name__ == "DataParallel" and len(getattr(module, "device_ids", ())) > 1:
            return (
                "torch.nn.DataParallel runs copies of the network side by side, and hooks see "
                "their steps mixed up. Run the network itself (net.module), or one process for "
                "each GPU with DistributedDataParallel"
            )
    return ""


def modules(net: torch.nn.Module) -> list[torch.nn.Module]:
    """Each module once. Rockpool's ``modules()`` are others, its ``named_modules()`` are not."""
    return [module for _, module in net.named_modules()]
