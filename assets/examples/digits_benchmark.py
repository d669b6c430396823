"""Train a small spiking network on handwritten digits and benchmark it while neurotop watches.

    pip install neurobench snntorch scikit-learn     # and neurotop: docs/installing.md
    python digits_benchmark.py

The digits are scikit-learn's own (1,797 images of 8 by 8 pixels), so nothing is downloaded. The
network trains for some seconds. Then NeuroBench measures it on the test images, and the recorder
writes each batch's membrane potentials, which neurotop shows live in another terminal.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import snntorch as snn
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import ParameterCount
from neurobench.metrics.workload import ClassificationAccuracy, MembraneUpdates, NeuronOperations
from neurobench.models import SNNTorchModel
from neurobench.processors.postprocessors import ChooseMaxCount
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from snntorch import functional
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import neurotop

STEPS = 20
BATCH_SIZE = 32


class DigitsNetwork(nn.Module):
    """A convolutional spiking network for 8 by 8 event frames, one time step per call.

    The layers have no biases, so a neuron without input stays at rest and saves its updates.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 16, kernel_size=3, padding=1, bias=False)
        self.lif1 = snn.Leaky(beta=0.8, init_hidden=True, reset_mechanism="zero")
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(16 * 4 * 4, 64, bias=False)
        self.lif2 = snn.Leaky(beta=0.8, init_hidden=True)
        self.readout = nn.Linear(64, 10, bias=False)
        self.syn = snn.Synaptic(alpha=0.6, beta=0.8, init_hidden=True)

    def reset(self) -> None:
        """Reset all membrane potentials before the next batch."""
        for layer in (self.lif1, self.lif2, self.syn):
            layer.reset_mem()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Map events ``[B, 1, 8, 8]`` to output spikes ``[B, 10]``."""
        x = self.pool(self.lif1(self.conv(x)))
        x = self.lif2(self.hidden(x.flatten(1)))
        return self.syn(self.readout(x)), None


class Paced(DataLoader):
    """A loader that waits before each batch, so that you can watch."""

    pause = 0.0

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        for batch in super().__iter__():
            time.sleep(self.pause)
            yield batch


def digits() -> tuple[TensorDataset, TensorDataset]:
    """Training and test events ``[N, STEPS, 1, 8, 8]``; brighter pixels have more events."""
    data = load_digits()
    images = torch.tensor(data.images / 16, dtype=torch.float32)[:, None, None]
    frames = torch.bernoulli(images.expand(-1, STEPS, -1, -1, -1))
    labels = torch.tensor(data.target)
    train, test = train_test_split(range(len(labels)), test_size=640, random_state=0)
    return TensorDataset(frames[train], labels[train]), TensorDataset(frames[test], labels[test])


def train(net: DigitsNetwork, dataset: TensorDataset, epochs: int) -> None:
    """Train on the number of output spikes, with surrogate gradients."""
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    loss_function = functional.ce_count_loss()
    for epoch in range(1, epochs + 1):
        losses = []
        for frames, labels in loader:
            net.reset()
            spikes = torch.stack([net(frames[:, step])[0] for step in range(STEPS)])
            loss = loss_function(spikes, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch} of {epochs}: loss {sum(losses) / len(losses):.3f}")
    net.reset()


def main() -> None:
    """Train, say how to watch, and benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, default=Path("runs/digits"), help="the run's directory")
    parser.add_argument("--form", choices=["trace", "pair", "bits"], default="trace")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds before each batch")
    options = parser.parse_args()

    torch.manual_seed(0)
    train_set, test_set = digits()
    net = DigitsNetwork()
    train(net, train_set, options.epochs)

    print(f"\nNow, in another terminal:\n\n    neurotop watch {options.dir}\n")
    loader = Paced(test_set, batch_size=BATCH_SIZE)
    loader.pause = options.pause
    recorder = neurotop.Recorder(options.dir, form=options.form)
    benchmark = Benchmark(
        SNNTorchModel(net),
        loader,
        [],
        [ChooseMaxCount()],
        [[ParameterCount], [ClassificationAccuracy, NeuronOperations, MembraneUpdates, recorder]],
    )
    with torch.no_grad():
        results = benchmark.run()
    for name, value in results.items():
        print(f"{name}: {value}")
    print(
        "\nThe same figures, counted from the recording:\n\n"
        f"    neurotop summary {recorder.directory}"
    )


if __name__ == "__main__":
    main()
