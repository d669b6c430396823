"""Record a benchmark of NeuroBench, as one of its metrics."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from .compiled import is_compiled
from .hooks import meter_on
from .layers import Layer
from .messages import RecorderError
from .network import is_spiking, modules, qualified_names, why_replicated
from .neurobench_traps import (
    StateWatch,
    hidden_reset_advice,
    network_traps,
    padding_traps,
    unregistered_traps,
    watch_traps,
)
from .options import Options, rank_and_world, run_directory
from .run import Run
from .traps import forgets_traps, stranger_traps

if TYPE_CHECKING:
    import torch

    from .layers import AnyLayer
    from .messages import Trap
    from .prices import Meter


def neurobench_layers(model: Any, stale: dict[int, tuple[int, int, int]]) -> list[Layer]:
    """The spiking layers as NeuroBench's own hooks saw them, then those it does not hook.

    A layer that NeuroBench hooked twice is listed twice, because NeuroBench counts it twice.

    Parameters
    ----------
    model : neurobench.models.NeuroBenchModel
        The network and the hooks on it.
    stale : dict of int to (int, int, int)
        By a hook's identity, how many inputs, potentials before and after it held when the run
        began: those of a run that was interrupted.
    """
    import torch

    net = model.__net__()
    names = qualified_names(net)
    seen: dict[int, int] = {}
    layers = []
    for hook in model.activation_hooks:
        if not hook.spiking:
            continue
        nth = seen.get(id(hook.layer), 0)
        seen[id(hook.layer)] = nth + 1
        own = names.get(id(hook.layer), [str(hook.name)])
        name = own[nth] if nth < len(own) else f"{own[-1]}#{nth + 1}"
        calls, before, after = stale.get(id(hook), (0, 0, 0))
        pre = _whole_pre(hook.pre_fire_mem_potential[before:])
        post = hook.post_fire_mem_potential[after:]
        if not all(isinstance(potential, torch.Tensor) for potential in (*pre, *post)):
            pre, post = [], []  # a subclass keeps something else under that name
        if len(pre) == len(post) - 1:  # the layer had no potential before its first call
            pre.insert(0, post[0].new_zeros(0))
        called = len(hook.activation_inputs) > calls
        layers.append(Layer(name, hook.layer, pre, post, called=called))
    for _, module in net.named_modules():
        if is_spiking(module) and id(module) not in seen:
            why = _why_unhooked(module, model)
            layers.append(Layer(names[id(module)][0], module, unhooked=why))
    return layers


#: What there is to say about hooks that are not empty at the start.
STALE = (
    "NeuroBench's hooks still hold steps of a run that was interrupted, and NeuroBench adds them "
    "to this run's first batch: its figures are wrong. neurotop leaves them out. Call "
    "model.reset_hooks() before benchmark.run()."
)


def stale_steps(model: Any) -> dict[int, tuple[int, int, int]]:
    """What NeuroBench's hooks hold before a run begins; see `neurobench_layers`."""
    held = {
        id(hook): (
            len(hook.activation_inputs),
            len(hook.pre_fire_mem_potential),
            len(hook.post_fire_mem_potential),
        )
        for hook in model.activation_hooks
    }
    return {hook: steps for hook, steps in held.items() if any(steps)}


def why_hooks_fail(net: torch.nn.Module) -> str:
    """Why NeuroBench's hooks do not see the network's steps as they are; empty if they do."""
    if is_compiled(net):
        return (
            "the network is compiled (torch.compile), and compiled code can leave out NeuroBench's "
            "hooks: its figures and the recorded ones can be much too small. Give NeuroBench the "
            "network as it was before torch.compile"
        )
    return why_replicated(net)


def _why_unhooked(module: torch.nn.Module, model: Any) -> str:
    """What the user can do about a spiking layer that NeuroBench has not hooked."""
    if not any(issubclass(type(module), kind) for kind in model.activation_modules):
        return (
            f"NeuroBench's {type(model).__name__} does not look for spiking layers: use "
            "SNNTorchModel, or call model.add_activation_module(snntorch.SpikingNeuron) before "
            "making the Benchmark."
        )
    if module is model.__net__():
        return "The network is itself one neuron: wrap it in torch.nn.Sequential(...)."
    return (
        "Another Benchmark on this model was deleted, which removed all hooks, or the layer was "
        "added after the Benchmark was made. Make one Benchmark, after the network is complete, "
        "and keep it."
    )


