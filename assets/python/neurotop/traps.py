"""Warnings about a layer or a network whose figures are other than they seem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .compiled import is_compiled
from .forwards import Within
from .manifest import DIFFERS
from .network import (
    PRICED,
    adapter_for,
    computes_all_steps,
    forgets_state,
    is_neuron_of_a_framework,
    is_parallel,
    is_spiking,
    modules,
    part_name,
    qualified_names,
)

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
    elif layer.hides_steps:
        yield (
            ("hides-steps", layer.name),
            f"{label} computes several time steps in one call, and NeuroBench sees the potential "
            "after the last one only: its figures are too small, and so are the recorded ones, "
            "which agree with it. neurotop.record() counts step by step.",
        )
    elif not layer.called:
        yield (
            ("uncalled", layer.name),
            f"{label} was not called in a whole batch: NeuroBench's NeuronOperations fails and "
            "reports 0.0. Remove the layer or call it; neurotop counts the other layers.",
        )
    else:
        yield from _within_traps(layer, label)
        yield from _state_traps(layer, label)


def _within_traps(layer: Layer, label: str) -> Iterator[Trap]:
    """Calls of a ``forward`` that is not snnTorch's, whose time steps are not certain."""
    if Within.LOOP in layer.within:
        yield (
            ("loop", layer.name),
            f"{label} assigns its potential several times in one call, in a loop: each round is "
            "recorded as one time step. NeuroBench sees the last one only.",
        )
    if Within.SEVERAL in layer.within:
        yield (
            ("several", layer.name),
            f"{label} seems to compute several time steps in one call: its input or its output has "
            "an axis that its potential has not. Only the last potential of the call is seen, and "
            "counted as that of one step. Assign the potential in each step (self.mem = ...), or "
            "give all of them to rec.add() of a recording of neurotop.record().",
        )
    if Within.OWN in layer.within:
        yield (
            ("own-forward", layer.name),
            f"the forward of {label} was replaced, by one that does not call snnTorch's: each call "
            f"is counted as one time step, at the price of {layer.neuron}. If it computes several, "
            "have it assign the potential in each (self.mem = ...).",
        )


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
        if Within.OWN in layer.within:
            yield (
                ("own-forward", layer.name),
                f"{label} has a forward of its own, within which steps of the layer's own methods "
                "cannot be told apart: each call is counted as one call of the layer as it was. If "
                "it computes more, the figures are too small: give the potentials to rec.add().",
            )


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
            f"{label} began a batch with the potential of earlier samples. {layer.rest_advice}.",
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


def axes_traps(
    layers: Iterable[AnyLayer], samples: int, batches: list[tuple[int, int]]
) -> Iterator[Trap]:
    """A number of samples that is the number of time steps, or does not fit the potentials.

    `batches` has the samples and the potentials of each batch so far, and gets those of this one.
    """
    with_axis = [layer for layer in layers if layer.post and layer.post[0].shape]
    shapes = [(len(layer.post), layer.post[0].shape[0]) for layer in with_axis]
    lengths = {batch for _, batch in shapes}
    if shapes and all(samples == steps != batch for steps, batch in shapes):
        steps, batch = shapes[0]
        yield (
            ("axes", ""),
            f"rec.batch({samples}) was given the number of time steps ({steps}) as that of "
            f"samples; the potentials are of {batch} samples. Where the data are time-first, "
            "[T, B, ...], write rec.batch(x.shape[1]).",
        )
    # A network may fold something else into the axis of samples: then there are as many for each.
    elif len(lengths) == 1 and (batch := lengths.pop()):
        if not samples or batch % samples:
            yield (
                ("samples", ""),
                f"rec.batch({samples}) was given another number of samples than the potentials of "
                f"all layers have ({batch}): figures per sample are wrong. Write "
                f"rec.batch({batch}), or say in each batch how many samples it has, such as "
                "rec.batch(len(x)).",
            )
        else:
            batches.append((samples, batch))
            yield from _folded_traps(batches)


