"""Record the membrane potentials of a running SNN benchmark for the neurotop dashboard.

NeuroBench, one line::

    metric_list = [static_metrics, [NeuronOperations, neurotop.Recorder("runs/exp1")]]

Any network, without NeuroBench::

    with neurotop.record(net, "runs/exp1") as rec:
        for x, _ in loader:
            net(x)
            rec.batch(len(x))

Then run ``neurotop watch runs/exp1`` in another terminal. Importing the package needs only NumPy;
it imports torch, snnTorch and NeuroBench when a recording begins.

The files follow the path of a batch: the hooks on a network (`watch`, `hooks`, `forwards`,
`assignments`, `adapters`) hand each step to `steps`, which collects it in a layer (`layers`);
`traps` and `neurobench_traps` warn about the figures; `encoding` makes the arrays of a form, `npz`
the file, `directory` the run directory, `run` one run from its first batch to its end; `recording`
and `benchmark` are the two entry points. `notebook` shows the figures that the command counts.
"""

from .benchmark import Recorder
from .messages import RecorderError, RecorderWarning
from .notebook import Show, Summary, show, summary
from .operations import NeuronOperations
from .recording import Recording, record
from .version import __version__

__all__ = [
    "NeuronOperations",
    "Recorder",
    "RecorderError",
    "RecorderWarning",
    "Recording",
    "Show",
    "Summary",
    "__version__",
    "record",
    "show",
    "summary",
]
