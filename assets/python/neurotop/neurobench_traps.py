"""Warnings about what NeuroBench's own hooks and data loaders do to its figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .compiled import Hook
from .forwards import Calls, follow, is_plain
from .network import (
    adapter_for,
    is_parallel,
    kept_potential,
    modules,
    passed_potential,
    qualified_names,
)
from .steps import Versions, equals, is_same
from .traps import framework_trap

if TYPE_CHECKING:
    import torch

    from .messages import Trap


class StateWatch(Calls):
    """Notices where NeuroBench's hooks do not see the potential that a layer begins with.

    They keep ``layer.mem`` as it is, and look at it before the layer takes what it is passed.

    Attributes
    ----------
    name : str
        The layer's qualified name.
    passes_another : bool
        Whether a step, but the first of a batch, began with another potential than was kept.
    changes_in_place : bool
        Whether a potential was changed in place after its step.
    hides_steps : bool
        Whether a call of the layer is several steps, as that of a subclass can be.
    was_called : bool
        Whether the layer was called.
    """

    def __init__(self, name: str, module: torch.nn.Module) -> None:
        super().__init__(module)
        self.name = name
        self.module = module
        self.was_called = False
        self.passes_another = False
        self.changes_in_place = False
        self.hides_steps = False
        self._potential, _ = passed_potential(module.forward)
        self._last: torch.Tensor | None = None
        self._versions = Versions()
        enter, leave = Hook(module, self._enter), Hook(module, self._leave)
        handles = [
            module.register_forward_pre_hook(enter, with_kwargs=True),
            module.register_forward_hook(leave),
        ]
        self._stops = [handle.remove for handle in handles]
        if may_hide_steps(module):
            self._stops += [*self.hook(is_told=False), follow(module, self)]

    def over(self, steps: int) -> None:
        """A call is over, which is one step for NeuroBench."""
        self.hides_steps |= steps > 1

    def _enter(self, module: torch.nn.Module, inputs: Any, named: dict[str, Any]) -> None:
        self.was_called = True
        passed, kept = self._potential(inputs, named), kept_potential(module)
        if self._last is None or kept is None:
            return
        if passed is not None and not is_same(passed, kept) and not equals(passed, kept):
            self.passes_another = True

    def _leave(self, module: torch.nn.Module, _inputs: Any, _output: Any) -> None:
        self._last = kept_potential(module)
        if self._last is not None and not self.changes_in_place:
            self._versions.add(self._last)

    def close(self) -> None:
        """The batch is over, of which NeuroBench's hooks still have all potentials."""
        self.changes_in_place |= self._versions.have_changed()
        self._versions.clear()
        self._last = None

    def remove(self) -> None:
        """Take the hooks off the layer."""
        for stop in self._stops:
            stop()


