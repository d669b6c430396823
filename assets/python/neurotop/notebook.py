"""Figures of a run in a notebook: `summary` as a dictionary, `show` as a picture that follows it.

Both ask the command `neurotop`, so that they show what it shows.
"""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Show", "Summary", "show", "summary"]

#: The command's exit codes with which it prints a summary: complete, and incomplete.
PRINTED = (0, 3)

#: So much longer than one count takes, `show` waits before the next.
PATIENCE = 10

#: Seconds between two looks at a run where nothing happens any more.
LONGEST_PAUSE = 60.0

STYLE = """
.neurotop { font: 13px/1.5 system-ui, sans-serif; color: inherit; max-width: 60em }
.neurotop table { border-collapse: collapse; margin: .6em 0; width: 100%; font-size: inherit }
.neurotop th, .neurotop td { text-align: right; padding: .15em .7em; background: none;
  white-space: nowrap;
  color: inherit; border-bottom: 1px solid rgba(128, 128, 128, .3) }
.neurotop th:first-child, .neurotop td:first-child { text-align: left }
.neurotop b { font-size: 1.5em; font-weight: 600 }
.neurotop small { opacity: .7 }
.neurotop p { margin: .3em 0 }
.neurotop svg { display: block; overflow: visible }
.neurotop td svg { display: inline-block; vertical-align: middle }
.neurotop .line { fill: none; stroke: #1f83d6; stroke-width: 2 }
.neurotop .axis { stroke: currentColor; stroke-opacity: .35 }
.neurotop text { fill: currentColor; fill-opacity: .75; font-size: 11px }
.neurotop .problem { border-left: 3px solid #d99a00; padding-left: .6em }
"""


class Summary(dict[str, Any]):
    """The figures of a run, as ``neurotop summary --format json`` prints them.

    Those of a directory of runs are a list under ``runs``.
    """

    def to_dataframe(self) -> Any:
        """The layers as a DataFrame of pandas, by name; of several runs, by run and name.

        Raises
        ------
        ImportError
            pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_dataframe() needs pandas: pip install pandas") from error
        if "runs" not in self:
            return _frame(pandas, self)
        names = [run["run"]["name"] for run in self["runs"]]
        return pandas.concat([_frame(pandas, run) for run in self["runs"]], keys=names)


def _frame(pandas: Any, figures: Mapping[str, Any]) -> Any:
    layers = figures["layers"]
    return pandas.DataFrame(layers, columns=None if layers else ["name"]).set_index("name")


def summary(path: str | os.PathLike[str], *, costs: Mapping[str, int] | None = None) -> Summary:
    """Count a run once.

    Parameters
    ----------
    path : str or path
        The run's directory, or its URL.
    costs : mapping of str to int, optional
        Operations of one update, by ``NEURON:RESET``: as the command's ``--cost``.

    Returns
    -------
    Summary
        A dictionary, with `Summary.to_dataframe`.

    Raises
    ------
    FileNotFoundError
        There is no such directory, or no command ``neurotop``.
    RuntimeError
        The run cannot be counted; the message is the command's.

    Examples
    --------
    >>> neurotop.summary("runs/exp1")["total"]["sparsity"]  # doctest: +SKIP
    0.93
    """
    where = _place(path)
    if "://" not in where and not os.path.exists(where):
        raise FileNotFoundError(f"{where} does not exist: name the directory of a run")
    words = [find_command(), "summary", where, "--format", "json"]
    for key, operations in (costs or {}).items():
        words += ["--cost", f"{key}={operations}"]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace")
    try:
        if done.returncode in PRINTED:
            return Summary(json.loads(done.stdout))
    except ValueError:
        pass  # the command says why, or this does
    reason = done.stderr.strip().removeprefix("neurotop: ")
    raise RuntimeError(
        reason or f"neurotop left with exit code {done.returncode}, and printed no figures"
    )


def _place(path: str | os.PathLike[str]) -> str:
    """The run's URL, or its absolute path, which cannot pass for an option."""
    given = os.fspath(path)
    return given if "://" in given else os.path.abspath(given)