def _folded_traps(batches: list[tuple[int, int]]) -> Iterator[Trap]:
    """Several potentials for each sample, which look as if the samples were miscounted."""
    if len({batch // samples for samples, batch in batches}) > 1:
        yield (
            ("folded", ""),
            "rec.batch() was given numbers of samples to which the potentials do not fit alike: "
            + ", ".join(f"{samples} for {batch}" for samples, batch in dict.fromkeys(batches[-3:]))
            + ". Say in each batch how many samples it has, such as rec.batch(len(x)).",
        )
    elif len(batches) == 2 and all(samples == 2 < batch for samples, batch in batches):
        yield (
            ("pair", ""),
            f"rec.batch(2) was called in each batch, with potentials of {batches[-1][1]}. If 2 is "
            "the length of a pair (inputs, targets), write rec.batch(len(inputs)).",
        )


def mixed_traps(layers: Iterable[Layer], batches: list[tuple[int, bool]]) -> Iterator[Trap]:
    """A batch that seems to hold steps of another, which an exception has ended.

    `batches` has the most steps of a layer in each batch so far, and whether all layers went on
    from step to step, with as many steps. It gets those of this batch.
    """
    called = [layer for layer in layers if layer.post]
    counts = {len(layer.post) for layer in called}
    goes_on = len(counts) == 1 and all(layer.pre_is_previous_post() for layer in called)
    batches.append((max(counts, default=0), goes_on))
    even = {steps for steps, goes_on in batches if goes_on}
    odd = {steps for steps, goes_on in batches if not goes_on}
    if len(even) == 1 and odd - even:
        yield (
            ("mixed", ""),
            f"a batch has up to {max(odd)} time steps, others have {min(even)}, and its layers do "
            "not go on from step to step together: it seems to hold steps of another batch, whose "
            "samples are not counted. Call rec.batch() also where an exception has ended a batch, "
            "and after each evaluation.",
        )


def parts_traps(shapes: Mapping[str, Sequence[object]]) -> Iterator[Trap]:
    """Layers that are recorded as several, since they are passed potentials of several shapes."""
    for name, each in shapes.items():
        names = ", ".join(f"'{part_name(name, number)}'" for number in range(len(each)))
        yield (
            ("parts", name),
            f"layer '{name}' is passed potentials of {len(each)} shapes: those of each are "
            f"recorded as a layer of their own ({names}). NeuroBench cannot count such a layer.",
        )


def unregistered_traps(layers: Iterable[Layer]) -> Iterator[Trap]:
    """Layers where torch, and so NeuroBench, does not find them."""
    for layer in layers:
        yield (
            ("unregistered", layer.name),
            f"layer '{layer.name}' ({layer.neuron}) is in a plain list or dictionary. It is "
            "recorded, but torch does not see it: net.to() does not move it, state_dict() does not "
            "save it, and NeuroBench does not count it. Use torch.nn.ModuleList or ModuleDict.",
        )


#: What a neuron may call its potential.
POTENTIALS = ("mem", "v", "u", "vmem", "v_mem", "membrane", "membrane_potential", "potential")


def stranger_traps(
    net: torch.nn.Module, recorded: Iterable[torch.nn.Module], samples: int
) -> Iterator[Trap]:
    """Neurons that are not recorded: each by what it is called, or by what it keeps."""
    names = qualified_names(net)
    recorded = [*recorded]
    known = {id(inner) for module in recorded for inner in modules(module)}
    for module in modules(net):
        # A network that passes the potentials around may keep them itself.
        if any(id(inner) in known for inner in modules(module)) or is_parallel(module):
            continue
        name, kind = names[id(module)][0], type(module).__name__
        kept = _kept_potential(module, samples)
        if not kept and not is_neuron_of_a_framework(module):
            continue
        known |= {id(inner) for inner in modules(module)}
        if adapter_for(module) is not None:
            yield framework_trap(name, module)
        else:
            what = f"keeps '{kept}'" if kept else "is a neuron"
            yield (
                ("stranger", name),
                f"layer '{name}' ({kind}) {what}, but neurotop cannot see its potential after each "
                "step: it is not recorded. Have it return its potentials, and give them to a "
                f"recording of neurotop.record() with rec.add({name!r}, potentials).",
            )


def framework_trap(name: str, module: torch.nn.Module) -> Trap:
    """A layer of a framework that NeuroBench does not know."""
    return (
        ("framework", str(id(module))),
        f"layer '{name}' ({type(module).__name__}) spikes, but NeuroBench reads potentials of "
        "snnTorch only: its NeuronOperations fails and reports 0.0 for the whole model. Record the "
        "network with neurotop.record(net, directory), which knows this framework.",
    )


def _kept_potential(module: torch.nn.Module, samples: int) -> str:
    """The attribute that looks like a potential of each sample, if there is one."""
    import torch

    for name in POTENTIALS:
        value = {**module._buffers, **vars(module)}.get(name)
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            if value.dim() > 1 and value.shape[0] == samples:
                return name
    return ""


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
