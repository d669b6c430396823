"""One run from its first batch to its end."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .directory import claimed_directory, delete
from .encoding import encode, no_steps_member
from .manifest import FORMAT_VERSION, MEASURED_KEYS, merge_manifests, producer
from .messages import RecorderError, explain, tell
from .options import rank_and_world
from .writer import Writer

if TYPE_CHECKING:
    from .directory import RunDirectory
    from .encoding import Member
    from .layers import AnyLayer
    from .messages import Trap
    from .options import Options


class Run:
    """One run from its first batch to its end.

    An error stops the recording with one warning, but never the benchmark. With ``strict=True``
    it is raised.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.directory: RunDirectory | None = None
        # Distinguishes this run from another of the same network in the same directory.
        self._id = uuid.uuid4().hex
        # The id in the manifest. With several ranks, it is that of the first to write it.
        self._run_id: str | None = None
        self.expected: dict[str, int] = {}
        self._layers: dict[str, dict[str, Any]] = {}
        self._varying: set[str] = set()
        self._warnings: dict[tuple[str, str], str] = {}
        self._unsaid: list[str] = []
        self._manifest: dict[str, Any] | None = None
        self._on_disk: list[int] = []
        self._left_out: set[str] = set()
        self._skipped = 0
        self._batches = 0  # also those that the writer still has
        self._written = 0
        self._samples = 0
        self.stopped = False
        self._writer = Writer()
        self._process = os.getpid()

    @property
    def path(self) -> Path:
        """Where the run is written: the requested directory, perhaps with a counter."""
        return self.directory.path if self.directory else self.options.directory

    @property
    def has_begun(self) -> bool:
        """Whether a batch is written, with which the layers of the run are given."""
        return self._batches > 0

    def begin(self) -> None:
        """Claim the directory."""
        with self.guarded("cannot begin"):
            rank, world_size = rank_and_world(self.options)
            self.directory = claimed_directory(self.options, rank, world_size)
        if self.path != self.options.directory:
            message = f"{self.options.directory} already holds a run: recording to {self.path}"
            tell(message)

    def warn(self, traps: Iterable[Trap]) -> None:
        """Store each warning once, for the manifest and for the user."""
        for key, text in traps:
            if key not in self._warnings:
                self._warnings[key] = text
                self._unsaid.append(text)

    def batch(self, layers: list[AnyLayer], samples: int, traps: Iterable[Trap] = ()) -> None:
        """Write one batch, unless the recording has stopped.

        Parameters
        ----------
        layers : list of Layer
            What the hooks saw in this batch.
        samples : int
            Samples in the batch.
        traps : iterable of warnings
            Warnings about the network as a whole.
        """
        if self.stopped or self.directory is None:
            return
        if self._is_forked():
            self._refuse_forked()
            return
        self._look_at_writer()
        if self.stopped:
            return
        number = self._batches * self.directory.world_size + self.directory.rank
        doing = f"cannot write {self.directory.batch_name(number)}"
        with self.guarded(doing):
            layers = self._recordable(layers)
            if not layers:
                self.say()
                return
            self._learn(layers)
            self.warn(traps)
            self.warn(self._batch_traps(layers))
            members, manifest = self._members(layers, samples), self._manifest_content()
            if any(layer.is_elsewhere() for layer in layers):
                kept = [member.kept() for member in members]
                write = functools.partial(self._write_batch, number, kept, manifest)
                # Before it is handed over: whatever interrupts that, no number is used twice.
                self._batches += 1
                self._samples += samples
                self._writer.put(doing, write, sum(member.nbytes for member in kept))
            else:
                self._drain()
                if self.stopped:
                    return
                self._write_batch(number, members, manifest)
                self._batches += 1
                self._samples += samples
        self.say()

    def _write_batch(
        self, number: int, members: Iterable[Member], manifest: dict[str, Any]
    ) -> None:
        """Write a batch, and before it becomes visible the manifest.

        The thread of the writer calls this, or the program while that thread has nothing to do.
        """
        assert self.directory is not None
        with self.directory.batch(number, members):
            self._write_manifest(manifest)
        self._on_disk.append(number)
        self._written += 1
        self._prune()

    def _is_forked(self) -> bool:
        """Whether this process is a child of the one that records."""
        return os.getpid() != self._process

    def _refuse_forked(self) -> None:
        """Refuse to write: both processes would write the same batches."""
        self.stopped = True
        text = (
            f"neurotop: a process that was forked cannot go on with the recording in {self.path} "
            "of its parent: begin one of its own in the child, with rank= and world_size="
        )
        if self.options.strict:
            raise RecorderError(text)
        tell(text)

    def _look_at_writer(self) -> None:
        """Stop the recording if a batch could not be written meanwhile."""
        failure = self._writer.failure()
        if failure is not None:
            doing, error = failure
            with self.guarded(doing):
                raise error

    def _drain(self) -> None:
        """Wait until all batches are written; stop the recording if one cannot be."""
        self._writer.drain()
        self._look_at_writer()

    def abandon(self) -> None:
        """See to the batches of a run that an exception has ended."""
        if not self.stopped and not self._is_forked():
            self._drain()

    def _recordable(self, layers: list[AnyLayer]) -> list[AnyLayer]:
        """The layers whose steps can be written; none where the batch must not be written.

        A layer that cannot be recorded in the first batch is left out of the run. Later its batch
        is left out, since the batch's samples must not count without the layer's updates.

        Raises
        ------
        RecorderError
            There is no layer at all that can be recorded.
        """
        if self._batches:
            self._leave_out_late(layers)
        layers = [layer for layer in layers if layer.name not in self._left_out]
        defects = [(layer, defect) for layer in layers if (defect := layer.defect())]
        for layer, defect in defects:
            label = f"layer '{layer.name}' ({layer.neuron})"
            if self._batches:
                self._leave_out(f"{label} cannot be: {defect}")
                continue
            self._left_out.add(layer.name)
            text = (
                f"{label} is left out of the run, since it cannot be recorded: {defect}. "
                "neurotop counts the other layers."
            )
            self.warn([(("defect", layer.name), text)])
        if self._batches and defects:
            self._skipped += 1
            return []
        layers = [layer for layer in layers if layer.name not in self._left_out]
        if not layers:
            raise RecorderError("the network has no spiking layer that can be recorded")
        return layers

    def _leave_out_late(self, layers: list[AnyLayer]) -> None:
        """Leave out layers that the first batch does not have, as every batch must."""
        for layer in layers:
            if layer.name not in self._layers and layer.name not in self._left_out:
                self._left_out.add(layer.name)
                text = (
                    f"layer '{layer.name}' ({layer.neuron}) is left out of the run, whose layers "
                    "are those of its first batch. Where it has no steps in that, give it none: "
                    f"rec.add({layer.name!r}, [])."
                )
                self.warn([(("late", layer.name), text)])

    def skip(self, reason: str) -> None:
        """Leave a batch out of the run, and say why."""
        if not self.stopped:
            self._leave_out(reason)
            self._skipped += 1

    def _leave_out(self, reason: str) -> None:
        number = self._batches + self._skipped
        text = (
            f"batch {number + 1} is not recorded, since {reason}. Its samples are not counted; the "
            "other batches are."
        )
        self.note([(("batch", str(number)), text)])

    def refuse(self, reason: str) -> None:
        """Stop the recording before its first batch.

        Raises
        ------
        RecorderError
            The recording is strict.
        """
        if not self.stopped and self.directory is not None:
            with self.guarded("cannot record"):
                raise RecorderError(reason)

    def say(self) -> None:
        """Issue the warnings stored since the last call."""
        unsaid, self._unsaid = self._unsaid, []
        for text in unsaid:
            tell(text)

    def note(self, traps: Iterable[Trap]) -> None:
        """Warn between two batches, also in the manifest."""
        self.warn(traps)
        if self._is_forked():
            return
        if self._unsaid and self._batches and not self.stopped:
            self._drain()
        if self._unsaid and self._manifest is not None and not self.stopped:
            with self.guarded("cannot write manifest.json"):
                self._write_manifest(self._manifest_content())
        self.say()

    def finish(self, official: dict[str, Any] | None = None) -> None:
        """Write ``end.json``, with NeuroBench's own results if there are any.

        A recording that stopped writes none, since the directory does not hold the whole run.
        """
        if self.stopped or self.directory is None or self._is_forked():
            return
        self._drain()
        if self.stopped:
            return
        with self.guarded("cannot write end.json"):
            if not self._batches:
                text = "the run has no batch: nothing was recorded"
                self.warn([(("no-batch", ""), text)])
            self._prune()
            part: dict[str, Any] = {"samples": self._samples, "batches": self._batches}
            part |= {"neurobench": official} if official else {}
            # Ranks that were not given are those of the program, which may evaluate in one only.
            if self.options.rank is None and self.directory.is_alone():
                self._end_alone(part)
            else:
                self._write_manifest(self._manifest_content())
                self.directory.end(part)
        self.say()

    def _end_alone(self, part: dict[str, Any]) -> None:
        """End a run of which the other ranks have not even begun to record."""
        assert self.directory is not None
        text = (
            f"only rank 0 of {self.directory.world_size} has recorded, so the run ends with it. If "
            "only one rank evaluates, give it rank=0, world_size=1; else record in all of them."
        )
        self.warn([(("alone", ""), text)])
        content = self._manifest_content()
        self._write_manifest(content)
        content = dict(content)
        content.pop("world_size", None)
        self.directory.write_json("manifest.json", content)
        self.directory.end(part)
        self.directory.write_json("end.json", {**part, "ranks": [{"rank": 0, **part}]})

    @contextmanager
    def guarded(self, doing: str) -> Iterator[None]:
        """Turn any error into one warning, and stop the recording."""
        try:
            yield
        except Exception as error:  # a bug of the recorder must not end a benchmark either
            self.stopped = True
            self._writer.drain()
            reason = str(error) if isinstance(error, RecorderError) else explain(error)
            text = f"neurotop {doing} in {self.path}: {reason}"
            told = f"{text}. The recording stops here; the benchmark goes on."
            if self.options.strict:
                self._warnings[("stopped", "")] = text
                self._save_warnings()
                raise RecorderError(text) from error
            self.warn([(("stopped", ""), told)])
            self._save_warnings()
            self.say()

    def _save_warnings(self) -> None:
        """Tell the dashboard why no more batches come, if that can still be written.

        A directory without a batch is free for the next run.
        """
        if self.directory is None:
            return
        try:
            self._write_manifest(self._manifest_content())
            if not self._written:
                self.directory.release()
        except (OSError, RecorderError):
            pass  # the user gets the warning anyway; a full disk has no room for it

    def _batch_traps(self, layers: list[AnyLayer]) -> Iterator[Trap]:
        for layer in layers:
            yield from layer.traps()
            if layer.name in self._varying:
                yield (
                    ("shape", layer.name),
                    f"layer '{layer.name}' has other shapes in other batches, so the manifest "
                    "gives none; the counts are exact.",
                )
        if any(layer.post and layer.flushes_subnormals() for layer in layers):
            yield (
                ("subnormal", ""),
                "torch flushes subnormal numbers to zero (torch.set_flush_denormal), which hides "
                "some of the smallest changes. So that the counts agree with NeuroBench, the "
                "batches are recorded as bits, with NeuroBench's own operations, whatever form= "
                "says.",
            )

    def _learn(self, layers: list[AnyLayer]) -> None:
        """Add the layers of a batch, and their shapes, to the manifest's."""
        for layer in layers:
            entry = layer.manifest_entry()
            known = self._layers.setdefault(layer.name, dict(entry))
            if "priced_by" in entry or "unpriced" in entry:  # later than in the first batch
                for key in MEASURED_KEYS:
                    known.pop(key, None)
                known.update(entry)
            if not layer.post or layer.name in self._varying:
                continue
            shape = list(layer.post[0].shape[1:])
            if known.setdefault("shape", shape) != shape:
                # neurotop sets aside a batch that contradicts the manifest.
                self._varying.add(layer.name)
                del known["shape"]

    def _members(self, layers: list[AnyLayer], samples: int) -> Iterator[Member]:
        """The batch's arrays: every layer of the manifest, even if it has lost its hooks."""
        yield from encode(layers, self.options.form, samples)
        present = {layer.name for layer in layers}
        for name in self._layers:
            if name not in present:
                yield no_steps_member(name, samples)

    def _write_manifest(self, content: dict[str, Any]) -> None:
        """Write the manifest if it has changed. The first of several ranks creates it."""
        if content == self._manifest:
            return
        assert self.directory is not None
        with self.directory.lock():
            existing = self.directory.read_manifest() if self.directory.world_size > 1 else None
            merged = merge_manifests(existing, content, self._manifest) if existing else content
            if merged != existing:
                self.directory.write_json("manifest.json", merged)
        self._manifest = content
        self._run_id = merged.get("id")

    def _manifest_content(self) -> dict[str, Any]:
        assert self.directory is not None
        several = self.directory.world_size > 1
        return {
            "format": "neurotop",
            "version": FORMAT_VERSION,
            "id": self._id,
            "run": self.options.name or self.path.name,
            "producer": producer(),
            **self.expected,
            **({"keep": self.options.keep} if self.options.keep else {}),
            **({"world_size": self.directory.world_size} if several else {}),
            **({"stopped": True} if self.stopped else {}),
            "warnings": list(self._warnings.values()),
            "layers": [dict(layer) for layer in self._layers.values()],
        }

    def _prune(self) -> None:
        """Delete the batches that a watching neurotop has counted, except the newest `keep`."""
        if self.options.keep is None or self._run_id is None:
            return
        assert self.directory is not None
        ranges = self.directory.counted(self._run_id)
        for number in self._on_disk[: -self.options.keep]:
            if any(first <= number <= last for first, last in ranges):
                delete(self.directory.path / self.directory.batch_name(number))
                self._on_disk.remove(number)
