"""``python -m neurotop``: the command, which need not be on the PATH for that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from .notebook import find_command


def main() -> None:
    """Become the command; Windows cannot, and waits for it."""
    try:
        words = [find_command(), *sys.argv[1:]]
    except FileNotFoundError as error:
        sys.exit(f"neurotop: {error}")
    if os.name != "nt":
        os.execv(words[0], words)
    # Ctrl-C is for the command, which exports before it leaves.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(subprocess.call(words))


main()