def may_hide_steps(module: torch.nn.Module) -> bool:
    """Whether a call of a layer can be several steps, for which NeuroBench sees one."""
    hooks = (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
    owners = (type(getattr(hook, "__self__", hook)).__module__ for hook in hooks)
    own = ("neurobench.", f"{__package__}.")
    return not (is_plain(module) and all(owner.startswith(own) for owner in owners))


def watch_traps(watches: Iterable[StateWatch]) -> Iterator[Trap]:
    """Where NeuroBench compares other potentials than the layer computes with."""
    for watch in watches:
        label = f"layer '{watch.name}' ({type(watch.module).__name__})"
        if watch.passes_another:
            yield (
                ("passed", watch.name),
                f"{label} is passed another potential than it kept after the step before. "
                "NeuroBench compares with the kept one, and so do the recorded figures. Pass the "
                "potential that the layer returned; or record with neurotop.record(), which "
                "compares with the one that is passed.",
            )
        if watch.changes_in_place:
            yield (
                ("in-place", watch.name),
                f"The potential of {label} is changed in place after its step. NeuroBench's "
                "hooks hold the changed potential, so its figures (and the recorded ones) are of "
                "that. Assign a new tensor instead, as in lif.mem = lif.mem.clamp(0); or record "
                "with neurotop.record(), which copies.",
            )


def hidden_reset_advice(net: torch.nn.Module) -> str:
    """What to do where the network has a ``reset``, and what is around it has not; else empty."""
    if callable(getattr(net, "reset", None)):
        return ""
    for name, module in net.named_children():
        if callable(getattr(module, "reset", None)):
            return (
                f"NeuroBench resets the network by its reset(), and this {type(net).__name__} "
                f"around it has none: give NeuroBench the network within it (net.{name})"
            )
    return ""


def unregistered_traps(net: torch.nn.Module, watches: Iterable[StateWatch]) -> Iterator[Trap]:
    """Layers that the network calls, and that torch does not find in it."""
    registered = {id(module) for _, module in net.named_modules()}
    for watch in watches:
        if watch.was_called and id(watch.module) not in registered:
            yield (
                ("unregistered", watch.name),
                f"layer '{watch.name}' ({type(watch.module).__name__}) is in a plain list or "
                "dictionary, where NeuroBench does not find it: neither NeuroBench nor neurotop "
                "counts it. Use torch.nn.ModuleList or ModuleDict.",
            )


def network_traps(net: torch.nn.Module, hooks: Iterable[Any]) -> Iterator[Trap]:
    """Warnings about NeuroBench's hooks that make figures differ from what they seem.

    Parameters
    ----------
    net : torch.nn.Module
        The network under the NeuroBench model.
    hooks : iterable of neurobench.hooks.neuron.NeuronHook
        The model's activation hooks.
    """
    names = qualified_names(net)
    hooked: dict[int, int] = {}
    for hook in hooks:
        hooked[id(hook.layer)] = hooked.get(id(hook.layer), 0) + 1
    yield from _activation_traps(hook for hook in hooks if not hook.spiking)
    for module in modules(net):
        own = names[id(module)]
        if is_parallel(module):
            yield (
                ("parallel", own[0]),
                f"layer '{own[0]}' ({type(module).__name__}) computes all time steps at once and "
                "is no snntorch.SpikingNeuron: NeuroBench does not count it; it is not recorded.",
            )
        yield from _double_count_traps(own, hooked.get(id(module), 0))


def _activation_traps(hooks: Iterable[Any]) -> Iterator[Trap]:
    """One warning for all activations that do not spike, and one for each layer of a framework."""
    silent: dict[int, str] = {}
    for hook in hooks:
        kind = type(hook.layer).__name__
        if adapter_for(hook.layer) is not None:
            yield framework_trap(str(hook.name), hook.layer)
        else:
            silent.setdefault(id(hook.layer), f"'{hook.name}' ({kind})")
    if silent:
        some = ", ".join([*silent.values()][:3]) + (", …" if len(silent) > 3 else "")
        what = "activation does not spike" if len(silent) == 1 else "activations do not spike"
        yield (
            ("activation", ""),
            f"{len(silent)} {what}: {some}. NeuroBench's NeuronOperations fails and reports 0.0 "
            "for the whole model. They are not recorded; neurotop counts the spiking layers.",
        )


def _double_count_traps(names: list[str], hooks: int) -> Iterator[Trap]:
    """Warn if NeuroBench counts every step of a layer more than once."""
    if hooks > len(names):
        yield (
            ("benchmarks", ""),
            f"{hooks // len(names)} Benchmark objects are alive on this model, so NeuroBench hooks "
            "and counts every layer that many times, and the recorded figures agree with it. "
            "Delete the earlier Benchmark before you make the next.",
        )
    elif hooks > 1:
        yield (
            ("shared", names[0]),
            f"layer '{names[0]}' is one module under several parents ({', '.join(names)}): "
            "NeuroBench hooks it once for each parent and counts every call that many times, and "
            "the recorded figures agree with it.",
        )


def padding_traps(loader: Any) -> Iterator[Trap]:
    """Samples that a ``DistributedSampler`` gives twice, so that all ranks have as many."""
    from torch.utils.data.distributed import DistributedSampler

    sampler = getattr(loader, "sampler", None)
    if not isinstance(sampler, DistributedSampler) or sampler.drop_last:
        return
    dataset: Any = sampler.dataset
    repeated = sampler.total_size - len(dataset)
    if repeated > 0:
        yield (
            ("padding", ""),
            f"torch's DistributedSampler repeats {repeated} of {len(dataset)} samples, so that all "
            f"{sampler.num_replicas} ranks have as many: they count twice, in NeuroBench and in "
            "neurotop. Use a number of samples that the ranks can share, or drop_last=True.",
        )
