"""How often Python looks for garbage, and among what.

By itself it looks after 700 new objects. What is imported are hundreds of thousands, none of them garbage: a fifth of a
start with Dagster and Polars went into looking. A whole look at them takes 0.25 s, and Python takes several when a
process ends: a second for nothing, since the memory goes with the process.

Here: what this process does about it. Not here: what stays for good in a server (see `serving.server`).
"""

import gc
import importlib
from collections.abc import Iterable

_NEW_OBJECTS = 10_000
_FEW, _FEWER = 20, 10  # looks at new objects until one at older ones, and of these until one at all


def look_seldom() -> None:
    """Let Python look once there may be more of it; where it was set to look as seldom, or never, that stands."""
    if 0 < gc.get_threshold()[0] < _NEW_OBJECTS:
        gc.set_threshold(_NEW_OBJECTS, _FEW, _FEWER)


def import_for_good(modules: Iterable[str]) -> None:
    """Import modules, at whose objects no look comes by afterwards, so that forks go on sharing their pages."""
    gc.disable()
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    gc.enable()


def look_no_more() -> None:
    """Let a process of ours that is about to end do so at once: what is open in it has been closed."""
    gc.freeze()
