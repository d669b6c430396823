"""What the user is told: warnings, errors, and where they point to."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager


class RecorderWarning(UserWarning):
    """Something about the network or the recording that the user should know."""


class RecorderError(RuntimeError):
    """The recording is impossible; the message says why and what to do."""


#: A warning: a key, for which it is given once, and the text for the user.
Trap = tuple[tuple[str, str], str]


def tell(text: str) -> None:
    """Warn at the user's line, also where an earlier recording of the process warned alike."""
    own = f"{__package__}."
    frame = sys._getframe(1)
    while frame.f_back and (
        str(frame.f_globals.get("__name__")).startswith(own)
        or frame.f_code.co_filename == contextmanager.__code__.co_filename
    ):
        frame = frame.f_back
    where = frame.f_code.co_filename, frame.f_lineno
    module = frame.f_globals.get("__name__")
    warnings.warn_explicit(text, RecorderWarning, *where, module=module, registry={})


def explain(error: Exception) -> str:
    """An error in the user's terms, with advice."""
    if not isinstance(error, OSError):
        return f"{type(error).__name__}: {error}"
    reason = error.strerror or str(error)
    if error.errno in (28, 122):  # ENOSPC, EDQUOT, which the module errno lacks on some systems
        return f"{reason}; free some space, or record less with form='bits' or keep="
    return f"{reason}; check that the directory exists and can be written"
