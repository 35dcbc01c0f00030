"""The modules of a package that declare something, one each.

Here: importing them, and in which file it is that one declares what cannot be used. Not here: what is wrong with it,
which a declaration says as it is made, by a ValueError.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType

from dataflow_assets.errors import DeclarationError


def import_declarations(package: str, folders: Iterable[str]) -> Iterator[ModuleType]:
    """Import each module of a package.

    Args:
        package: its name.
        folders: where its modules are, as its `__path__` says.

    Raises:
        DeclarationError: one declares what cannot be used, and why.
    """
    for found in pkgutil.iter_modules(folders):
        try:
            module = importlib.import_module(f"{package}.{found.name}")
        except ValueError as error:
            file = f"{package.replace('.', '/')}/{found.name}.py"
            raise DeclarationError(f"{file} declares what cannot be used: {str(error).rstrip('.')}.") from error
        yield module
