"""Both tables of a source of changes, derived from the changes of some keys.

Here: that alone, as pure functions of frames. Not here: which keys are derived, and writing the tables (see `load`).

All changes stand in one order: by the source's column, then by delivery (delivery day, object key, position). The full
dumps of a delivery day are one dump, with its rows in that order: it stands at the last one, and is all that there is
at that moment. Of several changes of a key at one moment (a value of the column, or else a delivery day) the last
counts.
"""

from fnmatch import fnmatchcase

import polars as pl

from dataflow_assets.lake.delta.dumps import MissingColumns
from dataflow_assets.postgres.row_ids import ID, row_id, typed_columns
from dataflow_assets.sources.changes import Changes
from dataflow_assets.warehouse.snapshots.derive import NOTHING_MISSING, carry_values

_DAY, _OBJECT, _POSITION = "delivery_day", "object", "position"
_MOMENT, _NUMBER, _IS_DELETE, _IS_FULL = "moment|", "number|", "is_delete|", "is_full|"  # no source has such columns
_FIRST, _LAST, _NEXT, _DUMP = "first|", "last|", "next|", "dump|"
_PLACED = "placed|"  # begins the names of the columns that say where a row stands in the order of all
_ORDER = [f"{_PLACED}{_MOMENT}", _DAY, f"{_PLACED}{_OBJECT}", _MOMENT, _OBJECT, _POSITION]


def find_full_dumps(lake: pl.LazyFrame, source: Changes) -> list[str]:
    """The keys of the objects that are full dumps."""
    if source.full_dumps is None:
        return []
    objects = lake.select(pl.col(_OBJECT).unique()).collect(engine="streaming").to_series()
    return [key for key in objects if fnmatchcase(key.rpartition("/")[2], source.full_dumps)]


def place_dumps(lake: pl.LazyFrame, source: Changes, objects: list[str]) -> pl.DataFrame:
    """Where the dump of each delivery day stands in the order of all changes, one row each.

    Args:
        lake: all rows.
        source: names the column that orders changes.
        objects: the keys of those that are full dumps.
    """
    moment = pl.col(source.ordered_by or _DAY)
    of_dumps = lake.filter(pl.col(_OBJECT).is_in(objects)).group_by(_DAY)
    found = of_dumps.agg(moment.max().alias(_ORDER[0]), pl.col(_OBJECT).max().alias(_ORDER[2]))
    return found.collect(engine="streaming")


