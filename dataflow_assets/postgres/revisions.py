"""Which migration is the newest, without Alembic, whose import takes longer than most commands.

Here: reading it off the files. Not here: running migrations (see `migrate`).
"""

import re
from pathlib import Path

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_REVISION = re.compile(r"^(down_)?revision\b.* = (.*)$", re.MULTILINE)


def newest_revision() -> str | None:
    """The revision that no other one follows; None where there is not exactly one."""
    made: set[str] = set()
    followed: set[str] = set()
    for file in _VERSIONS.glob("*.py"):
        for is_before, value in _REVISION.findall(file.read_text()):
            (followed if is_before else made).update(re.findall(r"""["']([^"']+)["']""", value))
    left = made - followed
    return left.pop() if len(left) == 1 else None
