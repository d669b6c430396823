"""Holds what neurotop wrote against the truth: every figure, the exit code, and what is named."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from potentials import Content, Layer
from truth import Key, Option, Sums, Truth, key_of, show, sums
from watcher import Outcome


class Finding(NamedTuple):
    """Something that is wrong: its kind, and what it is."""

    kind: str
    what: str


def set_aside(figures: dict) -> list[dict]:
    return [problem for problem in figures["problems"] if problem["severity"] == "set_aside"]


def said(figures: dict) -> str:
    return "; ".join(f"{p['path']}: {p['reason']}" for p in set_aside(figures)) or "nothing is named"


def shown(figures: dict) -> Sums:
    """The sums that a summary has."""
    layers = {layer["name"]: layer for layer in figures["layers"] if layer["dense_updates"]}
    steps = {name: layer["updates_by_step"] for name, layer in layers.items()}
    dense = {name: layer["dense_updates"] for name, layer in layers.items()}
    return Sums(figures["run"]["batches"], figures["run"]["samples"], steps, dense)


def check(outcome: Outcome, truth: Truth, layers: list[Layer], on_disk: bool = False) -> list[Finding]:
    """What is wrong with the figures of a process that has ended; `on_disk`: it saw only what is there."""
    for word in ("panicked", "please report"):
        if word in outcome.errors:
            return [Finding("crash", outcome.errors.strip()[-600:])]
    if outcome.figures is None:
        return [Finding("no figures", f"exit code {outcome.code}; {outcome.errors.strip()[-600:]}")]
    figures, named = outcome.figures, {key_of(problem["path"]) for problem in set_aside(outcome.figures)}
    seen = shown(figures)
    way = fitting(truth.choices(on_disk, named), seen) or fitting(truth.choices(on_disk), seen)
    if way is None:
        return [wrong_sums(figures, seen, truth, on_disk)]
    return [
        *check_named(way, figures, truth, on_disk),
        *check_code(outcome.code, figures),
        *check_derived(figures, layers),
        *check_neurons(figures, way, truth, on_disk),
        *check_ranks(figures, way),
        *check_account(figures, seen, outcome),
    ]


def fitting(ways: Iterable[dict[Key, Option]], seen: Sums) -> dict[Key, Option] | None:
    """The way in which the batches add up to what was seen."""
    total = sum(sum(steps) for steps in seen.steps.values())
    for way in ways:
        contents = [option.content for option in way.values() if option.content]
        brief = len(contents), sum(c.samples for c in contents), sum(c.updates for c in contents)
        if brief == (seen.batches, seen.samples, total) and sums(contents) == seen:
            return way
    return None


def wrong_sums(figures: dict, seen: Sums, truth: Truth, on_disk: bool) -> Finding:
    way = next(iter(truth.choices(on_disk)))
    right = sums(option.content for option in way.values() if option.content)
    guess = truth.guess((seen.batches, seen.samples, sum(seen.updates.values())))
    kind = "wrong figures, named" if set_aside(figures) else "wrong figures in silence"
    text = f"{seen.brief()} instead of {right.brief()}{guess}; {said(figures)}; complete: {figures['complete']}"
    return Finding(kind, text)


def check_named(way: dict[Key, Option], figures: dict, truth: Truth, on_disk: bool) -> list[Finding]:
    """What is not in the figures as it is on disk is named, and nothing else is."""
    findings = []
    # What is missing at the end, or differs from NeuroBench's results, is said of the end and of no batch.
    of_files = [p for p in set_aside(figures) if p["cause"] not in ("batches_missing", "differs_from_neurobench")]
    reasons = {key_of(problem["path"]): f"{problem['path']}: {problem['reason']}" for problem in of_files}
    for key, option in way.items():
        if option.named and key not in reasons:
            content = "as it was before" if option.content else "not at all"
            findings.append(Finding("silent", f"{show(key)} counts {content}, and is not named"))
    for key, reason in reasons.items():
        batch = key and truth.batches.get(key)
        if batch:
            options = batch.options_on_disk() if on_disk else batch.options()
            if on_disk and not any(option.named for option in options) or not batch.may_be_named(options):
                findings.append(Finding("named without a reason", reason))
        elif not truth.prunes or not (truth.is_another or truth.may_be_doubted(reason)):
            findings.append(Finding("named without a reason", reason))
    if truth.lost and not any(key is None for key in reasons):
        findings.append(Finding("silent", "of a run before some are counted and deleted, and nothing says that"))
    return findings


def check_code(code: int | None, figures: dict) -> list[Finding]:
    wanted = 3 if set_aside(figures) or figures["account"]["waiting"] else 0
    return [] if code == wanted else [Finding("exit code", f"{code} instead of {wanted}; {said(figures)}")]


def check_neurons(figures: dict, way: dict[Key, Option], truth: Truth, on_disk: bool) -> list[Finding]:
    """Silent and always active neurons, where it is certain which contents are counted. A watch that took a batch out
    does not know them; one who only sees what is there does."""
    batches = {key: truth.batches[key] for key in way}
    options = (batch.options_on_disk() if on_disk else batch.options() for batch in batches.values())
    if any(len({id(option.content) for option in each}) > 1 for each in options):
        return []
    contents = [option.content for option in way.values() if option.content]
    is_undisturbed = on_disk or not any(batch.restarts or batch.was_replaced for batch in batches.values())
    findings = []
    for layer in figures["layers"]:
        active = [content.active[layer["name"]] for content in contents if layer["name"] in content.active]
        seen = layer["neurons"], layer["silent_neurons"], layer["always_active_neurons"]
        right: tuple[int | None, ...] = (None, None, None)
        if active and all(each.is_known for each in active):
            ever = np.any([each.ever for each in active], axis=0)
            always = np.all([each.always for each in active], axis=0)
            right = ever.size, int(np.count_nonzero(~ever)), int(np.count_nonzero(always))
        if seen != right and (is_undisturbed or seen != (None, None, None)):
            findings.append(Finding("neurons", f"{layer['name']}: {seen} instead of {right}"))
    return findings


def check_derived(figures: dict, layers: list[Layer]) -> list[Finding]:
    """Operations, quotients and sums over classes follow from the updates of the layers."""
    wrong: list[str] = []

    def same(what: str, is_: object, wanted: object) -> None:
        if is_ != wanted:
            wrong.append(f"{what} is {is_!r} instead of {wanted!r}")

    samples, known = figures["run"]["samples"], {layer.name: layer for layer in layers}
    effective = dense = updates = 0
    for shown in figures["layers"]:
        layer = known[shown["name"]]
        same(f"neuron of {layer.name}", (shown["neuron"], shown["reset"]), (layer.neuron, layer.reset))
        same(f"price of {layer.name}", shown["ops_per_update"], layer.price)
        price, own = layer.price, (shown["updates"], shown["dense_updates"])
        updates += own[0]
        same(f"steps of {layer.name}", sum(shown.get("updates_by_step", [])), own[0])
        if price is None:
            same(f"sparsity of {layer.name}", shown["sparsity"], None)
        else:
            wrong += wrong_sparsity(layer.name, shown["sparsity"], *own)
            operations = own[0] * price, own[1] * price
            effective, dense = effective + operations[0], dense + operations[1]
            same(f"operations of {layer.name}", (shown["effective_ops"], shown["dense_ops"]), operations)
            same(
                f"operations per sample of {layer.name}",
                shown["effective_ops_per_sample"],
                over(operations[0], samples),
            )
    total, official = figures["total"], figures["neurobench"]
    same("effective operations", total["effective_ops"], effective)
    same("dense operations", total["dense_ops"], dense)
    same("updates", total["updates"], updates)
    wrong += wrong_sparsity("all layers", total["sparsity"], effective, dense)
    same("operations per sample", total["effective_ops_per_sample"], over(effective, samples))
    same("NeuroBench's figure", official["NeuronOperations"]["Effective Neuron Ops"], over(effective, samples))
    same("NeuroBench's dense figure", official["NeuronOperations"]["Neuron Dense Ops"], over(dense, samples))
    same("MembraneUpdates", official["MembraneUpdates"], over(updates, samples))
    by_class = sum(each["effective_ops"] or 0 for each in figures["neurons"].values())
    same("the sum over neuron classes", by_class, effective)
    return [Finding("derived figure", "; ".join(wrong[:3]))] if wrong else []


def over(part: int, samples: int) -> float:
    """The nearest float of the quotient: Python's division of integers is exact."""
    return part / samples if samples else 0.0


