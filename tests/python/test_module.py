"""The module itself: light to import, also as one file, the same version as the command."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import neurotop
from conftest import ROOT, save_one_file

PACKAGE = ROOT / "assets" / "python" / "neurotop"

WITHOUT_TORCH = """
import sys
for name in ("torch", "snntorch", "neurobench"):
    sys.modules[name] = None  # importing it is an ImportError
sys.path.insert(0, {path!r})
import {module} as module
print(module.__version__, [name for name in ("Recorder", "record") if hasattr(module, name)])
try:
    module.Recorder("run")
except ImportError as error:
    print("ImportError", error.name)
"""


def python(program: str, directory: Path) -> str:
    """What a program prints in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=directory,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_needs_numpy_only(tmp_path: Path) -> None:
    printed = python(WITHOUT_TORCH.format(path=str(PACKAGE.parent), module="neurotop"), tmp_path)
    assert printed.startswith(f"{neurotop.__version__} ['Recorder', 'record']\nImportError")


def test_the_one_file_works_alone(tmp_path: Path, neurotop_command: str) -> None:
    save_one_file(neurotop_command, tmp_path)
    program = WITHOUT_TORCH.format(path=str(tmp_path), module="neurotop_recorder")
    assert python(program, tmp_path).startswith(f"{neurotop.__version__} ['Recorder', 'record']")


def test_the_version_is_that_of_the_command() -> None:
    cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{neurotop.__version__}"\n' in cargo


#: ``python -m neurotop``, but only the PATH says where the command is.
AS_A_MODULE = """
import runpy, sys
sys.path.insert(0, {path!r})
import neurotop.notebook
neurotop.notebook._places = lambda: []
runpy.run_module("neurotop")
"""


def as_a_module(words: list[str], commands: Path) -> subprocess.CompletedProcess[str]:
    """What the module does with the commands of one directory."""
    return subprocess.run(
        [sys.executable, "-c", AS_A_MODULE.format(path=str(PACKAGE.parent)), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": str(commands)},
        timeout=120,
    )


def test_the_module_is_the_command(neurotop_command: str) -> None:
    commands = Path(neurotop_command).parent
    assert as_a_module(["--version"], commands).stdout == f"neurotop {neurotop.__version__}\n"
    wrong = as_a_module(["--no-such-option"], commands)
    assert wrong.returncode == 2 and "--no-such-option" in wrong.stderr


def test_the_module_says_that_there_is_no_command(tmp_path: Path) -> None:
    done = as_a_module([], tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("neurotop: the command neurotop is not found")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_every_public_name_is_documented_and_typed(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    assert ast.get_docstring(tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in [*tree.body, *(member for parent in classes for member in parent.body)]:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.args, *node.args.kwonlyargs]
            untyped = [a.arg for a in arguments if a.annotation is None]
            assert set(untyped) <= {"self", "cls"}, f"{node.name}: {untyped} without a type"
            assert node.returns is not None, f"{node.name} has no return type"


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert set(neurotop.__all__) <= set(dir(neurotop))