def _whole_pre(potentials: list[torch.Tensor | None]) -> list[torch.Tensor]:
    """The potentials before each step, an empty one for None (DeltaLeaky's before its first)."""
    import torch

    return [torch.zeros(0) if potential is None else potential for potential in potentials]


class _BenchmarkRun:
    """One ``Benchmark.run()``, seen from inside a metric.

    NeuroBench does not tell a metric that the run is over, what the other metrics returned,
    or how many batches to expect, and it swallows a metric's exceptions. The manager that calls
    the metric knows all of that, so the recorder wraps two methods of this manager while the run
    lasts: ``run_metrics``, and ``clean_results``, which ends a run. Neither wrapper changes an
    argument or a result, except that it removes the recorder's own entry.
    """

    def __init__(self, options: Options, name: str) -> None:
        self.name = name
        self.run = Run(options)
        self._error: RecorderError | None = None
        self._watches: list[StateWatch] = []
        self._meters: dict[int, Meter] = {}
        self._stale: dict[int, tuple[int, int, int]] = {}
        self._wrapped = False
        self._unwrap: Callable[[], None] = lambda: None

    def begin(self, caller: FrameType) -> None:
        """Begin the run; `caller` is the frame of the manager's ``initialize_metrics``."""
        from neurobench.metrics.manager.workload_manager import WorkloadMetricManager

        manager = caller.f_locals.get("self")
        if isinstance(manager, WorkloadMetricManager):
            variables = caller.f_back.f_locals if caller.f_back else {}
            loader = variables.get("dataloader")
            model = getattr(variables.get("self"), "model", None)
        else:
            manager = loader = model = None
            text = (
                "this version of NeuroBench does not call the recorder as expected. The batches "
                "are recorded, but not the end of the run (end.json)."
            )
            self.run.warn([(("manager", ""), text)])
        self.run.expected = _expected(loader, rank_and_world(self.run.options)[1])
        self.run.warn(padding_traps(loader))
        self.run.begin()
        if manager is not None:
            self._wrap(manager)
        if model is not None:
            self._look_at(model)
        if self.run.directory is not None and not self.run.stopped:
            print(f"Recording to {self.run.path}; watch it with: neurotop watch {self.run.path}")

    def _look_at(self, model: Any) -> None:
        """See to what NeuroBench's hooks hold already, and to what they do not see."""
        net = model.__net__()
        self._stale = stale_steps(model)
        if self._stale:
            self.run.warn([(("stale", ""), STALE)])
        reason = why_hooks_fail(net)
        if reason:
            self.run.refuse(reason)
        names = qualified_names(net)
        spiking = [module for module in modules(net) if is_spiking(module)]
        self._watches = [StateWatch(names[id(module)][0], module) for module in spiking]
        for module in spiking:
            meter = meter_on(Layer("", module), steps_are_seen=False)
            if meter is not None:
                self._meters[id(module)] = meter

    def batch(self, model: Any, samples: int) -> None:
        """Record the batch that NeuroBench's hooks hold."""
        try:
            self._batch(model, samples)
        except RecorderError as error:
            if not self._wrapped:
                raise
            self._error = error  # NeuroBench would swallow it here; _after_metrics raises it

    def _batch(self, model: Any, samples: int) -> None:
        if self.run.stopped:
            return
        layers: list[AnyLayer] = []
        traps: list[Trap] = []
        with self.run.guarded("cannot record"):  # NeuroBench would swallow any error
            layers = self._layers(model)
            self._stale = {}
            traps = self._traps(model, samples)
        self.run.batch(layers, samples, traps)

    def _traps(self, model: Any, samples: int) -> list[Trap]:
        """What there is to say about the network and this batch, which is over."""
        net = model.__net__()
        for watch in self._watches:
            watch.close()
        traps = [
            *network_traps(net, model.activation_hooks),
            *watch_traps(self._watches),
            *forgets_traps((watch.name, watch.module) for watch in self._watches),
        ]
        if not self.run.has_begun:
            traps += unregistered_traps(net, self._watches)
            traps += stranger_traps(net, [watch.module for watch in self._watches], samples)
        return traps

    def _layers(self, model: Any) -> list[AnyLayer]:
        """The layers, with what was seen of them beside NeuroBench's hooks."""
        watches = {id(watch.module): watch for watch in self._watches}
        advice = hidden_reset_advice(model.__net__())
        layers: list[AnyLayer] = []
        for layer in neurobench_layers(model, self._stale):
            watch = watches.get(id(layer.module))
            if watch is not None:
                layer.hides_steps, layer.within = watch.hides_steps, watch.found
            if not layer.hides_steps:  # the price would be that of all steps
                layer.meter = self._meters.get(id(layer.module))
            layer.rest_advice = advice or layer.rest_advice
            layers.append(layer)
        return layers

    def abandon(self) -> None:
        """Restore the manager after an exception has ended the run."""
        self._unwrap()
        self.run.abandon()

    def _wrap(self, manager: Any) -> None:
        run_metrics, clean_results = manager.run_metrics, manager.clean_results

        @functools.wraps(run_metrics)
        def run_metrics_then_look(*args: Any, **kwargs: Any) -> Any:
            results = run_metrics(*args, **kwargs)
            self._after_metrics(manager)
            return results

        @functools.wraps(clean_results)
        def finish_then_clean_results() -> None:
            official = _official_results(manager, self.name)
            self._unwrap()
            try:
                self.run.finish(official)
            finally:
                clean_results()

        def unwrap() -> None:
            self._wrapped, self._unwrap = False, lambda: None
            for watch in self._watches:
                watch.remove()
            for meter in self._meters.values():
                meter.remove()
            for method in (run_metrics, clean_results):
                if inspect.ismethod(method):  # makes the class's own method visible again
                    delattr(manager, method.__name__)
                else:  # another recorder had wrapped it before
                    setattr(manager, method.__name__, method)

        self._wrapped, self._unwrap = True, unwrap
        manager.run_metrics = run_metrics_then_look
        manager.clean_results = finish_then_clean_results

    def _after_metrics(self, manager: Any) -> None:
        """Warn about metrics that failed on a batch; raise the error of a strict recorder."""
        manager.results.pop(self.name, None)
        for name, metric in manager.metrics.items():
            kind = type(metric).__name__
            # NeuronOperations returns a dictionary; after an exception, NeuroBench puts 0.0.
            if kind == "NeuronOperations" and isinstance(manager.results.get(name), float):
                text = (
                    "NeuroBench's NeuronOperations failed on a batch and reports 0.0 for it. It "
                    "keeps a part of that batch's operations and none of its samples, so its "
                    "later figures are wrong too. neurotop's figures include every priced layer."
                )
                self.run.note([(("failed", kind), text)])
        if self._error is not None:
            error, self._error = self._error, None
            self._unwrap()
            raise error


