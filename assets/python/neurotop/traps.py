"""Warnings about a layer or a network whose figures are other than they seem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .compiled import is_compiled
from .manifest import DIFFERS
from .network import PRICED, computes_all_steps, forgets_state, is_spiking, modules, qualified_names

if TYPE_CHECKING:
    import torch

    from .layers import AnyLayer, Layer
    from .messages import Trap


#: The reset mechanism that each of snnTorch's state functions performs.
STATE_FUNCTION_RESETS = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}


def layer_traps(layer: Layer) -> Iterator[Trap]:
    """Everything about one layer in one batch that makes a figure other than it seems.

    The layer has no `Layer.defect`.
    """
    label = f"layer '{layer.name}' ({layer.neuron})"
    if (layer.neuron, layer.reset) not in PRICED:
        yield (
            ("unpriced", layer.name),
            f"{label} with reset '{layer.reset}' has no price in NeuroBench, whose "
            "NeuronOperations then reports 0.0 for the whole model. Give the command one: "
            f"{layer.cost_advice()}",
        )
    yield from _price_traps(layer, label)
    yield from _reset_traps(layer, label)
    if layer.unhooked:
        yield (
            ("unhooked", layer.name),
            f"{label} is not hooked by NeuroBench, so neither NeuroBench nor neurotop counts it. "
            + layer.unhooked,
        )
    elif layer.called and computes_all_steps(layer.module):
        yield (
            ("at-once", layer.name),
            f"{label} computes all time steps in one call: NeuroBench sees one step, of which "
            "every neuron counts at every time. neurotop.record() counts step by step.",
        )
    elif not layer.called:
        yield (
            ("uncalled", layer.name),
            f"{label} was not called in a whole batch: NeuroBench's NeuronOperations fails and "
            "reports 0.0. Remove the layer or call it; neurotop counts the other layers.",
        )
    else:
        yield from _state_traps(layer, label)


def adapter_traps(layer: Layer) -> Iterator[Trap]:
    """What there is to say about a layer of another framework than snnTorch."""
    label = f"layer '{layer.name}' ({layer.neuron})"
    yield (
        ("unpriced", layer.name),
        f"{label} with reset '{layer.reset}' has no price in NeuroBench. Give the command one: "
        f"{layer.cost_advice()}",
    )
    yield from _price_traps(layer, label)
    if not layer.called:
        yield (
            ("uncalled", layer.name),
            f"{label} was not called in a whole batch: the batch's samples count for it, with no "
            "updates.",
        )
    elif layer.adapter is not None:
        first, post = layer.pre[0], layer.post[0]
        if first.shape == post.shape and bool(first.any()):
            yield (
                ("carried", layer.name),
                f"{label} began a batch with the potential of earlier samples: "
                f"{layer.adapter.reset_advice}.",
            )
        yield from _replaced_traps(layer, label)


def _replaced_traps(layer: Layer, label: str) -> Iterator[Trap]:
    """State that is reset or replaced between two steps of a batch."""
    if not layer.pre_is_previous_post():
        yield (
            ("reset-inside", layer.name),
            f"{label} did not begin each step with the potential at the end of the previous "
            "step (forward() resets or replaces the state). The potential before each step is "
            "recorded too, so the count stays exact.",
        )


def _price_traps(layer: Layer, label: str) -> Iterator[Trap]:
    """A price that turned out not to be one, and a price of NeuroBench that is too small."""
    if layer.measured is not None and layer.measured.unpriced == DIFFERS:
        yield (
            ("differs", layer.name),
            f"{label}: {DIFFERS}, so that its price cannot be measured. Give the command one: "
            f"--cost {layer.neuron}:{layer.reset}=OPERATIONS",
        )
    is_priced = (layer.neuron, layer.reset) in PRICED
    if is_priced and getattr(layer.module, "reset_delay", True) is False:
        yield (
            ("reset-delay", layer.name),
            f"{label} is built with reset_delay=False, and so does more in an update than "
            f"NeuroBench's price for '{layer.reset}' says. neurotop takes NeuroBench's price all "
            "the same, so that the figures agree.",
        )


def _reset_traps(layer: Layer, label: str) -> Iterator[Trap]:
    """Warn if the price key disagrees with what the layer does.

    The key is a string that the property's setter and ``load_state_dict`` do not update.
    """
    import snntorch

    key = layer.reset
    value = getattr(layer.module, "reset_mechanism_val", None)
    buffer = list(snntorch.SpikingNeuron.reset_dict)[int(value)] if value is not None else key
    function = getattr(getattr(layer.module, "state_function", None), "__name__", "")
    does = STATE_FUNCTION_RESETS.get(function, key)
    if not key == buffer == does:
        yield (
            ("reset", layer.name),
            f"{label} is priced as reset '{key}', but its reset_mechanism_val says '{buffer}' and "
            f"its state function performs '{does}' (the reset mechanism was changed after the "
            "layer was built). Build the layer with the reset_mechanism= that you want.",
        )


def _state_traps(layer: Layer, label: str) -> Iterator[Trap]:
    """Warn if state outlives its batch or is reset within it, or if autograd graphs are kept."""
    first, post = layer.pre[0], layer.post[0]
    own_state = getattr(layer.module, "init_hidden", False)
    if own_state and first.shape == post.shape and bool(first.detach().any()):
        yield (
            ("carried", layer.name),
            f"{label} began a batch with the potential of earlier samples. snntorch's "
            "utils.reset(net) resets only the network's direct children: give the network a "
            "reset() method that resets every layer.",
        )
    yield from _replaced_traps(layer, label)
    if post.requires_grad:
        yield (
            ("grad", ""),
            "The benchmark runs with gradients on, so NeuroBench's hooks keep the whole autograd "
            "graph of every batch in memory. Run the benchmark inside torch.no_grad().",
        )


def forgets_traps(modules: Iterable[tuple[str, torch.nn.Module]]) -> Iterator[Trap]:
    """Layers whose state snnTorch sets to zero at every step."""
    for name, module in modules:
        if forgets_state(module):
            yield (
                ("forgets", name),
                f"layer '{name}' ({type(module).__name__}) has input_size={module.input_size}, "
                f"hidden_size={module.hidden_size}: snnTorch then sets its state to zero at every "
                "step, so that it remembers nothing. Give both the same size, for instance by a "
                "torch.nn.Linear before the layer.",
            )


def axes_traps(layers: Iterable[AnyLayer], samples: int) -> Iterator[Trap]:
    """A number of samples that is the number of time steps, or does not fit the potentials."""
    shapes = [(len(layer.post), layer.post[0].shape[0]) for layer in layers if layer.post]
    batches = {batch for _, batch in shapes}
    if shapes and all(samples == steps != batch for steps, batch in shapes):
        steps, batch = shapes[0]
        yield (
            ("axes", ""),
            f"rec.batch({samples}) was given the number of time steps ({steps}) as that of "
            f"samples; the potentials are of {batch} samples. Where the data are time-first, "
            "[T, B, ...], write rec.batch(x.shape[1]).",
        )
    # A network may fold something else into the axis of samples: then there are as many for each.
    elif len(batches) == 1 and (batch := batches.pop()) and (not samples or batch % samples):
        yield (
            ("samples", ""),
            f"rec.batch({samples}) was given another number of samples than the potentials of all "
            f"layers have ({batch}): figures per sample are wrong. Write rec.batch({batch}), or "
            "say in each batch how many samples it has, such as rec.batch(len(x)).",
        )


def one_sample_traps(layers: Iterable[AnyLayer]) -> Iterator[Trap]:
    """Potentials of several samples that are taken for those of one without an axis of samples."""
    shapes = [layer.post[0].shape for layer in layers if layer.post]
    first = {shape[0] for shape in shapes if len(shape) > 1}
    if len(shapes) > 1 and len(first) == 1 and all(len(shape) > 1 for shape in shapes):
        (count,) = first
        if count != 1:
            yield (
                ("one-sample", ""),
                f"rec.batch(1) says that there is one sample, so that the first axis of all "
                f"potentials ({count}) is taken for neurons. If it is that of samples, write "
                f"rec.batch({count}).",
            )


def plain_traps(net: torch.nn.Module) -> Iterator[Trap]:
    """Warnings about the network for users of plain snnTorch, before it runs."""
    names = qualified_names(net)
    if is_compiled(net):
        yield (
            ("compiled", ""),
            "The network is compiled (torch.compile). It runs uncompiled while it is recorded, "
            "because compiled code leaves out the hooks that see each step.",
        )
    for module in modules(net):
        own = names[id(module)]
        if len(own) > 1 and is_spiking(module):
            yield (
                ("shared", own[0]),
                f"layer '{own[0]}' is one module under several names ({', '.join(own)}): it is "
                "recorded once, under the first name. NeuroBench would hook it once for each "
                "parent and count it that many times.",
            )
