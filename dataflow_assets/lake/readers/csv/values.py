"""Values of CSV as the declaration says they are written, to texts that `validate` reads.

Here: tokens for no value, marks in numbers, formats of dates. Not here: cutting records into values (see `records` and
`vectorized`), and what a text must say (see `lake.validation`).
"""

import re

import polars as pl

from dataflow_assets.sources.base import Source
from dataflow_assets.sources.formats import Csv

_NO_NUMBER, _NO_DATE = "no number", "no date"  # no cast reads them, and the reject has the record's own text
_FIRST_YEAR = pl.date(1000, 1, 1)  # `21-12-31` is not of the year 21


def as_declared(texts: pl.DataFrame, source: Source, reader: Csv) -> pl.DataFrame:
    """The texts of the declared columns with nulls, numbers and dates as they are written by default."""
    columns = source.schema.columns()
    if reader.nulls:
        is_null = pl.col(list(columns)).is_in(list(reader.nulls))
        texts = texts.with_columns(pl.when(~is_null).then(pl.col(list(columns))))
    changed = []
    for name, column in columns.items():
        dtype = column.dtype
        if (dtype.is_numeric() or isinstance(dtype, pl.Decimal)) and (reader.decimal != "." or reader.thousands):
            changed.append(_number(pl.col(name), reader))
        elif isinstance(dtype, pl.Date) and reader.date_formats:
            changed.append(_date(pl.col(name), reader))
    return texts.with_columns(changed) if changed else texts


def _number(text: pl.Expr, reader: Csv) -> pl.Expr:
    """A number with a point; with marks of thousands only where each stands before three digits."""
    decimal, thousands = re.escape(reader.decimal), re.escape(reader.thousands)
    grouped = f"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+|" if thousands else ""
    is_number = text.str.contains(rf"^[+-]?(?:{grouped}[0-9]*)(?:{decimal}[0-9]*)?(?:[eE][+-]?[0-9]+)?$")
    bare = text.str.replace_all(reader.thousands, "", literal=True) if thousands else text
    read = bare.str.replace(reader.decimal, ".", literal=True)
    return (
        pl.when(is_number).then(read).when(text.is_not_null()).then(pl.lit(_NO_NUMBER)).alias(text.meta.output_name())
    )


def _date(text: pl.Expr, reader: Csv) -> pl.Expr:
    """A date as ISO 8601 writes it."""
    read = []
    for date_format in reader.date_formats:
        found = text.str.to_date(date_format, strict=False)
        read.append(pl.when(found >= _FIRST_YEAR).then(found) if "%y" not in date_format else found)
    iso = pl.coalesce(read).dt.to_string("%Y-%m-%d")
    return pl.coalesce(iso, pl.when(text.is_not_null()).then(pl.lit(_NO_DATE))).alias(text.meta.output_name())
