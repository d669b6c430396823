"""Collect the membrane potential of one layer, step by step."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .device import is_elsewhere
from .forwards import Within

if TYPE_CHECKING:
    import torch

    from .layers import Layer


class Versions:
    """Tells whether one of a batch's tensors was changed in place, as far as they still exist."""

    def __init__(self) -> None:
        self._seen: list[tuple[Any, int]] = []

    def add(self, tensor: torch.Tensor) -> None:
        """Remember the tensor as it is now."""
        version = version_of(tensor)
        if version is not None:
            self._seen.append((weakref.ref(tensor), version))

    def replace_last(self, tensor: torch.Tensor) -> None:
        """Remember the tensor in the place of the one that was added last."""
        del self._seen[-1:]
        self.add(tensor)

    def have_changed(self) -> bool:
        """Whether a tensor has another version than when it was added."""
        tensors = ((ref(), version) for ref, version in self._seen)
        return any(tensor is not None and tensor._version != version for tensor, version in tensors)

    def clear(self) -> None:
        """Forget all tensors."""
        self._seen.clear()


class Steps:
    """Collects one layer's membrane potential before and after each step of a batch.

    Only detached potentials are kept: no inputs, no outputs, no autograd graph. They are copied in
    the first batch, and for good once the network changes one in place; else they are kept as they
    are, and their versions tell whether that was right. What is computed again in the backward pass
    (torch.utils.checkpoint) is no step.
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._before: torch.Tensor | float | None = None
        self._is_previous = False
        # On an accelerator a comparison would wait for it in every step: `close` looks at all.
        self._may_be_previous: tuple[torch.Tensor, bool] | None = None
        self._open: list[tuple[int, torch.Tensor, bool]] = []
        self._last: torch.Tensor | None = None
        self._version: int | None = None
        self._versions = Versions()
        self._is_repeated = False
        self._changes_in_place = False
        self._copies = True

    def begin(self, before: torch.Tensor | float | None) -> None:
        """Keep the potential that a step begins with: one of all neurons, or None for zero."""
        post, last = self.layer.post, self._last
        self._is_repeated = is_backward()
        if self._is_repeated:
            return
        self._is_previous, self._may_be_previous = False, None
        if before is None or isinstance(before, (int, float)):
            self._before = before
            return
        before = unwrapped(before)
        if last is not None and post:
            same = is_same(before, last)
            if same and not self._copies and version_of(before) != self._version:
                self._lose_last()
            # A change through .data has no version: the copy shows it.
            if same and not self._copies and not before.is_inference():
                self._is_previous = True
            elif is_elsewhere(before):
                if is_alike(before, post[-1]):
                    self._may_be_previous = are_equal(before.detach(), post[-1]), same
            else:
                self._is_previous = equals(before.detach(), post[-1])
                self._changes_in_place |= same and not self._is_previous
        self._before = before if self._is_previous else before.detach().clone()

    def end(self, after: torch.Tensor) -> None:
        """Keep the potential that a step ended with."""
        # Both ends are stored here, so that a forward that raised leaves no half step behind.
        if self._is_repeated:
            return
        layer, before, after = self.layer, self._before, unwrapped(after)
        layer.called = True
        copy = self._copies or after.is_inference()
        last = self._last if layer.post and not self._changes_in_place else None
        if last is not None and is_same(after, last):
            # The layer computes in place, perhaps through .data, of which torch counts nothing.
            if not copy and version_of(after) == self._version:
                self._lose_last()
            self._changes_in_place = True
        if self._is_previous:
            # Detaching makes a new object: identity with the step before is kept by using it.
            before = layer.post[-1]
        elif before is None or isinstance(before, (int, float)) or before.shape != after.shape:
            # The layer begins at rest; before the first step it does not matter.
            rest = before if isinstance(before, (int, float)) else 0.0
            before = after.detach().new_full(after.shape if layer.post else (0,), rest)
        if self._may_be_previous is not None:
            self._open.append((len(layer.pre), *self._may_be_previous))
        layer.pre.append(before)
        layer.post.append(after.detach().clone() if copy else after.detach())
        self._last, self._version = after, version_of(after)
        if not self._changes_in_place:
            self._versions.add(after if copy else layer.post[-1])

    def has_left(self, kept: torch.Tensor) -> bool:
        """Whether a layer that keeps `kept` goes on from elsewhere than where the step began."""
        before, kept = self._before, unwrapped(kept).detach()
        if self._is_repeated or kept.is_meta:
            return False
        if isinstance(before, (int, float)) or before is None or before.shape != kept.shape:
            return bool((kept != (before if isinstance(before, (int, float)) else 0)).any())
        return not equals(before.detach(), kept)

    def amend(self, after: torch.Tensor) -> None:
        """Replace the potential that the step ended with: something came after it in the call."""
        post, after = self.layer.post, unwrapped(after)
        is_same = after is self._last and version_of(after) == self._version
        if self._is_repeated or not post or is_same:
            return
        copy = self._copies or after.is_inference()
        post[-1] = after.detach().clone() if copy else after.detach()
        self._last, self._version = after, version_of(after)
        if not self._changes_in_place:
            self._versions.replace_last(after if copy else post[-1])

    def rows(self, before: torch.Tensor | float | None, potentials: torch.Tensor) -> None:
        """Keep all steps of one call, ``[T, B, ...]``, of which the first begins with `before`."""
        for after in potentials.detach():
            self.begin(before)
            self.end(after)
            before = after

    def was_called(self) -> None:
        """Note that the layer was called, whatever is seen of its potential."""
        self.layer.called |= not is_backward()

    def was_taken_for_one(self) -> None:
        """Note that a call was taken for one step, since nothing is seen of what is within it."""
        self.layer.within.add(Within.OWN)

    def close(self) -> None:
        """The batch is over: see to changes in place, and to comparisons on an accelerator."""
        self._compare()
        if not self._changes_in_place and self._versions.have_changed():
            if self._copies:  # the copies are as the potentials were
                self._changes_in_place = True
            else:
                self._lose_last()

    def reset(self) -> None:
        """Forget the batch."""
        if self.layer.post:
            self._copies = self._changes_in_place
        self._last = None
        self._versions.clear()
        self._open.clear()
        self.layer.pre.clear()
        self.layer.post.clear()
        self.layer.defects.clear()
        self.layer.called = False

    def _compare(self) -> None:
        """Find out which steps began with the potential of the step before, in one transfer."""
        import torch

        if not self._open or self._open[0][1].is_meta:
            return
        equal = torch.stack([flag for _, flag, _ in self._open]).tolist()
        for (index, _, same), is_previous in zip(self._open, equal):
            if is_previous:
                self.layer.pre[index] = self.layer.post[index - 1]
            else:
                self._changes_in_place |= same
        self._open.clear()

    def _lose_last(self) -> None:
        """A potential that a step ended with was changed in place, and is not copied."""
        self._changes_in_place = True
        self._copies = True
        if len(self.layer.post) > 1:  # in the first step every neuron counts, whatever it holds
            self.layer.defects.append(
                "for the first time the network changed its potential in place after a step, "
                "so that the potential before the change is lost. Later batches are recorded: "
                "potentials are copied from here on"
            )


def unwrapped(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor within those of torch.func, with the axis that vmap hides in front."""
    import torch

    functorch: Any = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        axis = functorch.maybe_get_bdim(tensor)
        tensor = functorch.get_unwrapped(tensor)
        tensor = tensor.movedim(axis, 0) if axis > 0 else tensor
    return tensor


def version_of(tensor: torch.Tensor) -> int | None:
    """How often `tensor` was changed in place; None where torch does not count (inference)."""
    return None if tensor.is_inference() else tensor._version


def is_backward() -> bool:
    """Whether autograd runs a backward pass in this thread."""
    import torch

    task = getattr(torch._C, "_current_graph_task_id", None)  # since torch 2.1
    return task is not None and task() != -1


def is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether both are the same memory in the same shape, as after ``detach()``."""
    if one is other:
        return True
    return (
        one.data_ptr() == other.data_ptr()
        and one.dtype == other.dtype
        and one.device == other.device
        and one.shape == other.shape
        and one.stride() == other.stride()
        and one.numel() > 0
    )


def is_alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether both are of one shape and type on one device, so that they can be equal."""
    return (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device)


def are_equal(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Whether both have the same values, as a tensor on their device; NaN equals NaN."""
    return ((one == other) | ((one != one) & (other != other))).all()


def equals(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether both have the same values; NaN equals NaN."""
    import torch

    if not is_alike(one, other):
        return False
    return torch.equal(one, other) or bool(are_equal(one, other))