def _expected(loader: Any, world_size: int) -> dict[str, int]:
    """How many batches and samples a ``DataLoader`` will yield, if that is certain.

    Each of several processes knows only its own part. With torch's ``DistributedSampler`` all
    parts are equal, so the total is known too.
    """
    from torch.utils.data import BatchSampler, DataLoader, IterableDataset
    from torch.utils.data.distributed import DistributedSampler

    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return {}
    if world_size > 1:
        sampler = loader.sampler
        if not isinstance(sampler, DistributedSampler) or sampler.num_replicas != world_size:
            return {}
    try:
        batches = len(loader)
        expected = {"expected_batches": batches * world_size}
        if type(loader.batch_sampler) is BatchSampler and loader.batch_size:
            samples: Any = loader.sampler
            whole = batches * loader.batch_size if loader.drop_last else len(samples)
            expected = {"expected_samples": whole * world_size, **expected}
        return expected
    except TypeError:  # a sampler without a length
        return {}


def _official_results(manager: Any, own_name: str) -> dict[str, Any]:
    """NeuroBench's workload results as JSON values, keyed by the metrics' class names."""
    results = {}
    for name, metric in manager.metrics.items():
        if name != own_name and name in manager.results:
            results[type(metric).__name__] = _json_value(manager.results[name])
    return results


