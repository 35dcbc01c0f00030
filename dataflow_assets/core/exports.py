"""Names that a package offers and loads when they are first asked for.

Here: a module's `__getattr__` for packages whose modules take a while to load. Not here: which names those are; each
package lists its own in `__all__`.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def load_on_demand(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for a package.

    Args:
        package: its full name.
        homes: for each name that it offers, the module of the package that defines it.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return get