def find_command() -> str:
    """The command: that of this Python's package, else the first on the PATH.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    for place in (*_places(), None):
        found = shutil.which("neurotop", path=place)
        if found:
            return found
    raise FileNotFoundError(
        "the command neurotop is not found, neither beside this Python nor on the PATH: install "
        "the package neurotop, or add the command's directory to the PATH"
    )


def _places() -> list[str]:
    """Where the package's command is, if it is installed: the wheel's scripts."""
    return [sysconfig.get_path("scripts"), os.path.dirname(sys.executable)]


class Show:
    """A picture of a run in a notebook, which a thread keeps up to date.

    Attributes
    ----------
    path : str
        The run's directory, or its URL.
    """

    def __init__(self, path: str, interval: float, costs: Mapping[str, int] | None) -> None:
        self.path = path
        self._interval = interval
        self._costs = costs
        self._points: list[tuple[int, float]] = []
        self._stop = threading.Event()
        self._display: Any = None
        self._thread = threading.Thread(target=self._follow, name="neurotop show", daemon=True)

    def _begin(self) -> None:
        from IPython.display import HTML, display

        page, is_over = self._look()
        self._display = display(HTML(page), display_id=True)
        if not is_over and self._display is not None:
            self._thread.start()

    def _look(self) -> tuple[str, bool]:
        """The picture of now, and whether the run is over."""
        if "://" not in self.path and not os.path.exists(self.path):
            return _page(_waiting(self.path)), False
        try:
            figures = summary(self.path, costs=self._costs)
        except (OSError, RuntimeError) as error:
            return _page(_problem(str(error))), False
        if "runs" in figures:
            return _page(_several(self.path, figures["runs"])), False
        run, total = figures["run"], figures["total"]
        value = total["effective_ops_per_sample"]
        if value is not None and run["samples"]:
            if self._points and run["samples"] < self._points[-1][0]:  # another run
                self._points.clear()
            self._points.append((run["samples"], value))
            self._points = _thinned(self._points)
        return _page(_report(figures, self._points)), run["status"] == "finished"

    def _follow(self) -> None:
        from IPython.display import HTML

        is_over, took, last, changed = False, 0.0, "", time.monotonic()
        while not is_over and not self._stop.wait(self._pause(took, changed)):
            begun = time.monotonic()
            page, is_over = self._look()
            took = time.monotonic() - begun
            if page != last:
                last, changed = page, begun
                self._display.update(HTML(page))

    def _pause(self, took: float, changed: float) -> float:
        """Seconds until the next look: more where it takes long, or nothing has changed lately."""
        idle = min((time.monotonic() - changed) / PATIENCE, LONGEST_PAUSE)
        return max(self._interval, PATIENCE * took, idle)

    def stop(self) -> None:
        """Leave the picture as it is."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over and the picture is that of its end; whether it is."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _ipython_display_(self) -> None:
        """Nothing: the picture is there already."""


#: What is shown in this process, by path: showing a run again ends the earlier picture.
_shown: dict[str, Show] = {}


def show(
    path: str | os.PathLike[str],
    *,
    interval: float = 1.0,
    costs: Mapping[str, int] | None = None,
) -> Show:
    """Show a run below the cell: its figures, a chart, its layers.

    The picture follows the run while other cells run, until the run is over; then it stays in the
    notebook as it is. The run need not have begun: as long as there is no such directory, the
    picture says so.

    Parameters
    ----------
    path : str or path
        The run's directory, or its URL.
    interval : float
        Seconds from one look to the next; more where counting the run takes long.
    costs : mapping of str to int, optional
        Operations of one update, by ``NEURON:RESET``: as the command's ``--cost``.

    Returns
    -------
    Show
        With ``stop()``, and ``wait()`` for the end of the run.

    Raises
    ------
    FileNotFoundError
        There is no command ``neurotop``.
    ImportError
        This is no notebook: IPython is not installed.
    ValueError
        `interval` is not a positive number.
    """
    try:
        import IPython.display  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "show() needs a notebook (IPython); elsewhere use: neurotop watch"
        ) from error
    if not interval > 0:
        raise ValueError(f"interval={interval!r}: give seconds, more than 0")
    find_command()
    where = _place(path)
    if where in _shown:
        _shown[where].stop()
    shown = _shown[where] = Show(where, interval, costs)
    shown._begin()
    return shown


# --- The picture ---------------------------------------------------------------------------------


def _page(body: str) -> str:
    return f'<div class="neurotop"><style>{STYLE}</style>{body}</div>'


def _waiting(path: str) -> str:
    where = html.escape(path)
    return f"<p><small>waiting for a run in {where}, which does not exist yet</small></p>"


def _problem(text: str) -> str:
    return f'<p class="problem">{html.escape(text)}</p>'


def _several(path: str, runs: Sequence[Mapping[str, Any]]) -> str:
    names = ", ".join(str(run["run"]["name"]) for run in runs[:10])
    return _problem(f"{path} holds {len(runs)} runs ({names}): show one of them")


def _report(figures: Mapping[str, Any], points: Sequence[tuple[int, float]]) -> str:
    """The figures of a run as HTML: head, chart, layers, problems."""
    problems = [_problem(_text_of(problem)) for problem in figures["problems"][:10]]
    warned = [_problem(text) for text in figures["run"]["warnings"][:10]]
    return "".join([_head(figures), _chart(points), _layers(figures["layers"]), *problems, *warned])


def _text_of(problem: Any) -> str:
    """A problem in one line."""
    if not isinstance(problem, Mapping):
        return str(problem)
    return ": ".join(str(value) for value in problem.values() if isinstance(value, str))


