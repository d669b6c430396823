"""Record a network without NeuroBench."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .arrays import ArrayLayer, rows_of, with_one_type
from .compiled import uncompiled
from .messages import RecorderError
from .network import name_in_file
from .options import MOST_OPERATIONS, Options, is_count, run_directory
from .run import Run
from .traps import axes_traps, mixed_traps, one_sample_traps, parts_traps
from .watch import Watch

if TYPE_CHECKING:
    import torch

    from .hooks import AnyHook
    from .layers import AnyLayer
    from .messages import Trap


class _State(enum.Enum):
    NEW = enum.auto()
    OPEN = enum.auto()  # within its block
    OVER = enum.auto()


class Recording:
    """A recording of a network's batches: a context manager that `record` returns.

    Attributes
    ----------
    directory : pathlib.Path
        Where the run is written: the requested directory, perhaps with a counter.
    """

    def __init__(self, net: torch.nn.Module | None, options: Options) -> None:
        self._net = net
        self._added: dict[str, ArrayLayer | None] = {}
        self._as_added: dict[str, dict[str, Any]] = {}
        self._run = Run(options)
        self._watch: Watch | None = None
        self._state = _State.NEW
        # Of each layer that is passed potentials of several shapes, these in the first batch.
        self._shapes: dict[str, list[Any]] = {}
        # How many samples each batch was said to have, and its potentials.
        self._samples: list[tuple[int, int]] = []
        # How many steps each batch had, and whether its layers went on from step to step.
        self._steps: list[tuple[int, bool]] = []

    @property
    def directory(self) -> Path:
        """Where the run is written."""
        return self._run.path

    @property
    def _hooks(self) -> list[AnyHook]:
        return [] if self._watch is None else self._watch.hooks

    def _must_be_open(self, doing: str) -> None:
        if self._state is _State.NEW:
            raise RecorderError(
                f"{doing} before the recording has begun: write "
                "with neurotop.record(net, directory) as rec: and record within that block"
            )
        if self._state is _State.OVER:
            raise RecorderError(f"{doing} after the block of the recording, which has ended there")

    def __enter__(self) -> Recording:
        if self._state is not _State.NEW:
            raise RecorderError(
                "this recording was begun already: call neurotop.record() again for each recording"
            )
        options = self._run.options
        given = {
            "expected_samples": options.expected_samples,
            "expected_batches": options.expected_batches,
        }
        self._run.expected = {key: int(value) for key, value in given.items() if value is not None}
        try:
            if self._net is not None:
                self._watch = Watch(self._net)
                self._run.warn(self._watch.traps())
            self._run.begin()
        except BaseException:
            if self._watch is not None:
                self._watch.remove()
            raise
        self._state = _State.OPEN
        self._eager = uncompiled()
        self._eager.__enter__()
        return self

    def add(
        self,
        layer: str,
        post: Any,
        pre: Any = None,
        *,
        neuron: str = "custom",
        reset: str = "none",
        cost: int | None = None,
    ) -> None:
        """Give the potentials of a layer that has no hooks, before `batch` writes them.

        Parameters
        ----------
        layer : str
            The layer's name, the same in all batches. A part of it between slashes that is empty or
            begins with a dot gets an underscore, since it is the name of a file.
        post : array or iterable of arrays
            Potential after each step: ``[T, B, ...]`` of NumPy, torch or JAX (or anything with
            ``__array__`` or ``__dlpack__``), or the steps one by one, each ``[B, ...]``. A step
            without an axis is one sample.
        pre : array or iterable of arrays, optional
            Potential before each step, in the shape of `post`; its first row is not looked at. By
            default each step begins with what the step before ended with.
        neuron, reset : str
            Class name and reset mechanism, by which the command prices the layer.
        cost : int, optional
            Operations of one update, for the manifest (``ops_per_update``).

        Raises
        ------
        ValueError
            The arrays are no potentials of this form, the layer was given twice in one batch, has
            another neuron, reset or cost than in a batch before, or the name of a layer that is
            recorded already.
        RecorderError
            This is not called within the recording's block.
        """
        self._must_be_open("rec.add() was called")
        name = name_in_file(str(layer)) if str(layer) else ""
        if self._added.get(name) is not None:
            raise ValueError(
                f"rec.add({name!r}): the layer was added already in this batch: give all of its "
                "steps in one call, for instance as a list"
            )
        if any(hook.layer.name == name for hook in self._hooks):
            raise ValueError(
                f"rec.add({name!r}): a layer of the network that is recorded has this name"
            )
        if not name or (cost is not None and not (is_count(cost) and cost <= MOST_OPERATIONS)):
            raise ValueError(
                f"rec.add({name!r}, cost={cost!r}): give a name, and a whole number of operations, "
                f"at most {MOST_OPERATIONS:,}"
            )
        rows = rows_of(name, post)
        before = None if pre is None else rows_of(name, pre)
        if before is not None and [row.shape for row in before] != [row.shape for row in rows]:
            raise ValueError(f"rec.add({name!r}): pre and post have different shapes")
        if before is not None:
            rows, before = with_one_type(name, rows, before)
        added = ArrayLayer(name, str(neuron), str(reset), cost, rows, before)
        entry = added.manifest_entry()
        if self._as_added.setdefault(name, entry) != entry:
            raise ValueError(
                f"rec.add({name!r}): neuron, reset and cost are those of the whole run, and were "
                f"others in a batch before: {self._as_added[name]}. Give this layer another name"
            )
        self._added[name] = added

    def _missing_traps(self) -> Iterator[Trap]:
        for name, layer in self._added.items():
            if layer is None:
                yield (
                    ("not-added", name),
                    f"layer '{name}' was not given to rec.add() before a rec.batch(): that batch's "
                    "samples count for it, with no updates.",
                )

    def batch(self, samples: int) -> None:
        """Write everything the layers did since the last call, as one batch.

        Parameters
        ----------
        samples : int
            Samples in the batch, such as ``len(x)``.

        Raises
        ------
        ValueError
            `samples` is not a whole number, 0 or more.
        RecorderError
            The batch cannot be written, and ``strict=True`` was given; or this is not called within
            the recording's block.
        """
        self._must_be_open("rec.batch() was called")
        if not is_count(samples):
            raise ValueError(f"rec.batch({samples!r}): give the number of samples in the batch")
        try:
            reason = self._why_not_whole()
            layers = self._layers()
            if reason:
                self._run.skip(reason)
            elif any(layer.called for layer in layers):
                self._write(layers, int(samples))
            else:
                text = (
                    "rec.batch() was called, but no layer was called since the last rec.batch(): "
                    "nothing written. (Of a layer's forward that was kept from before the "
                    "recording, as in step = layer.forward, no call is seen: call the layer.)"
                )
                self._run.note([(("empty", ""), text)])
        finally:
            if self._watch is not None:
                self._watch.reset()
            self._added = dict.fromkeys(self._added)

    def _layers(self) -> list[AnyLayer]:
        """What was seen and given since the last batch."""
        seen = [] if self._watch is None else self._watch.layers()
        return [*seen, *(layer for layer in self._added.values() if layer is not None)]

    def _why_not_whole(self) -> str:
        """Why steps of this batch are missing; empty if none is."""
        if self._watch is None:
            return ""
        unseen, traps = self._watch.newcomers(self._run.has_begun)
        self._run.note(traps)
        raised = self._watch.raised()
        if raised:
            return (
                f"the network raised {raised} in it, so that its steps are not whole (where you go "
                "on with another batch after an exception, call rec.batch() before that: only the "
                "batch that failed is lost then)"
            )
        if unseen:
            return (
                f"{', '.join(unseen)} came into the network after the recording began, so that its "
                "first steps were not seen"
            )
        return ""

    def _write(self, layers: list[AnyLayer], samples: int) -> None:
        """Write what the layers did as one batch."""
        traps: list[Trap] = []
        if self._watch is not None:
            self._watch.close()
            if not self._run.has_begun:
                traps += self._watch.first_traps(samples)
        if samples == 1:
            traps += one_sample_traps(layers)
            for layer in layers:
                if layer.post and layer.post[0].shape[:1] != (1,):
                    layer.add_batch_axis()
        traps += [*axes_traps(layers, samples, self._samples), *self._missing_traps()]
        traps += mixed_traps([hook.layer for hook in self._hooks], self._steps)
        layers = self._in_parts(layers)
        self._run.batch(layers, samples, [*traps, *parts_traps(self._shapes)])

    def _in_parts(self, layers: list[AnyLayer]) -> list[AnyLayer]:
        """The layers, where one that is passed potentials of several shapes is one for each."""
        if not self._run.has_begun:
            self._shapes = {
                layer.name: shapes for layer in layers if len(shapes := layer.passed_shapes()) > 1
            }
        return [part for layer in layers for part in layer.parts(self._shapes.get(layer.name, []))]

    def __exit__(
        self,
        kind: type | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._state = _State.OVER
        if self._watch is not None:
            self._watch.remove()
        self._eager.__exit__(None, None, None)
        if kind is not None:
            if self._run.stopped:  # the user knows, perhaps from this very exception
                return
            text = f"the program stopped with {kind.__name__}: {error}".removesuffix(": ")
            self._run.note([(("exception", ""), text)])
            return
        if any(hook.layer.called for hook in self._hooks) or any(self._added.values()):
            text = "the steps after the last rec.batch() were not written: call it after each batch"
            self._run.note([(("unwritten", ""), text)])
        self._run.finish()


def record(
    net: torch.nn.Module | None,
    directory: str | os.PathLike[str],
    *,
    form: str = "trace",
    name: str | None = None,
    keep: int | None = None,
    exist_ok: bool = False,
    strict: bool = False,
    external_state: bool = False,
    rank: int | None = None,
    world_size: int | None = None,
    expected_batches: int | None = None,
    expected_samples: int | None = None,
) -> Recording:
    """Record a network without NeuroBench.

    Entering the ``with`` block sets the hooks, and leaving it removes them, also after an
    exception. Call ``rec.batch(samples)`` after each batch.

    Parameters
    ----------
    net : torch.nn.Module or None
        A network with spiking layers of snnTorch or, with the package, of another framework. Each
        layer's membrane potential, ``[B, ...]``, is recorded before and after each step. None if
        only `Recording.add` is used.
    directory : str or path
        The run's directory.
    form : {'trace', 'pair', 'bits'}
        What is written; see `Recorder`.
    name : str, optional
        The run's name on the dashboard; the directory's name by default.
    keep, exist_ok, strict, external_state, rank, world_size
        See `Recorder`.
    expected_batches, expected_samples : int, optional
        How many to expect from all ranks together, for the progress on the dashboard.

    Returns
    -------
    Recording
        A context manager.

    Raises
    ------
    TypeError
        `net` is no ``torch.nn.Module``.
    ValueError
        An option has an impossible value.
    RecorderError
        On entering the block: the network has no spiking layer. With ``strict=True``: whatever
        would otherwise stop the recording.

    Examples
    --------
    >>> with neurotop.record(net, "runs/exp1") as rec:  # doctest: +SKIP
    ...     for x, _ in loader:
    ...         net(x)
    ...         rec.batch(len(x))
    """
    if net is not None and not hasattr(net, "named_modules"):
        raise TypeError(f"record() needs a torch.nn.Module, not {type(net).__name__}")
    options = Options(
        directory=run_directory(directory),
        form=form,
        name=name,
        keep=keep,
        exist_ok=exist_ok,
        strict=strict,
        external_state=external_state,
        rank=rank,
        world_size=world_size,
        expected_batches=expected_batches,
        expected_samples=expected_samples,
    )
    return Recording(net, options)
