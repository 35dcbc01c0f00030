"""What a declaration may say of a source whose deliveries hold only what changed.

Here: that kind of source. Not here: what every source says, and the other kinds (see `base`), and the tables (see
`warehouse.changes`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import dataframely as dy
import polars as pl

from dataflow_assets.sources.base import Source
from dataflow_assets.sources.names import names_of_tables

_Integers = dy.Int8 | dy.Int16 | dy.Int32 | dy.Int64


@dataclass(frozen=True, kw_only=True, eq=False)
class Changes(Source):
    """Each delivery holds the rows that changed, each of them whole: inserts, updates and deletes.

    `deletes` is true of a row by which its key is gone, such as `pl.col("code") == "D"`. Of the changes of a key the
    latest counts: by the column `ordered_by`, and where that is equal, or there is none, by delivery. An object whose
    name is like `full_dumps`, such as `"*full*"`, holds all rows that there are: a key that it does not have is gone.
    """

    deletes: pl.Expr | None = None
    ordered_by: str | None = None
    full_dumps: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for problem in (*self._wrong_order(), *self._wrong_deletes()):
            raise ValueError(f"source {self.name}: {problem}")

    def _wrong_order(self) -> Iterator[str]:
        if self.ordered_by is not None:
            column = self.schema.columns().get(self.ordered_by)
            if not isinstance(column, dy.Datetime | dy.Date | dy.Integer | _Integers) or column.nullable:
                yield f"{self.ordered_by!r} must be a column of instants, dates or whole numbers that is not nullable"
        if "deleted_at" in {name.lower() for name in self.schema.column_names()}:
            yield "the platform has a column of the name 'deleted_at' itself"

    def _wrong_deletes(self) -> Iterator[str]:
        if self.deletes is not None:
            try:
                self.deletes.meta.serialize()
                [said] = self.schema.create_empty().lazy().select(self.deletes).collect_schema().dtypes()
            except (ValueError, pl.exceptions.PolarsError) as error:
                yield f"deletes is no expression over its columns: {error}"
            else:
                if said != pl.Boolean:
                    yield f"deletes must be true or false of a row, not {said}"
        if both := sorted(self.marks & set(self.key)):
            yield f"what tells one change of a key from another cannot be part of the key: {both}"

    @property
    def marks(self) -> frozenset[str]:
        """The columns that speak of a change, and not of what it changes: they alone make no new values."""
        names = [] if self.deletes is None else self.deletes.meta.root_names()
        return frozenset([*names, *filter(None, [self.ordered_by])])

    @property
    def left_out_by_deletes(self) -> frozenset[str]:
        """The columns without which a delete does, though other rows must have them."""
        required = {name for name, column in self.schema.columns().items() if not column.nullable}
        return frozenset() if self.deletes is None else frozenset(required - self.marks - set(self.key))

    @property
    def fingerprint(self) -> str:
        """As of any source; the rows depend on what is a delete, what is later, and what is a dump too."""
        deletes = None if self.deletes is None else self.deletes.meta.serialize()
        facts = (super().fingerprint, deletes, self.ordered_by, self.full_dumps)
        return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()

    @property
    def given_names(self) -> frozenset[str]:
        """Those of any source, and of both tables with their keys."""
        return super().given_names | names_of_tables(self.name)
