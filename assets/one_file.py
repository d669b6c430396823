"""neurotop's recorder as one file.

Save it as ``neurotop_recorder.py`` where Python finds it, and write::

    import neurotop_recorder as neurotop

It is the Python package ``neurotop``, whose files stand below as they are; `neurotop recorder`
prints it. It needs NumPy, and imports torch, snnTorch and NeuroBench when a recording begins.
"""

import importlib.abc
import importlib.util
import sys

SOURCES = {}

# The files of the package.

if __name__ == "__main__":
    sys.exit("This file is to be imported: import neurotop_recorder as neurotop")


class _Files(importlib.abc.MetaPathFinder, importlib.abc.ExecutionLoader):
    """Finds the modules of the package in this file."""

    def find_spec(self, fullname, path=None, target=None):
        name = _own_name(fullname)
        return importlib.util.spec_from_loader(fullname, self) if name in SOURCES else None

    def is_package(self, fullname):
        name = _own_name(fullname)
        return any(other.startswith(f"{name}.") for other in SOURCES)

    def get_filename(self, fullname):
        return f"{__file__}:{_own_name(fullname)}"

    def get_source(self, fullname):
        return SOURCES[_own_name(fullname)]


def _own_name(fullname):
    """The name of a module within the package; None if it is of another one."""
    package, dot, name = fullname.partition(".")
    return name if package == __name__ and dot else None


__path__ = []  # what makes this module a package
__spec__.submodule_search_locations = __path__
__package__ = __name__
sys.meta_path.append(_Files())
exec(compile(SOURCES[""], f"{__file__}:", "exec"))