def wrong_sparsity(name: str, seen: float | None, part: int, whole: int) -> list[str]:
    """1 − part ÷ whole, rounded once or twice."""
    allowed = [float(1 - Fraction(part, whole)), 1.0 - part / whole] if whole else [None]
    return [] if seen in allowed else [f"sparsity of {name} is {seen!r} instead of {allowed[0]!r}"]


def check_ranks(figures: dict, way: dict[Key, Option]) -> list[Finding]:
    """Each rank has its own batches."""
    by_rank: dict[int, list[Content]] = {}
    for (rank, _), option in way.items():
        if rank is not None and option.content:
            by_rank.setdefault(rank, []).append(option.content)
    findings = []
    shown = {each["rank"]: each for each in figures.get("ranks", [])}
    for rank, contents in by_rank.items():
        right = len(contents), sum(c.samples for c in contents), sum(c.updates for c in contents)
        here = shown.get(rank)
        seen = here and (here["batches"], here["samples"], here["updates"])
        if seen != right:
            findings.append(Finding("rank", f"rank {rank} has {seen} instead of {right} batches, samples, updates"))
    return findings


def check_account(figures: dict, seen: Sums, outcome: Outcome) -> list[Finding]:
    """The account is that of the figures."""
    account = figures["account"]
    clean = {"seen": seen.batches, "counted": seen.batches, "waiting": 0, "set_aside": 0}
    if not set_aside(figures) and account != clean:
        return [Finding("account", f"{account} with {seen.batches} batches in the figures and nothing named")]
    if account["counted"] > seen.batches:
        return [Finding("account", f"{account} with {seen.batches} batches in the figures")]
    return []