def _json_value(value: Any) -> Any:
    """A result as a JSON value: scalars unwrapped; NaN, infinity and other types become null."""
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if hasattr(value, "item"):  # torch's and NumPy's scalars
        try:
            value = value.item()
        except (RuntimeError, ValueError):
            return None
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, (bool, int, str)) or value is None else None


def Recorder(
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
) -> type:
    """Make a NeuroBench workload metric that records the run for the dashboard.

    It does not change NeuroBench's results.

    Parameters
    ----------
    directory : str or path
        The run's directory. If it already holds a run, the recorder uses the first free one of
        ``<directory>-2``, ``<directory>-3``, …, and warns.
    form : {'trace', 'pair', 'bits'}
        What is written; all forms give the same counts. ``trace``: the membrane potential after
        each step, and also before each step if that differs (checked in each batch).
        ``pair``: always both. ``bits``: one bit per element, set if it changed, a 32nd
        of a float32 trace. Half, float32 and float64 keep their type; bfloat16 becomes float32.
    name : str, optional
        The run's name on the dashboard; the directory's name by default.
    keep : int, optional
        Keep the newest `keep` batches (of each rank) and delete older ones, but only those that a
        watching neurotop has acknowledged as counted.
    exist_ok : bool
        Replace the run in the directory, if there is one.
    strict : bool
        Raise an error that would stop the recording, instead of warning.
    external_state : bool
        Accept layers built without ``init_hidden=True``, and record what NeuroBench's hooks see.
    rank, world_size : int, optional
        This process's rank, and the number of processes that record into one run. Taken by default
        from torch.distributed, else from the environment (``RANK``, ``WORLD_SIZE``), else one
        process.

    Returns
    -------
    type
        A class for ``metric_list``. After ``Benchmark.run()``, its attribute ``directory`` is the
        directory of the run.

    Raises
    ------
    ValueError
        An option has an impossible value.
    ImportError
        NeuroBench is not installed.

    Examples
    --------
    >>> recorder = neurotop.Recorder("runs/exp1", form="bits")  # doctest: +SKIP
    >>> benchmark = Benchmark(model, loader, [], [], [[], [NeuronOperations, recorder]])
    """
    from neurobench.metrics.abstract import AccumulatedMetric

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
    )
    # NeuroBench stores metrics by class name, so two recorders in one list need two names.
    metric_name = f"Recorder({str(options.directory)!r})"

    class RecorderMetric(AccumulatedMetric):  # type: ignore[misc]
        """Records each batch in NeuroBench's hooks; adds nothing to the results."""

        directory = options.directory

        def __init__(self) -> None:
            super().__init__(requires_hooks=True)
            self._benchmark_run: _BenchmarkRun | None = None

        def reset(self) -> None:
            """Begin a run. NeuroBench calls this once, before the first batch."""
            if self._benchmark_run is not None:
                self._benchmark_run.abandon()
            self._benchmark_run = _BenchmarkRun(options, metric_name)
            self._benchmark_run.begin(sys._getframe(1))
            type(self).directory = self._benchmark_run.run.path

        def __call__(self, model: Any, preds: torch.Tensor, data: tuple[torch.Tensor, ...]) -> str:
            """Record one batch of ``data[0].size(0)`` samples."""
            if self._benchmark_run is None:
                self.reset()
            assert self._benchmark_run is not None
            self._benchmark_run.batch(model, int(data[0].size(0)))
            return self.compute()

        def compute(self) -> str:
            """Where the run is written."""
            return str(type(self).directory)

    RecorderMetric.__name__ = RecorderMetric.__qualname__ = metric_name
    return RecorderMetric
