"""The errors that a user can cause or mend, each with a stable code.

Here: one class per kind, raised with a sentence that says what, where and what to do; and the one bug that every
layer watches for. Not here: other errors that mean a bug (those keep their traceback) and rejected rows (those are
data: see `lake`).
"""

from typing import ClassVar


class DataFlowError(Exception):
    """Something a user can mend. The command line prints its sentence without a traceback."""

    code: ClassVar[str] = "dataflow"


class SettingsError(DataFlowError):
    """An environment variable has a value that cannot be used."""

    code = "settings"


class DeclarationError(DataFlowError, ValueError):
    """A source or an answer is declared so that it cannot be used."""

    code = "declaration"


class UsageError(DataFlowError):
    """A command was given options or values that it cannot use; it ends with exit code 2."""

    code = "usage"


class NotFoundError(DataFlowError):
    """A file, folder, source, day or table that was named does not exist."""

    code = "not_found"


class FormatError(DataFlowError):
    """A file is not what it claims to be; the whole file is refused and nothing of it is loaded."""

    code = "format"


class QuarantinedError(DataFlowError):
    """A delivery is quarantined until someone releases it; nothing of it is loaded."""

    code = "quarantined"


class SchemaMismatchError(DataFlowError):
    """The rows that the lake holds do not fit the present declaration; nothing is written."""

    code = "schema_mismatch"


class QueryError(DataFlowError):
    """A user's SQL statement was refused by the database."""

    code = "query"


class WarehouseUnavailableError(DataFlowError):
    """PostgreSQL cannot be reached or started."""

    code = "warehouse_unavailable"


class WarehouseRefusedError(WarehouseUnavailableError):
    """PostgreSQL answers, and does not let this user into this database."""

    code = "warehouse_refused"


class WarehouseReadOnlyError(WarehouseUnavailableError):
    """PostgreSQL answers, and lets nobody write: a standby, as after a failover, or a setting."""

    code = "warehouse_read_only"


class WarehouseMismatchError(DataFlowError):
    """The warehouse was made with another time zone or by another version of the tables."""

    code = "warehouse_mismatch"


class LakeMismatchError(DataFlowError):
    """The lake is another one than the database was made from, or older than its records."""

    code = "lake_mismatch"


class BackupError(DataFlowError):
    """A backup cannot be written where it should be, is not whole, or cannot be restored there."""

    code = "backup"


class LockTimeoutError(DataFlowError):
    """A lock was not granted in time; trying again later is safe."""

    code = "lock_timeout"


class ConflictError(DataFlowError):
    """Another run kept changing the same object while it was read; trying again later is safe."""

    code = "conflict"


class RunFailedError(DataFlowError):
    """A run of the platform failed; its log in the Dagster UI says more."""

    code = "run_failed"


class LostRowsError(AssertionError):
    """Rows do not add up, so that some would be lost: a bug of ours. Nothing was committed."""
