"""The hooks on the spiking layers of one network, also on those that come into it later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .hooks import RaiseWatch, hook_on, meter_on
from .messages import RecorderError
from .network import modules, qualified_names, why_replicated
from .traps import forgets_traps, plain_traps, stranger_traps, unregistered_traps

if TYPE_CHECKING:
    import torch

    from .hooks import AnyHook
    from .layers import Layer
    from .messages import Trap


class Watch:
    """Watches all spiking layers of a network.

    Raises
    ------
    RecorderError
        It cannot be watched, or has no spiking layer.
    """

    def __init__(self, net: torch.nn.Module) -> None:
        self._net = net
        self.hooks: list[AnyHook] = []
        reason = why_replicated(net)
        if reason:
            raise RecorderError(reason)
        names = qualified_names(net)
        self._known = {id(module): module for module in modules(net)}
        try:
            for module in self._known.values():
                self._watch(names[id(module)][0], module)
        except BaseException:
            for hook in self.hooks:
                _take_off(hook)
            raise
        if not self.hooks:
            raise RecorderError(
                f"{type(net).__name__} has no spiking layer that neurotop knows, nor can it see "
                "into what torch.jit has compiled. Potentials can be given: "
                "neurotop.record(None, directory), then rec.add(name, potentials) before each "
                "rec.batch()"
            )
        self._raises = RaiseWatch(net)

    def _watch(self, name: str, module: torch.nn.Module) -> AnyHook | None:
        hook = hook_on(name, module)
        if hook is not None:
            self.hooks.append(hook)
            hook.layer.meter = meter_on(hook.layer)
        return hook

    def _drop(self, hook: AnyHook) -> None:
        self.hooks.remove(hook)
        _take_off(hook)

    def traps(self) -> Iterator[Trap]:
        """Warnings about the network before it runs."""
        yield from plain_traps(self._net)
        yield from forgets_traps((hook.layer.name, hook.layer.module) for hook in self.hooks)

    def first_traps(self, samples: int) -> Iterator[Trap]:
        """Warnings after the first batch, which shows what is called and what keeps a state."""
        layers = self.layers()
        registered = self._registered()
        yield from unregistered_traps(
            layer for layer in layers if id(layer.module) not in registered
        )
        yield from stranger_traps(self._net, [hook.layer.module for hook in self.hooks], samples)

    def _registered(self) -> set[int]:
        return {id(module) for _, module in self._net.named_modules()}

    def layers(self) -> list[Layer]:
        """What the hooks have seen.

        What is in a plain list and is not called is no part of the network.
        """
        layers = [hook.layer for hook in self.hooks]
        if all(layer.called for layer in layers):
            return layers
        registered = self._registered()
        return [layer for layer in layers if layer.called or id(layer.module) in registered]

    def newcomers(self, has_begun: bool) -> tuple[list[str], list[Trap]]:
        """Watch what has come into the network since the last call.

        Parameters
        ----------
        has_begun : bool
            Whether a batch has been written: then no layer can be added to the run.

        Returns
        -------
        list of str
            The layers of which no step has been seen.
        list of warnings
            The layers that are left out.
        """
        unseen: list[str] = []
        traps: list[Trap] = []
        new = [module for module in modules(self._net) if id(module) not in self._known]
        names = qualified_names(self._net) if new else {}
        for module in new:
            self._known[id(module)] = module
            name = names[id(module)][0]
            replaced = [hook for hook in self.hooks if hook.layer.name == name]
            hook = self._watch(name, module)
            if hook is None:
                continue
            label = f"layer '{name}' ({hook.layer.neuron})"
            if has_begun and not replaced:
                self._drop(hook)
                text = (
                    f"{label} came into the network after the first batch: it is left out of the "
                    "run, whose layers are those of its first batch."
                )
                traps.append((("late", name), text))
                continue
            for old in replaced:
                self._drop(old)
            unseen.append(label)
        return unseen, traps

    def raised(self) -> str:
        """The class of an exception that has left steps unfinished since the last call, or ""."""
        raised = [hook.raised for hook in self.hooks if hook.raised]
        return self._raises.raised() or next(iter(raised), "")

    def close(self) -> None:
        """The batch is over."""
        for hook in self.hooks:
            hook.steps.close()

    def reset(self) -> None:
        """Forget the batch."""
        for hook in self.hooks:
            hook.reset()

    def remove(self) -> None:
        """Take all hooks off."""
        for hook in self.hooks:
            _take_off(hook)
        self._raises.remove()


def _take_off(hook: AnyHook) -> None:
    if hook.layer.meter is not None:
        hook.layer.meter.remove()
    hook.remove()
