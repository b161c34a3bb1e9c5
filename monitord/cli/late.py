"""
Modules that are imported when somebody uses them: parts of numpy that come with it, and that nothing here uses.

numpy 2 does so by itself; with numpy 1.24 they are 4 MB of the daemon and 14 ms of its start.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

LATE = frozenset({"numpy.fft", "numpy.ma", "numpy.polynomial", "numpy.random"})


def import_late() -> None:
    """Have them imported late from now on; what is imported already stays."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


class _Finder:
    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in LATE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec
