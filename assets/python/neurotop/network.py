"""What the modules of a network are: their names, and which of them spike."""

from __future__ import annotations

import inspect
import itertools
import sys
from collections.abc import Iterator
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
    forward: Callable[..., Any], skips_self: bool = False
) -> tuple[Callable[[tuple[Any, ...], dict[str, Any]], torch.Tensor | None], bool]:
    """A function that finds the membrane potential among the arguments of a call of `forward`.

    And whether `forward` takes one by name.
    """
    try:
        parameters = [*inspect.signature(forward).parameters][skips_self:]
    except (TypeError, ValueError):  # it is not written in Python
        parameters = []
    is_named = "mem" in parameters
    index = parameters.index("mem") if is_named else sys.maxsize

    def passed(inputs: tuple[Any, ...], named: dict[str, Any]) -> torch.Tensor | None:
        found = inputs[index] if index < len(inputs) else named.get("mem")
        return None if found is None else potential_in(found)

    return passed, is_named


def potential_in(passed: Any) -> torch.Tensor | None:
    """The potential that is passed; None for what is none."""
    import torch

    if isinstance(passed, tuple) and passed:  # DeltaLeaky's potential, and the one before
        passed = passed[0]
    return passed if isinstance(passed, torch.Tensor) else None


def kept_potential(module: torch.nn.Module) -> torch.Tensor | None:
    """The membrane potential that a layer of snnTorch keeps; None where a subclass has another."""
    import torch

    kept = getattr(module, "mem", None)
    return kept if isinstance(kept, torch.Tensor) else None


def forgets_state(module: torch.nn.Module) -> bool:
    """Whether snnTorch sets the layer's state to zero at each step.

    SLSTM compares the shape of its state with that of its input, not with its own.
    """
    return type(module).__name__ == "SLSTM" and module.input_size != module.hidden_size


def computes_all_steps(module: torch.nn.Module) -> bool:
    """Whether one call of the layer is all time steps, ``[T, B, ...]``."""
    import snntorch

    return isinstance(module, getattr(snntorch, "StateLeaky", ()))


def is_parallel(module: torch.nn.Module) -> bool:
    """Whether the layer is a LeakyParallel, whose potentials are what its RNN returns."""
    kinds = {kind.__name__ for kind in type(module).__mro__}
    return bool(kinds & {"LeakyParallel", "LeakyKernel"}) and hasattr(module, "rnn")


def adapter_for(module: torch.nn.Module) -> Adapter | None:
    """What sees the potential of a layer of another framework, if this is one."""
    from . import adapters

    return adapters.adapter_for(module)


#: Where frameworks keep their neurons, by the beginnings of the names of modules.
_NEURONS = (
    "snntorch._neurons",
    "spikingjelly.activation_based.neuron",
    *(f"norse.torch.module.{kind}" for kind in ("lif", "coba_lif", "leaky_integrator")),
)


def is_neuron_of_a_framework(module: torch.nn.Module) -> bool:
    """Whether the module's class, or one of its parents, is among a framework's neurons.

    TorchScript makes another class of it, and keeps the name.
    """
    scripted = getattr(sys.modules.get("snntorch"), str(getattr(module, "original_name", "")), None)
    kinds = [*type(module).__mro__, *([scripted] if isinstance(scripted, type) else [])]
    return any(kind.__module__.startswith(_NEURONS) for kind in kinds)


def is_spiking(module: object) -> bool:
    """Whether `module` is one of snnTorch's spiking layers."""
    snntorch = sys.modules.get("snntorch")  # whoever has such a layer has imported it
    return snntorch is not None and isinstance(module, snntorch.SpikingNeuron)


def qualified_names(net: torch.nn.Module) -> dict[int, list[str]]:
    """All qualified names of each module by its identity; a shared module has several.

    They are those of the network before torch.compile, which puts ``_orig_mod.`` before each.
    """
    names: dict[int, list[str]] = {}
    registered = net.named_modules(remove_duplicate=False)
    for name, module in itertools.chain(registered, unregistered(net)):
        own = ".".join(part for part in name.split(".") if part != "_orig_mod")
        names.setdefault(id(module), []).append(name_in_file(own or type(module).__name__))
    return names


def name_in_file(name: str) -> str:
    """A layer's name as a batch can have it, where each part between slashes names a file."""
    parts = name.split("/")
    return "/".join(part if part and part[0] != "." else f"_{part}" for part in parts)


def part_name(name: str, number: int) -> str:
    """What the parts of a layer are called: the first as the layer."""
    return f"{name}#{number + 1}" if number else name


def unregistered(net: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """The modules in a network's plain lists, tuples and dictionaries, with their names.

    torch does not look into these, and so neither moves nor saves what is in them.
    """
    import torch

    found = dict(net.named_modules())
    known = {id(module) for module in found.values()}
    waiting = [*found.items()]
    for name, module in waiting:
        for key, value in vars(module).items():
            for place, item in _items(key, value) if key != "_modules" else ():
                if not isinstance(item, torch.nn.Module) or id(item) in known:
                    continue
                for own, inner in item.named_modules(prefix=f"{name}.{place}".lstrip(".")):
                    if id(inner) not in known:
                        known.add(id(inner))
                        waiting.append((own, inner))
                        yield own, inner


#: Longer lists are not looked into: they hold data.
_MOST_ITEMS = 1000


def _items(name: str, value: Any, depth: int = 2) -> Iterator[tuple[str, Any]]:
    """What is in an attribute, also in containers within each other, and where."""
    if not isinstance(value, (list, tuple, dict)):
        yield name, value
    elif depth and len(value) <= _MOST_ITEMS:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            yield from _items(f"{name}.{key}", item, depth - 1)


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
    return [module for _, module in itertools.chain(net.named_modules(), unregistered(net))]
