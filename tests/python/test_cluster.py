"""The Dask script on a real cluster of this machine: dask.distributed's scheduler and workers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import ROOT

SCRIPT = ROOT / "examples" / "cluster" / "dask_shards.py"
DEMO = ROOT / "assets" / "demo-run"


def dask(command: str, run: Path, output: Path, *more: str) -> subprocess.CompletedProcess:
    """Run the script with two workers of its own."""
    words = [sys.executable, str(SCRIPT), str(run), "--command", command, "--output", str(output)]
    return subprocess.run(
        [*words, "--workers", "2", *more], capture_output=True, text=True, timeout=120
    )


def one_pass(command: str, run: Path, *more: str) -> dict[str, Any]:
    """The figures of one pass."""
    words = [command, "summary", str(run), "--format", "json", *more]
    return json.loads(subprocess.run(words, capture_output=True, text=True).stdout)


def test_shards_on_workers_give_the_figures_of_one_pass(
    neurotop_command: str, tmp_path: Path
) -> None:
    output = tmp_path / "merged.json"
    done = dask(
        neurotop_command, DEMO, output, "--shards", "5", "--", "--cost", "RLeaky:subtract=5"
    )
    assert done.returncode == 0, done.stderr
    assert "digits-snn" in done.stdout
    merged = json.loads(output.read_text())
    assert set(merged.pop("export")) == {"at", "sources", "options"}, "how the file came about"
    assert merged == one_pass(neurotop_command, DEMO, "--cost", "RLeaky:subtract=5")


def test_what_is_set_aside_is_in_the_exit_code(neurotop_command: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(DEMO, run)
    broken = run / "batch-000003.npz"
    broken.write_bytes(broken.read_bytes()[:100])
    output = tmp_path / "merged.json"
    done = dask(neurotop_command, run, output, "--shards", "3")
    assert done.returncode == 3, done.stderr
    assert "batch-000003.npz" in done.stderr
    assert json.loads(output.read_text())["account"]["set_aside"] == 1


def test_a_shard_that_fails_is_named_with_its_reason(neurotop_command: str, tmp_path: Path) -> None:
    flaky = tmp_path / "flaky"
    flaky.write_text(
        "#!/bin/sh\n"
        'case "$*" in *"--shard 2/3"*) echo "the disk is gone" >&2; exit 1;; esac\n'
        f'exec "{neurotop_command}" "$@"\n'
    )
    flaky.chmod(0o755)
    output = tmp_path / "merged.json"
    done = dask(str(flaky), DEMO, output, "--shards", "3")
    assert done.returncode == 1
    assert "shard 2/3 failed: exit code 1: the disk is gone" in done.stderr
    assert "shard 1/3" not in done.stderr
    assert not output.exists()


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = dask(str(tmp_path / "absent"), DEMO, tmp_path / "merged.json", "--shards", "2")
    assert done.returncode == 1
    assert "absent" in done.stderr
    assert "2 of 2 shards failed" in done.stderr
