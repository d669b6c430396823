"""Potentials on an accelerator: packed there, and copied while the program goes on.

All of this is torch's operations on the tensors' own device, so that it runs on the CPU as well.
Only the copy knows of CUDA: it goes through pinned memory on a stream of its own, and an event says
when it has arrived.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from .layers import Layer

#: Steps are stacked, compared and copied in blocks of about this size.
BLOCK_BYTES = 64 << 20

#: As much may be on its way to the host: the blocks take as much of the device's memory.
BYTES_ON_THE_WAY = 256 << 20


def is_elsewhere(tensor: torch.Tensor) -> bool:
    """Whether the tensor is not in the host's memory."""
    return tensor.device.type != "cpu"


def begin_changed_bits(layer: Layer, dtype: torch.dtype) -> Iterable[np.ndarray]:
    """Find and pack the changed elements, and begin to copy them: see `encoding.changed_bits`."""
    import torch

    copies, post = [], layer.post
    is_same = layer.pre_is_previous_post()
    count = _block_of(post[0])
    for begin in range(0, len(post) - 1, count):
        if is_same:
            rows = _stack(post[begin : begin + count + 1], dtype)
            one, other = rows[:-1], rows[1:]
        else:
            one = _stack(layer.pre[begin + 1 : begin + count + 1], dtype)
            other = _stack(post[begin + 1 : begin + count + 1], dtype)
        copies.append(_begin_copy(packed(torch.sub(one, other).ne(0))))
    return _arrived(copies)


def packed(flags: torch.Tensor) -> torch.Tensor:
    """`numpy.packbits` of booleans: eight to a byte, the first in its highest bit."""
    import torch

    flat = flags.flatten()
    eights = torch.nn.functional.pad(flat, (0, -flat.numel() % 8)).view(-1, 8).to(torch.uint8)
    places = torch.arange(7, -1, -1, dtype=torch.uint8, device=flags.device)
    return torch.bitwise_left_shift(eights, places).sum(1, dtype=torch.uint8)


def begin_rows(steps: list[torch.Tensor], dtype: torch.dtype) -> Iterable[np.ndarray]:
    """Begin to copy the steps, in blocks ``[n, B, ...]``."""
    count = _block_of(steps[0])
    blocks = (steps[begin : begin + count] for begin in range(0, len(steps), count))
    # Stacked, they are the recorder's own: the program may change its tensors from here on.
    return _arrived([_begin_copy(_stack(block, dtype)) for block in blocks])


def _block_of(step: torch.Tensor) -> int:
    """How many steps make a block; a multiple of eight, which fill whole bytes when packed."""
    return 8 * max(1, BLOCK_BYTES // (8 * max(1, step.numel() * step.element_size())))


def _stack(steps: list[torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    import torch

    return torch.stack([step.detach().to(dtype) for step in steps])


def _arrived(copies: list[_Copy]) -> Iterator[np.ndarray]:
    """Each copy, once it has arrived."""
    for copy in copies:
        yield copy.array()


class _Copy:
    """A block of a device on its way to the host.

    Parameters
    ----------
    host : torch.Tensor
        Where it arrives.
    event : torch.cuda.Event or None
        What happens when it has; None if it is there.
    """

    def __init__(self, host: torch.Tensor, event: Any = None) -> None:
        self.host = host
        self._event = event

    def array(self) -> np.ndarray:
        """The block as an array of NumPy, once it has arrived."""
        if self._event is not None:
            self._event.synchronize()
        return self.host.numpy()


#: The events of copies that may not have arrived, and their bytes.
_on_the_way: deque[tuple[Any, int]] = deque()


def _begin_copy(block: torch.Tensor) -> _Copy:
    """Begin to copy a block that nobody else has."""
    cuda = _cuda_of(block)
    if cuda is None:
        return _Copy(block.cpu())
    _wait_for_room(block.nbytes)
    stream = _stream(cuda, block.device)
    stream.wait_stream(cuda.current_stream(block.device))
    host = _pinned_like(block)
    with cuda.stream(stream):
        host.copy_(block, non_blocking=True)
        event = cuda.Event()
        event.record(stream)
    block.record_stream(stream)  # its memory is not used again before it is copied
    _on_the_way.append((event, block.nbytes))
    return _Copy(host, event)


def _wait_for_room(size: int) -> None:
    """Wait for the oldest copies, so that not more than `BYTES_ON_THE_WAY` are begun."""
    while _on_the_way:
        event, _ = _on_the_way[0]
        if not event.query():
            if size + sum(other for _, other in _on_the_way) <= BYTES_ON_THE_WAY:
                return
            event.synchronize()
        _on_the_way.popleft()


def _cuda_of(block: torch.Tensor) -> Any:
    """torch.cuda, if the block is there; of other devices blocks are copied at once."""
    import torch

    return torch.cuda if block.device.type == "cuda" else None


@functools.cache
def _stream(cuda: Any, device: torch.device) -> Any:
    """The stream on which blocks of a device are copied."""
    return cuda.Stream(device)


def _pinned_like(block: torch.Tensor) -> torch.Tensor:
    """Memory of the host for a block; not pinned where no more can be pinned, which is slower."""
    import torch

    try:
        return torch.empty(block.shape, dtype=block.dtype, pin_memory=True)
    except RuntimeError:
        return torch.empty(block.shape, dtype=block.dtype)
