"""Which columns the files in an archive lack and bring, one after the other.

Here: when the archive as a whole lacks a column, and when its members have not the same ones. Not here: reading them,
and what becomes of such a delivery (see `lake.quarantine`).
"""

from collections import Counter
from dataclasses import dataclass, field

from dataflow_assets.lake.readers.base import Batch, Content, most_names
from dataflow_assets.sources.base import Events, Source
from dataflow_assets.sources.changes import Changes


@dataclass
class _Columns:
    """The names of some members: how many lack a column, which one is the first to, and what is not declared."""

    members: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    first_without: dict[str, str] = field(default_factory=dict)
    undeclared: set[str] = field(default_factory=set)

    def add(self, member: str, content: Content) -> None:
        self.members += 1
        self.missing.update(content.missing_columns)
        self.undeclared.update(most_names(sorted(content.undeclared_columns), (), self.undeclared))
        for column in content.missing_columns:
            self.first_without.setdefault(column, member)


@dataclass
class Members:
    """The members of an archive that were read: those that have values, and the others."""

    source: Source
    _with_rows: _Columns = field(default_factory=_Columns)
    _without: _Columns = field(default_factory=_Columns)

    def count_values(self, batch: Batch) -> int:
        """How many rows bring values, rejects among them: a delete has none."""
        if not isinstance(self.source, Changes) or self.source.deletes is None:
            return batch.delivered
        return batch.delivered - batch.rows.filter(self.source.deletes).height

    def add(self, member: str, content: Content, values: int) -> None:
        """Note a member that was read to its end, and how many of its rows bring values."""
        (self._with_rows if values else self._without).add(member, content)

    def tell(self, whole: Content) -> None:
        """Add the names to those of the whole: a member without values does not count, unless all are so.

        Where the rows of some members lack a column, null is what events have there. Of others the rows keep the values
        that they had, which can be said of a delivery as a whole alone; but not those by which changes are ordered or
        delete.
        """
        found = self._with_rows if self._with_rows.members else self._without
        by_all = {column for column, members in found.missing.items() if members == found.members}
        is_uneven = found is self._with_rows and not isinstance(self.source, Events)
        whole.undeclared_columns.update(found.undeclared)
        if is_uneven:
            marks = self.source.marks if isinstance(self.source, Changes) else frozenset()
            others_have = {mark for mark in marks if self._without.missing[mark] < self._without.members}
            whole.missing_columns.update(by_all - others_have)
            uneven = found.first_without.keys() - by_all - marks
            whole.uneven_columns.update({column: found.first_without[column] for column in uneven})
        else:
            whole.missing_columns.update(found.missing)
