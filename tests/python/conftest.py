"""Shared set-up of the recorder's tests: the module of this checkout and the built command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "assets" / "python"))
torch.set_num_threads(1)  # the tests' networks are small: threads would only get in the way


@pytest.fixture(scope="session")
def neurotop_command() -> str:
    """The built command: NEUROTOP_BIN, else a build of this checkout, else the PATH's."""
    given = os.environ.get("NEUROTOP_BIN")
    built = [ROOT / "target" / profile / "neurotop" for profile in ("release", "debug")]
    found = [given] if given else [str(path) for path in built if path.exists()]
    found += [path for path in [shutil.which("neurotop")] if path]
    if not found or not os.access(found[0], os.X_OK):
        pytest.fail(f"no neurotop command at {found[:1]}: run `cargo build` or set NEUROTOP_BIN")
    return found[0]


def save_one_file(command: str, directory: Path) -> None:
    """Save what `neurotop recorder` prints where a script of `directory` finds it."""
    printed = subprocess.run([command, "recorder"], capture_output=True, check=True).stdout
    (directory / "neurotop_recorder.py").write_bytes(printed)


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The commands of the tests keep their progress here, not in the user's directory for state."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same weights and samples, whichever tests ran before."""
    torch.manual_seed(0)
