"""Runs in Google Cloud Storage and in Azure Blob Storage give the figures that they give on disk.

What happens when connections break is tested with S3; the code for that is common to all stores.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clouds
import handmade

GOLDEN = sorted((Path(__file__).parents[1] / "golden").iterdir())
SAME = ("total", "neurons", "layers", "neurobench", "account", "complete")
ACTIVITY = ("silent_neurons", "always_active_neurons")


@pytest.fixture(scope="module", params=[clouds.Google, clouds.Azure], ids=["google", "azure"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[clouds.Store]:
    started = request.param(tmp_path_factory.mktemp("store"))
    yield started
    started.stop()


def environment(settings: dict[str, str], **changes: str) -> dict[str, str]:
    """What neurotop sees: nothing of the user's clouds."""
    foreign = ("AWS_", "GOOGLE_", "AZURE_", "AZURITE_")
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.lower().endswith("_proxy")
    }
    given = {**settings, **changes}
    return own | {name: value for name, value in given.items() if value}


def run(
    command: str, store: clouds.Store, *words: str, **changes: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command, *words],
        capture_output=True,
        text=True,
        env=environment(store.environment, **changes),
    )


def figures(command: str, store: clouds.Store, path: str) -> dict[str, Any]:
    done = run(command, store, "summary", "--format", "json", path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def same(summary: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on where a run is."""
    return {name: summary[name] for name in SAME}


def counted(figures: Any) -> Any:
    """Without how many neurons are ever updated: nobody knows once a batch was replaced."""
    if isinstance(figures, dict):
        if "silent_neurons" in figures:
            figures = {**figures, "neurons": None}
        return {key: counted(value) for key, value in figures.items() if key not in ACTIVITY}
    return [counted(of) for of in figures] if isinstance(figures, list) else figures


def test_golden_runs_give_their_figures(store: clouds.Store, neurotop_command: str) -> None:
    assert len(GOLDEN) > 20
    for golden in GOLDEN:
        store.upload(golden, f"golden/{golden.name}")
    several = figures(neurotop_command, store, store.url("golden"))
    assert len(several["runs"]) == len(GOLDEN)
    for golden in GOLDEN:
        ours = figures(neurotop_command, store, store.url(f"golden/{golden.name}"))
        assert same(ours) == same(figures(neurotop_command, store, str(golden))), golden.name


def test_a_run_is_watched_as_it_grows_and_changes(
    store: clouds.Store, neurotop_command: str, tmp_path: Path
) -> None:
    whole = handmade.whole(tmp_path / "run", 4, ["a", "b"])
    (whole / "end.json").write_text('{"batches": 4}')
    log, export = tmp_path / "log", tmp_path / "out.json"
    words = ["--poll", "0.2", "--state", "none", "--exit-when-finished", "--log", str(log)]
    words += ["--log-level", "debug", "-o", str(export)]
    watcher = subprocess.Popen(
        [neurotop_command, "watch", store.url("live"), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(store.environment),
    )

    def logged(text: str) -> bool:
        return log.exists() and text in log.read_text(encoding="utf-8")

    handmade.until(lambda: logged("nothing is there yet"))
    other = handmade.whole(tmp_path / "other", 9, ["a", "b"])
    store.put("live/manifest.json", (whole / "manifest.json").read_bytes())
    store.put("live/batch-000000.npz", (other / "batch-000008.npz").read_bytes())
    handmade.until(lambda: logged("counted"))
    store.upload(whole, "live")
    _, errors = watcher.communicate(timeout=handmade.PATIENCE)
    assert watcher.returncode == 0, errors
    expected = figures(neurotop_command, store, str(whole))
    assert counted(same(json.loads(export.read_text()))) == counted(same(expected))
    assert clouds.KEY not in log.read_text() + errors


def test_a_batch_is_read_in_ranges(
    store: clouds.Store, neurotop_command: str, tmp_path: Path
) -> None:
    whole = tmp_path / "run"
    handmade.manifest(whole, ["a"], expected_batches=1)
    draw = np.random.default_rng(5)
    potentials = draw.integers(0, 2, (40, 100_000, 2), dtype=np.int8).astype(np.float32)
    np.savez(whole / "batch-000000.npz", samples=100_000, **{"a.post": potentials})
    assert (whole / "batch-000000.npz").stat().st_size > 30 << 20
    store.upload(whole, "large")
    ours = figures(neurotop_command, store, store.url("large"))
    assert same(ours) == same(figures(neurotop_command, store, str(whole)))


@pytest.mark.parametrize("store", [clouds.Azure], indirect=True)  # the other has one page for all
def test_a_listing_of_many_pages_is_read_to_its_end(
    store: clouds.Azure, neurotop_command: str, tmp_path: Path
) -> None:
    whole = handmade.whole(tmp_path / "run", 20, ["a"])
    store.upload(whole, "pages")
    door = store.small_pages()
    endpoint = f"http://{clouds.address(door)}/{clouds.ACCOUNT}"
    signed = {"AZURE_STORAGE_ENDPOINT": endpoint, **store.shared_access()}
    done = run(neurotop_command, store, "summary", "--format", "json", store.url("pages"), **signed)
    door.shutdown()
    assert done.returncode == 0, done.stderr
    ours = json.loads(done.stdout)
    assert same(ours) == same(figures(neurotop_command, store, str(whole)))


def test_the_doctor_looks_into_a_store(
    store: clouds.Store, neurotop_command: str, tmp_path: Path
) -> None:
    store.upload(handmade.whole(tmp_path / "run", 2, ["a"]), "doctor")
    done = run(neurotop_command, store, "doctor", "--deep", store.url("doctor"))
    assert done.returncode == 0, done.stdout + done.stderr
    store.put("doctor/batch-000001.npz", b"broken")
    done = run(neurotop_command, store, "doctor", "--deep", store.url("doctor"))
    assert done.returncode == 3 and "batch-000001.npz" in done.stdout, done.stdout


def test_what_nobody_may_read_is_said(store: clouds.Store, neurotop_command: str) -> None:
    store.put("closed/manifest.json", b"{}")
    if store.scheme == "az":
        wrong = {"AZURE_STORAGE_ACCOUNT_KEY": "d3Jvbmc="}
    else:
        wrong = {"GOOGLE_APPLICATION_CREDENTIALS": "", "GOOGLE_SKIP_SIGNATURE": "true"}
    done = run(neurotop_command, store, "summary", store.url("closed"), **wrong)
    assert done.returncode == 1
    assert "refuses access" in done.stderr and "set " in done.stderr, done.stderr


@pytest.mark.parametrize("store", [clouds.Azure], indirect=True)
def test_azure_names_a_container_that_is_missing(
    store: clouds.Azure, neurotop_command: str
) -> None:
    missing = run(neurotop_command, store, "summary", "az://nothing/run")
    assert missing.returncode == 1 and 'no container "nothing"' in missing.stderr, missing.stderr


@pytest.mark.parametrize("store", [clouds.Azure], indirect=True)
def test_a_shared_access_signature_is_enough_and_is_not_shown(
    store: clouds.Azure, neurotop_command: str, tmp_path: Path
) -> None:
    store.upload(handmade.whole(tmp_path / "run", 2, ["a"]), "signed")
    for path, code in ((store.url("signed"), 0), ("az://nothing/run", 1)):
        done = run(neurotop_command, store, "summary", path, **store.shared_access())
        assert done.returncode == code, done.stderr
        assert "sig=" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("url", "settings", "said"),
    [
        ("s3://b/r", {"AWS_ENDPOINT_URL": "host:9000"}, "AWS_ENDPOINT_URL is not the URL"),
        ("s3://b/r", {"AWS_ENDPOINT_URL": "http://a b"}, "AWS_ENDPOINT_URL is not the URL"),
        ("s3://b/r", {"AWS_REGION": "eu west"}, "AWS_REGION has a space"),
        ("s3://b/r", {"AWS_ACCESS_KEY_ID": "id\n"}, "AWS_ACCESS_KEY_ID has a space, a line break"),
        ("s3://my bucket/r", {}, 'no bucket has the name "my bucket"'),
        ("gs://b/r", {"GOOGLE_BASE_URL": "http://[::1"}, "GOOGLE_BASE_URL is not the URL"),
        ("gs://b/r", {"GOOGLE_BEARER_TOKEN": "a\nb"}, "GOOGLE_BEARER_TOKEN has a space"),
        ("gs://b/r", {"GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent"}, "No such file"),
        ("gs://b/r", {"GOOGLE_SKIP_SIGNATURE": "perhaps"}, '"perhaps"'),
        ("az://b/r", {}, "Account must be specified"),
        ("az://b/r", {"AZURE_STORAGE_ACCOUNT_NAME": "a b"}, "AZURE_STORAGE_ACCOUNT_NAME has"),
        ("http://a b/r", {}, "no server has this URL"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    url: str, settings: dict[str, str], said: str, neurotop_command: str
) -> None:
    secret = {"AWS_SECRET_ACCESS_KEY": "hidden"}
    done = subprocess.run(
        [neurotop_command, "summary", url],
        capture_output=True,
        text=True,
        env=environment(settings, **secret),
    )
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert "tried again" not in done.stderr and "hidden" not in done.stderr, done.stderr
