"""Questions of Dagster's storages about their own tables, each asked once in a process.

Dagster asks before most statements whether a column or an index of a newer version is there yet. A database of ours has
them all from the beginning, and a worker opens the storages anew for each run.

Here: keeping such answers. Not here: the storages (see `masking` and `event_log`).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

_Class = TypeVar("_Class", bound=type)
_true: set[tuple[str, ...]] = set()  # what was answered with yes: the server, the question and what it was about


def ask_once(*questions: str) -> Callable[[_Class], _Class]:
    """Let a storage keep the answers of its methods of these names, once they are yes."""

    def keep(storage: _Class) -> _Class:
        for question in questions:
            setattr(storage, question, _asked_once(getattr(storage, question)))
        return storage

    return keep


def _asked_once(ask: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(ask)
    def asked(storage: Any, *about: str) -> bool:
        question = (storage.postgres_url, ask.__qualname__, *about)
        if question not in _true and ask(storage, *about):
            _true.add(question)
        return question in _true

    return asked
