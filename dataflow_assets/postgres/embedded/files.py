"""The names of the embedded server's files.

Here: names. Not here: what reads or writes them.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """Everything of the embedded server, in one folder."""

    folder: Path

    @classmethod
    def below(cls, home: Path) -> "Files":
        """The files of the server that belongs to this home folder."""
        return cls(home.absolute() / "postgres")

    @property
    def users_lock(self) -> Path:
        """Shared by each lease."""
        return self.folder / "users.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor."""
        return self.folder / "supervisor.lock"

    @property
    def server_lock(self) -> Path:
        """Held while any process of the server lives."""
        return self.folder / "server.lock"

    @property
    def gate_lock(self) -> Path:
        """Held by whoever looks at the other locks."""
        return self.folder / "gate.lock"

    @property
    def url(self) -> Path:
        """Where the server answers; only while it does."""
        return self.folder / "url"

    @property
    def log(self) -> Path:
        """What the supervisor and PostgreSQL say."""
        return self.folder / "server.log"

    @property
    def cluster(self) -> Path:
        """The data folder and the passwords that open it: made together, put in place by one rename."""
        return self.folder / "cluster"

    @property
    def password(self) -> Path:
        """The password of the role that owns the database."""
        return self.cluster / "password"

    @property
    def reader_password(self) -> Path:
        """The password of the role that only reads."""
        return self.cluster / "reader_password"

    @property
    def hba(self) -> Path:
        """Who may connect."""
        return self.cluster / "pg_hba.conf"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.cluster / "data"
