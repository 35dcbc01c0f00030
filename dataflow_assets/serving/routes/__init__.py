"""What the API answers: a module for each resource, found by itself.

Add a resource by adding a file with a `router`; nothing here changes.
"""

import importlib
import pkgutil

from fastapi import APIRouter


def all_routers() -> list[APIRouter]:
    """The router of each module, by the module's name."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return [module.router for module in modules if hasattr(module, "router")]
