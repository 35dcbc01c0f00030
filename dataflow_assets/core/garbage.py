"""How often Python looks for garbage.

By itself it looks after 700 new objects. What is imported are hundreds of thousands, none of them garbage: a fifth of a
start with Dagster and Polars went into looking.

Here: the setting of this process. Not here: what stays for good in a server (see `serving.server`).
"""

import gc

_NEW_OBJECTS = 10_000
_FEW, _FEWER = 20, 10  # looks at new objects until one at older ones, and of these until one at all


def look_seldom() -> None:
    """Let Python look once there may be more of it; where it was set to look as seldom, or never, that stands."""
    if 0 < gc.get_threshold()[0] < _NEW_OBJECTS:
        gc.set_threshold(_NEW_OBJECTS, _FEW, _FEWER)
