"""Record a JAX network, as one of spyx: rec.add() takes the potentials that come out of the scan.

pip install jax     # and neurotop: docs/installing.md
python examples/jax_scan.py runs/jax && neurotop summary runs/jax
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp

import neurotop

BETA, THRESHOLD = 0.9, 1.0


def step(potential: jax.Array, current: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """One step of spyx's LIF: it returns the potential beside the spikes."""
    spikes = (potential > THRESHOLD).astype(current.dtype)
    potential = BETA * potential + current - spikes * THRESHOLD
    return potential, (spikes, potential)


@jax.jit
def network(weights: jax.Array, frames: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Spikes and potentials, ``[T, B, 10]``, of frames ``[T, B, 20]``."""
    currents = jax.nn.relu(frames @ weights)
    rest = jnp.zeros(currents.shape[1:])
    _, (spikes, potentials) = jax.lax.scan(step, rest, currents)
    return spikes, potentials


def main(directory: str) -> None:
    """Record four batches of 8 samples."""
    keys = jax.random.split(jax.random.PRNGKey(0), 5)
    weights = jax.random.normal(keys[0], (20, 10)) / 4
    with neurotop.record(None, directory) as rec:
        for key in keys[1:]:
            frames = jax.random.bernoulli(key, 0.1, (30, 8, 20)).astype(jnp.float32)
            _, potentials = network(weights, frames)
            rec.add("lif", potentials, neuron="LIF", reset="subtract", cost=4)
            rec.batch(8)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "runs/jax")
