"""Who may read the files that a command writes: those in the home nobody else, others whom the user's umask lets.

Here: the umask of the process. Not here: what is written.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_PRIVATE = 0o077
_users = _PRIVATE


def keep_private() -> None:
    """From now on a new file or folder of this process is nobody else's."""
    global _users  # noqa: PLW0603  (a process has one umask)
    _users = os.umask(_PRIVATE)


@contextmanager
def as_the_user_has_it() -> Iterator[None]:
    """What the block writes is for the user, and has the permissions of any new file of theirs."""
    before = os.umask(_users)
    try:
        yield
    finally:
        os.umask(before)
