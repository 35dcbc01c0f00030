"""Which rows of a table a partition is: from Dagster's partition keys to conditions on columns.

Here: the slices of an output and of an input, by Dagster's convention `metadata={"partition_expr": "day"}` (of two
dimensions `{"day": "day", "region": "region"}`). Not here: how a slice is replaced or read.

Each slice comes from its own key. Dagster's ranges and time windows of several partitions are never used: over days
that a calendar excludes they name other days, and keys of two dimensions come in any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl

from dataflow_assets.errors import NotFoundError, SchemaMismatchError

Value = date | datetime | str | int | bool
_RANGE_ENDS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True)
class Bounds:
    """Values of a column: from `first` until before `end`, or `first` alone where there is no `end`.

    Both are of the column's type. A datetime has a zone where the column has one.
    """

    column: str
    first: Value
    end: Value | None = None

    def expression(self, dtype: pl.DataType) -> pl.Expr:
        """Whether a row of a frame, where the column has that type, is within."""
        column = pl.col(self.column)
        if self.end is None:
            return column == pl.lit(self.first, dtype)
        return (column >= pl.lit(self.first, dtype)) & (column < pl.lit(self.end, dtype))


@dataclass(frozen=True)
class Slice:
    """The rows of one partition: those within all bounds; of a table without partitions (no key) all rows."""

    key: str | None = None
    bounds: tuple[Bounds, ...] = ()


WHOLE = Slice()


def partition_columns(partitions: dg.PartitionsDefinition[Any], metadata: Mapping[str, Any], asset: str) -> list[str]:
    """The column of each dimension, in the order of the dimensions.

    Raises:
        NotFoundError: `partition_expr` names none.
    """
    named = metadata.get("partition_expr")
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        names = [dimension.name for dimension in partitions.partitions_defs]
        example = {name: f"<column of {name}>" for name in names}
        columns = [named.get(name) for name in names] if isinstance(named, Mapping) else [None]
    else:
        example, columns = "<column>", [named]  # type: ignore[assignment]
    if any(not isinstance(column, str) or not column or "(" in column for column in columns):
        raise NotFoundError(
            f"{asset} has partitions, but its metadata does not name the column of each: partition_expr is {named!r}. "
            f"Say metadata={{'partition_expr': {example!r}}}; an expression is not supported."
        )
    return [str(column) for column in columns]


def output_slices(context: dg.OutputContext, schema: pl.Schema) -> list[Slice]:
    """The slices that a run writes, in the order of their keys; the whole table where the asset has no partitions.

    Args:
        context: names the asset and its partitions.
        schema: the types of the partition columns; one that it lacks is a Date of whole days, else a Datetime in UTC,
            and a String where partitions are no times.

    Raises:
        SchemaMismatchError: the run's range names no partition, or days that are none.
    """
    if not context.has_asset_partitions:
        return [WHOLE]
    asset = context.asset_key.to_user_string()
    partitions, keys = context.asset_partitions_def, sorted(context.asset_partition_keys)
    tags = context.step_context.run_tags
    _check_ends([tags[end] for end in _RANGE_ENDS if end in tags], keys, asset)
    columns = partition_columns(partitions, context.definition_metadata or {}, asset)
    return [_slice(partitions, columns, key, schema) for key in keys]


def _check_ends(ends: Sequence[str], keys: Sequence[str], asset: str) -> None:
    """Dagster takes a range whose ends are no partitions for other ones, and one with its ends swapped for none."""
    if not keys or any(end not in keys for end in ends):
        given = " to ".join(ends) or "empty"
        raise SchemaMismatchError(
            f"The partitions of this run ({given}) are not those of {asset}: the range is backwards, or an end of it "
            "is no partition. Nothing was written: name the first and the last partition, in this order."
        )


def input_slices(context: dg.InputContext, metadata: Mapping[str, Any], schema: pl.Schema) -> list[Slice]:
    """The slices that an input reads: none where its mapping names no partition, the whole table where it names all.

    Args:
        context: names the upstream asset and its partitions.
        metadata: that of the upstream asset.
        schema: the types of the partition columns.
    """
    if not context.has_asset_partitions or metadata.get("whole_table"):
        return [WHOLE]
    partitions, keys = context.asset_partitions_def, sorted(context.asset_partition_keys)
    every = partitions.get_partition_keys(dynamic_partitions_store=context.instance)
    if keys and len(keys) == len(every):
        return [WHOLE]
    columns = partition_columns(partitions, metadata, context.asset_key.to_user_string())
    return merged([_slice(partitions, columns, key, schema) for key in keys])


def _slice(partitions: dg.PartitionsDefinition[Any], columns: Sequence[str], key: str, schema: pl.Schema) -> Slice:
    if not isinstance(partitions, dg.MultiPartitionsDefinition):
        return Slice(key, (_bounds(partitions, columns[0], key, schema),))
    keys = partitions.get_partition_key_from_str(key).keys_by_dimension
    dimensions = zip(partitions.partitions_defs, columns, strict=True)
    return Slice(
        key, tuple(_bounds(each.partitions_def, column, keys[each.name], schema) for each, column in dimensions)
    )


def _bounds(partitions: dg.PartitionsDefinition[Any], column: str, key: str, schema: pl.Schema) -> Bounds:
    dtype = schema.get(column)
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition) or dtype == pl.String:
        return Bounds(column, _value(column, key, dtype or pl.String()))
    window = partitions.time_window_for_partition_key(key)
    start, end = (_in_zone(instant, partitions.timezone) for instant in (window.start, window.end))
    is_whole_days = _is_first_of_day(start) and _is_first_of_day(end)
    if dtype is None:
        dtype = pl.Date() if is_whole_days else pl.Datetime("us", "UTC")
    if dtype == pl.Date and is_whole_days:
        return Bounds(column, start.date(), end.date())
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return Bounds(column, start.astimezone(UTC), end.astimezone(UTC))
    if isinstance(dtype, pl.Datetime) and (is_whole_days or partitions.timezone == "UTC"):
        return Bounds(column, start.replace(tzinfo=None), end.replace(tzinfo=None))
    raise SchemaMismatchError(
        f"The column {column} ({dtype}) cannot say in which partition ({key}) a row is: use a Datetime with a time zone"
        ", or a Date where partitions are whole days."
    )


def _in_zone(instant: datetime, timezone: str) -> datetime:
    return datetime.fromtimestamp(instant.timestamp(), ZoneInfo(timezone))


def _is_first_of_day(instant: datetime) -> bool:
    """Whether it begins a day of its zone, which is not midnight where the clock is put forward then."""
    before = instant.astimezone(UTC) - timedelta(microseconds=1)
    return before.astimezone(instant.tzinfo).date() != instant.date()


def _value(column: str, key: str, dtype: pl.DataType) -> Value:
    try:
        if dtype == pl.Date:
            return date.fromisoformat(key)
        if dtype.is_integer():
            return int(key)
        if dtype == pl.Boolean:
            return {"true": True, "false": False}[key.lower()]
    except (ValueError, KeyError):
        raise SchemaMismatchError(f"The partition {key!r} is no value of the column {column} ({dtype}).") from None
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return key
    raise SchemaMismatchError(f"The column {column} ({dtype}) cannot hold the partition {key!r}: use a String.")


def merged(slices: Sequence[Slice]) -> list[Slice]:
    """Slices of the same rows, where those that follow each other in time are one: a server plans few faster."""
    found: list[Slice] = []
    for each in sorted(slices, key=_order):
        before = found[-1] if found else None
        joined = before and _join(before, each)
        found[-1:] = [joined] if joined else [*found[-1:], each]
    return found


def _order(each: Slice) -> tuple[Any, ...]:
    """By the values of the other dimensions first, then by time."""
    values = [bound.first for bound in each.bounds if bound.end is None]
    return (*values, *(bound.first for bound in each.bounds if bound.end is not None))


def _join(before: Slice, after: Slice) -> Slice | None:
    pairs = list(zip(before.bounds, after.bounds, strict=True))
    apart = [pair for pair in pairs if pair[0] != pair[1]]
    if len(apart) != 1 or apart[0][0].end is None or apart[0][0].end != apart[0][1].first:
        return None
    one, other = apart[0]
    both = Bounds(one.column, one.first, other.end)
    return Slice(None, tuple(both if bound is one else bound for bound in before.bounds))


def expression(slices: Sequence[Slice], schema: pl.Schema) -> pl.Expr:
    """Whether a row of a frame is in one of the slices: of no slice none is."""
    each = [reduce(and_, (b.expression(schema[b.column]) for b in s.bounds), pl.lit(True)) for s in slices]
    return reduce(or_, each, pl.lit(False))


def added_columns(slices: Sequence[Slice], schema: pl.Schema) -> list[pl.Expr]:
    """The partition columns that a frame lacks, each with the one value that its rows have in these slices.

    Raises:
        SchemaMismatchError: the slices have several values, so that nobody knows which rows are of which.
    """
    found: list[pl.Expr] = []
    for column in dict.fromkeys(bound.column for each in slices for bound in each.bounds):
        if column in schema:
            continue
        first, *others = {bound.first for each in slices for bound in each.bounds if bound.column == column}
        if others:
            raise SchemaMismatchError(
                f"The frame has no column {column}, and this run has several partitions: nobody knows which rows are "
                f"of which. Return the column {column} too."
            )
        dtype = pl.Datetime("us", "UTC") if isinstance(first, datetime) else None
        found.append(pl.lit(first, dtype).alias(column))
    return found


def number(slices: Sequence[Slice], schema: pl.Schema) -> pl.Expr:
    """Of each row of a frame the number of its slice (UInt32), null where it is in none; each row is found in log time.

    Args:
        slices: apart from each other, as partitions are.
        schema: that of the frame, with its partition columns.
    """
    places: list[pl.Expr] = []
    sizes: list[int] = []
    positions: list[dict[Bounds, int]] = []
    for dimension in zip(*(each.bounds for each in slices), strict=True):
        distinct = sorted(set(dimension), key=lambda bound: bound.first)
        positions.append({bound: place for place, bound in enumerate(distinct)})
        sizes.append(len(distinct))
        places.append(_place(distinct, schema))
    combined = reduce(lambda sum_, part: sum_ * part[1] + part[0], zip(places, sizes, strict=True), pl.lit(0, pl.Int64))
    numbers: list[int | None] = [None] * _product(sizes)
    for index, each in enumerate(slices):
        flat = 0
        for bound, position, size in zip(each.bounds, positions, sizes, strict=True):
            flat = flat * size + position[bound]
        numbers[flat] = index
    return pl.lit(pl.Series(numbers, dtype=pl.UInt32)).gather(combined)


def _place(distinct: Sequence[Bounds], schema: pl.Schema) -> pl.Expr:
    """Of each row the place of its bounds in a sorted list, null where it is in none."""
    column, dtype = distinct[0].column, schema[distinct[0].column]
    firsts = pl.Series([bound.first for bound in distinct], dtype=dtype)
    place = pl.lit(firsts).search_sorted(pl.col(column), side="right").cast(pl.Int64) - 1
    safe = place.clip(0)
    if distinct[0].end is None:
        is_in = pl.col(column) == pl.lit(firsts).gather(safe)
    else:
        is_in = pl.col(column) < pl.lit(pl.Series([bound.end for bound in distinct], dtype=dtype)).gather(safe)
    return pl.when((place >= 0) & is_in).then(place)


def _product(sizes: Sequence[int]) -> int:
    return reduce(lambda product, size: product * size, sizes, 1)