def _head(figures: Mapping[str, Any]) -> str:
    run, total = figures["run"], figures["total"]
    progress = f"{run['samples']:,} samples in {run['batches']:,} batches"
    if run.get("expected_samples"):
        progress += f" ({min(1.0, run['samples'] / run['expected_samples']):.0%})"
    incomplete = "" if figures.get("complete", True) else " · not complete"
    unpriced = total.get("unpriced_layers") or 0
    left_out = f" · {unpriced} layers without a price left out" if unpriced else ""
    return (
        f"<p>{html.escape(str(run['name']))} <small>{html.escape(str(run['status']))} · "
        f"{progress}{incomplete}</small></p>"
        f"<p><b>{_number(total['effective_ops_per_sample'])}</b> effective of "
        f"{_number(total['dense_ops_per_sample'])} dense operations per sample · sparsity "
        f"<b>{_percent(total['sparsity'])}</b><small>{left_out}</small></p>"
    )


def _layers(layers: Sequence[Mapping[str, Any]]) -> str:
    """The table of the layers, the first hundred."""
    head = "<tr><th>layer</th><th>neuron</th><th>effective operations per sample</th>"
    head += "<th>sparsity</th><th>updates by time step</th></tr>"
    rows = [
        f"<tr><td>{html.escape(str(layer['name']))}</td>"
        f"<td>{html.escape(str(layer['neuron']))} {html.escape(str(layer['reset']))}</td>"
        f"<td>{_number(layer['effective_ops_per_sample'])}</td>"
        f"<td>{_percent(layer['sparsity'])}</td>"
        f"<td>{_sparkline(layer.get('updates_by_step') or [])}</td></tr>"
        for layer in layers[:100]
    ]
    more = f"<p><small>and {len(layers) - 100} more</small></p>" if len(layers) > 100 else ""
    return f"<table>{head}{''.join(rows)}</table>{more}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _percent(value: float | None) -> str:
    """A part as a percentage, with as many digits as tell it from none and from all."""
    if value is None:
        return "–"
    digits = 2
    while digits < 12 and 0 < value < 1 and f"{value:.{digits}%}" in _ends(digits):
        digits += 1
    digits += digits > 2
    return f"{value:.{digits}%}"


def _ends(digits: int) -> tuple[str, str]:
    return f"{0:.{digits}%}", f"{1:.{digits}%}"


def _sparkline(values: Sequence[float], width: int = 120, height: int = 18) -> str:
    """Values as one line, from zero to their maximum."""
    if len(values) < 2:
        return ""
    values = _sampled(values, width)
    most = max(values) or 1
    across = width / (len(values) - 1)
    line = " ".join(
        f"{at * across:.1f},{height - 1 - (height - 2) * value / most:.1f}"
        for at, value in enumerate(values)
    )
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="at most {most:,}">'
        f'<polyline class="line" points="{line}"/></svg>'
    )


def _sampled(values: Sequence[float], most: int) -> Sequence[float]:
    """At most so many values: the largest of each part."""
    if len(values) <= most:
        return values
    ends = [len(values) * at // most for at in range(most + 1)]
    return [max(values[begin:end]) for begin, end in zip(ends, ends[1:])]


def _thinned(points: list[tuple[int, float]], most: int = 500) -> list[tuple[int, float]]:
    """Every second point, if there are too many; the last stays."""
    return points if len(points) <= most else [*points[:-1:2], points[-1]]


def _chart(points: Sequence[tuple[int, float]], width: int = 640, height: int = 120) -> str:
    """Effective operations per sample as the run went on; nothing before the second look."""
    if len({samples for samples, _ in points}) < 2:
        return ""
    samples, values = [point[0] for point in points], [point[1] for point in points]
    low, high = min(values), max(values)
    margin = (high - low) * 0.1 or abs(high) * 0.05 or 1.0
    low, high = low - margin, high + margin
    first, last = samples[0], samples[-1]
    line = " ".join(
        f"{width * (at - first) / (last - first):.1f},{height * (high - value) / (high - low):.1f}"
        for at, value in points
    )
    return (
        f'<svg width="{width}" height="{height + 36}" viewBox="0 -16 {width} {height + 36}" '
        'role="img" aria-label="effective operations per sample">'
        f'<line class="axis" x1="0" y1="{height}" x2="{width}" y2="{height}"/>'
        f'<polyline class="line" points="{line}"/>'
        f'<text x="0" y="-4">effective operations per sample: {_number(min(values))} to '
        f"{_number(max(values))}</text>"
        f'<text x="0" y="{height + 15}">{first:,} samples</text>'
        f'<text x="{width}" y="{height + 15}" text-anchor="end">{last:,} samples</text></svg>'
    )
