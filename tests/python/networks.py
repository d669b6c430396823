"""The small spiking networks of the tests, one for each thing that can go differently."""

from __future__ import annotations

from typing import Any

import snntorch as snn
import torch
from torch import Tensor, nn


class Stepwise(nn.Module):
    """One time step a call, as NeuroBench wants it; `reset` reaches every layer, however deep."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def reset(self) -> None:
        for module in self.modules():
            if isinstance(module, snn.SpikingNeuron) and hasattr(module, "reset_mem"):
                module.reset_mem()

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.layers(x), None


def neuron(kind: str, reset: str = "subtract", **options: Any) -> nn.Module:
    """A spiking layer of snnTorch that keeps its own state."""
    decay = {
        "Leaky": {"beta": 0.9},
        "Lapicque": {"beta": 0.9},
        "Synaptic": {"alpha": 0.8, "beta": 0.9},
        "Alpha": {"alpha": 0.9, "beta": 0.8},
        "RLeaky": {"beta": 0.9, "all_to_all": False},
        "SLSTM": {"input_size": 6, "hidden_size": 6},
    }[kind]
    return getattr(snn, kind)(**decay, init_hidden=True, reset_mechanism=reset, **options)


def spike_in_own_precision(shifted: Tensor) -> Tensor:
    """A spike function that keeps the dtype; snnTorch's own make everything float32."""
    return (shifted > 0).to(shifted.dtype)


def dense(
    kind: str = "Leaky", reset: str = "subtract", dtype: torch.dtype = torch.float32
) -> Stepwise:
    """Two dense layers of one neuron; 13 and 5 neurons leave bits over in a byte."""
    layers = [neuron(kind, reset, spike_grad=spike_in_own_precision) for _ in range(2)]
    return Stepwise(nn.Linear(8, 13), layers[0], nn.Linear(13, 5), layers[1]).to(dtype)


def convolutional() -> Stepwise:
    """Two layers of one class, one of another, on images of 8 by 8 pixels."""
    return Stepwise(
        nn.Conv2d(1, 4, 3, padding=1),
        neuron("Leaky", "zero"),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1),
        neuron("Leaky"),
        nn.Flatten(),
        nn.Linear(96, 10),
        neuron("Synaptic", "zero"),
    )


class SameChildName(Stepwise):
    """Two modules that both call their layer ``lif``; one never changes, so they differ."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Module(), nn.Module()
        self.left.fc, self.left.lif = nn.Linear(8, 6), neuron("Leaky")
        self.right.fc, self.right.lif = nn.Linear(6, 4), neuron("Leaky", "zero")

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        hidden = self.left.lif(self.left.fc(x))
        return self.right.lif(self.right.fc(hidden * 0)), None


class UsedTwice(Stepwise):
    """One layer called twice in each time step."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(8, 8), neuron("Leaky")

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.lif(self.fc(self.lif(self.fc(x)))), None


class SharedLayer(Stepwise):
    """One layer under two parents."""

    def __init__(self) -> None:
        super().__init__()
        shared = neuron("Leaky")
        self.one = nn.Sequential(nn.Linear(8, 6), shared)
        self.two = nn.Sequential(nn.Linear(6, 6), shared)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.two(self.one(x)), None


class NeverCalled(Stepwise):
    """A spare layer that the forward leaves out."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 6), neuron("Leaky"))
        self.spare = neuron("Leaky", "zero")


class CalledInSomeBatches(Stepwise):
    """A layer that only full batches reach."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 6), neuron("Leaky"))
        self.extra = neuron("Leaky")

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        spikes = self.layers(x)
        return (self.extra(spikes) if len(x) == 4 else spikes), None


class ResetInside(Stepwise):
    """Every third step starts at rest and gets no current: the last potential says it changed."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 6), neuron("Leaky"))
        self.step = 0

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        self.step += 1
        current = self.layers[0](x)
        if self.step % 3 == 0:
            self.layers[1].mem = torch.zeros_like(current)
            current = torch.zeros_like(current)
        return self.layers[1](current), None


class Nested(nn.Module):
    """No `reset`, and the layer is no direct child: snnTorch's utils.reset does not find it."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(8, 6), neuron("Leaky"))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.block(x), None


class ExternalState(nn.Module):
    """Built without init_hidden: the network passes the potential around itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(8, 6), snn.Leaky(beta=0.9)
        self.mem = torch.zeros(0)

    def reset(self) -> None:
        self.mem = self.lif.reset_mem()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        spikes, self.mem = self.lif(self.fc(x), self.mem)
        return spikes, self.mem


class MyLeaky(snn.Leaky):
    """A subclass: NeuroBench looks prices up by the class's own name."""