# --- two reports of the same batches ---


def comparable(figures: dict, *left_out: str) -> dict:
    """A summary without what differs by rights between one who watched and one who came later."""
    # What all figures follow from has times and file names of its own; who exported them is in `export`.
    left_out = "part", "export", *left_out
    bare = copy.deepcopy({name: value for name, value in figures.items() if name not in left_out})
    times = "first_batch newest_batch quiet_seconds elapsed_seconds batches_per_second samples_per_second seconds_left clock"
    for name in ("status", "directory", *times.split()):
        bare["run"].pop(name, None)
    # A watch does not know them any more once a batch was taken out; check_neurons() looks at them.
    for row in (bare["total"], *bare["neurons"].values(), *bare["layers"]):
        for name in ("neurons", "silent_neurons", "always_active_neurons"):
            row.pop(name)
    for rank in bare.get("ranks", []):
        for name in ("state", "quiet_seconds", "newest_batch", "waiting", "set_aside", "behind"):
            rank.pop(name)
    return bare


def differences(one: object, other: object, at: str = "") -> list[str]:
    """Where two reports differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*one, *(name for name in other if name not in one)]
        nothing = "nothing"
        return [
            d for n in names for d in differences(one.get(n, nothing), other.get(n, nothing), f"{at}.{n}".strip("."))
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [d for i, pair in enumerate(zip(one, other)) for d in differences(*pair, f"{at}[{i}]")]
    return [] if one == other else [f"{at}: {one!r} and {other!r}"]


def same_reports(kind: str, one: dict, other: dict, *left_out: str) -> list[Finding]:
    found = differences(comparable(one, *left_out), comparable(other, *left_out))
    return [Finding(kind, "; ".join(found[:4]))] if found else []
