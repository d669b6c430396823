"""The command neurotop, run to its end or watching in the background."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ENDS_WITHIN = 60  # seconds; a machine may be very busy


@dataclass
class Outcome:
    """What a command left: its exit code, its figures (none where it wrote none) and standard error."""

    code: int | None
    figures: dict | None
    text: str
    errors: str


def environment(home: Path) -> dict[str, str]:
    """One in which nothing of the user's is read or written."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")}
    places = {"HOME": home, "XDG_STATE_HOME": home / "state", "XDG_CONFIG_HOME": home / "config"}
    return kept | {name: str(place) for name, place in places.items()} | {"LC_ALL": "C.UTF-8"}


def run(binary: Path, home: Path, *arguments: object) -> Outcome:
    """Runs neurotop to its end."""
    command = [str(binary), *map(str, arguments)]
    place = {"cwd": home, "env": environment(home), "stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(command, **place, capture_output=True, timeout=ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        return Outcome(None, None, "", f"not done after {ENDS_WITHIN} s")
    text = done.stdout.decode(errors="replace")
    figures = json.loads(text) if text.startswith("{") else None
    return Outcome(done.returncode, figures, text, done.stderr.decode(errors="replace"))


class Watcher:
    """A `watch` in the background, whose figures are asked for over HTTP while it runs."""

    def __init__(self, binary: Path, home: Path, number: int, *arguments: object) -> None:
        self.export, self.said = home / f"watch-{number}.json", home / f"watch-{number}.err"
        self.port: str | None = None
        options = [*arguments, "--export", self.export, "--openmetrics", "127.0.0.1:0"]
        place = {"cwd": home, "env": environment(home), "stdin": subprocess.DEVNULL}
        with open(self.said, "wb") as said, open(home / f"watch-{number}.out", "wb") as out:
            command = [str(each) for each in (binary, "watch", *options)]
            self.process = subprocess.Popen(command, **place, stdout=out, stderr=said)

    def errors(self) -> str:
        return self.said.read_text(errors="replace")

    def is_running(self) -> bool:
        return self.process.poll() is None

    def metrics(self) -> dict[str, int] | None:
        """What it shows now: samples, updates, and its account; none where nothing is to be had."""
        if self.port is None:
            found = re.search(r"served at http://(\S+)/metrics", self.errors())
            if not found:
                return None
            self.port = found[1]
        try:
            with urllib.request.urlopen(f"http://{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except (OSError, urllib.error.URLError):
            return None
        shown = {m[1]: int(m[2]) for m in re.finditer(r"^neurotop_(samples|updates){[^}]*} (\d+)$", text, re.M)}
        states = re.finditer(r'^neurotop_batches{.*state="(\w+)"[^}]*} (\d+)$', text, re.M)
        shown |= {state[1]: int(state[2]) for state in states}
        return shown if "counted" in shown and "updates" in shown else None

    def waits_until(self, true, seconds: float, step: float = 0.04) -> bool:
        """Waits until something is true; whether it is."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                return False
            time.sleep(step)
        return True

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self, sign: signal.Signals = signal.SIGINT) -> Outcome:
        """Has it leave with its figures."""
        if self.is_running():
            self.process.send_signal(sign)
        return self.leaves(ENDS_WITHIN)

    def leaves(self, seconds: float) -> Outcome:
        """Waits until it has left by itself."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return Outcome(None, None, "", f"{self.errors()}\nit did not leave within {seconds:.0f} s")
        figures = json.loads(self.export.read_text()) if self.export.exists() else None
        return Outcome(code, figures, "", self.errors())
