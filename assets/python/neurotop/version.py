"""The version of the package, which is the command's."""

from __future__ import annotations

__version__ = "0.1.0"