def order_changes(
    lake: pl.LazyFrame,
    source: Changes,
    missing: MissingColumns = NOTHING_MISSING,
    dumps: tuple[list[str], pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """The changes of some keys, and a delete for each that a full dump does not have any more, by key and in order.

    A column that a delivery lacks has the value of the change of the key before that has it and is no delete. Gives
    `id` (UInt128), the schema's columns, where it stood (`delivery_day`, `object`, `position`; a delete by a dump has
    the day of that and no object), `delivery`, when it was made (of the type of the column that orders the changes,
    else Date), its number in the order of all, and whether it is a delete.

    Args:
        lake: all rows of these keys.
        source: what is read.
        missing: the columns that deliveries lack.
        dumps: what `find_full_dumps` and `place_dumps` say of the rows of all keys; without it, these are all.
    """
    if dumps is None:
        objects = find_full_dumps(lake, source)
        dumps = objects, place_dumps(lake, source, objects)
    objects, placed_dumps = dumps
    numbered, markers = _number(_read_changes(lake, source, objects), placed_dumps)
    changes = pl.concat([numbered, _deletes_by_dumps(numbered, markers)]).sort(ID, _NUMBER)
    values = {delivery: columns - source.marks for delivery, columns in missing.items()}
    carried = carry_values(changes, values, ~pl.col(_IS_DELETE))
    place = (_DAY, _OBJECT, _POSITION, "delivery", _MOMENT, _NUMBER)
    return carried.select(ID, *source.schema.column_names(), *place, _IS_DELETE)


def _read_changes(lake: pl.LazyFrame, source: Changes, full_dumps: list[str]) -> pl.DataFrame:
    """The rows of the lake with their ids, when each change was made, and what it is."""
    # The declaration speaks of its own types: an Enum, which the lake holds as texts, has another order than they have.
    is_delete = pl.lit(value=False) if source.deletes is None else source.deletes.fill_null(value=False)
    is_full = pl.col(_OBJECT).is_in(full_dumps)
    typed = lake.with_columns(row_id(lake.collect_schema(), source.key), *typed_columns(source)).with_columns(
        is_delete.alias(_IS_DELETE), is_full.alias(_IS_FULL), pl.col(source.ordered_by or _DAY).alias(_MOMENT)
    )
    return typed.collect(engine="streaming")


def _number(rows: pl.DataFrame, dumps: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Changes with their numbers in the order of all, and the number at which each dump begins.

    A dump begins with a marker before its first row, which it may not have of these keys.
    """
    of_dumps = rows.filter(_IS_FULL).join(dumps, on=_DAY, how="left")
    others = rows.filter(~pl.col(_IS_FULL)).with_columns(
        pl.col(_MOMENT).alias(_ORDER[0]), pl.col(_OBJECT).alias(_ORDER[2])
    )
    markers = dumps.with_columns(pl.lit("").alias(_OBJECT), pl.lit(-1, pl.Int64).alias(_POSITION))
    together = pl.concat([others, of_dumps.select(others.columns), markers], how="diagonal")
    numbered = together.sort(_ORDER).with_row_index(_NUMBER).with_columns(pl.col(_ORDER[0]).alias(_MOMENT))
    is_marker = pl.col(_POSITION) == -1
    return numbered.filter(~is_marker), numbered.filter(is_marker).select(_DAY, _MOMENT, _NUMBER)


def _deletes_by_dumps(numbered: pl.DataFrame, markers: pl.DataFrame) -> pl.DataFrame:
    """A delete, where the dump stands, of each key that was there and that the next dump does not have.

    The rows of a dump follow one another in the order of all: a key is missing from it if its next change does.
    """
    last = numbered.filter(_IS_FULL).group_by(_DAY).agg(pl.max(_NUMBER).alias(_LAST))
    dumps = markers.join(last, on=_DAY, how="left").select(
        pl.col(_NUMBER).alias(_FIRST),
        pl.coalesce(_LAST, _NUMBER).alias(_LAST),
        pl.struct(pl.col(_MOMENT), pl.col(_DAY), pl.lit(None, pl.String).alias(_OBJECT)).alias(_DUMP),
    )
    of_key = numbered.sort(ID, _NUMBER)
    is_last = (pl.col(ID) != pl.col(ID).shift(-1)).fill_null(value=True)
    following = of_key.with_columns(pl.when(~is_last).then(pl.col(_NUMBER).shift(-1)).alias(_NEXT)).sort(_NUMBER)
    with_dump = following.filter(~pl.col(_IS_DELETE)).join_asof(
        dumps.sort(_FIRST), left_on=_NUMBER, right_on=_FIRST, strategy="forward", allow_exact_matches=False
    )
    is_gone = pl.col(_FIRST).is_not_null() & (pl.col(_NEXT).is_null() | (pl.col(_NEXT) > pl.col(_LAST)))
    return (
        with_dump.filter(is_gone)
        .with_columns(pl.lit(value=True).alias(_IS_DELETE), pl.col(_FIRST).alias(_NUMBER))
        .drop(_MOMENT, _DAY, _OBJECT)
        .unnest(_DUMP)
        .select(numbered.columns)
    )


def derive_history(changes: pl.DataFrame, source: Changes) -> pl.DataFrame:
    """One row per key and run of equal values, which a delete ends.

    Gives `id`, `valid_from` and `valid_to` (null while they are the latest), the schema's columns, and the `delivery`
    of the change that first gave the run's values. What speaks of the change alone (`Changes.marks`) makes no run.
    """
    turns = _turns(changes, source).rename({_MOMENT: "valid_from"})
    valid_to = pl.when(pl.col(ID) == pl.col(ID).shift(-1)).then(pl.col("valid_from").shift(-1))
    runs = turns.with_columns(valid_to=valid_to).filter(~pl.col(_IS_DELETE))
    return runs.select(ID, "valid_from", "valid_to", *source.schema.column_names(), "delivery")


def derive_current(changes: pl.DataFrame, source: Changes) -> pl.DataFrame:
    """One row per key ever seen: `id`, the latest values of the schema's columns that are no delete's, `delivery`.

    `deleted_at` is null while the key is there. Of a key that was only ever deleted the values are the last delete's.
    """
    latest = changes.sort(ID, ~pl.col(_IS_DELETE), _NUMBER).unique(ID, keep="last", maintain_order=True)
    last = _turns(changes, source).unique(ID, keep="last", maintain_order=True)
    deleted_at = pl.when(_IS_DELETE).then(_MOMENT).alias("deleted_at")
    columns = [ID, *source.schema.column_names(), "delivery"]
    return latest.select(columns).join(last.select(ID, deleted_at), on=ID, how="left", maintain_order="left")


def _turns(changes: pl.DataFrame, source: Changes) -> pl.DataFrame:
    """The changes by which a key came, went, or got other values; of those of one moment the last."""
    is_last = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(-1)) for name in (ID, _MOMENT))
    states = changes.filter(is_last)
    values = [name for name in source.schema.column_names() if name not in source.marks]
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in (ID, *values, _IS_DELETE))
    still_gone = pl.col(_IS_DELETE) & (pl.col(_IS_DELETE).shift() & (pl.col(ID) == pl.col(ID).shift()))
    return states.filter(differs & ~still_gone.fill_null(value=False))
