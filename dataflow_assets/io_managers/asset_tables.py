"""What an asset's key and metadata say of its table.

Here: its name, key and declared schema, and what its rows were made from. Not here: its partitions (see `slices`).
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import dataframely as dy
import polars as pl

from dataflow_assets.errors import NotFoundError
from dataflow_assets.io_managers.slices import Slice
from dataflow_assets.postgres.partitions import Versions


@dataclass(frozen=True, kw_only=True)
class AssetTable:
    """The table of an asset.

    `declared` is the dataframely schema that the metadata names, if any. Rows with equal values in the `key` columns
    keep the last by the `order_by` columns.
    """

    schema: str
    table: str
    declared: type[dy.Schema] | None = None
    key: tuple[str, ...] = ()
    order_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As a user knows it."""
        return f"{self.schema}.{self.table}"

    @property
    def declared_types(self) -> pl.Schema | None:
        """The declared columns and their types."""
        return None if self.declared is None else self.declared.create_empty().schema

    @property
    def required(self) -> frozenset[str]:
        """The declared columns that are never null, and those of the key."""
        columns = {} if self.declared is None else self.declared.columns()
        return frozenset({name for name, column in columns.items() if not column.nullable} | {*self.key})


def asset_table(path: Sequence[str], metadata: Mapping[str, Any], default_schema: str) -> AssetTable:
    """The table of an asset: `schema` and `table` of its metadata, else the last two parts of its key.

    Args:
        path: the parts of the asset's key.
        metadata: the asset's.
        default_schema: of a key of one part.

    Raises:
        NotFoundError: the metadata names a dataframely schema that cannot be imported.
    """
    named = metadata.get("dataframely_schema")
    return AssetTable(
        schema=str(metadata.get("schema") or (path[-2] if len(path) > 1 else default_schema)),
        table=str(metadata.get("table") or path[-1]),
        declared=None if named is None else _import_schema(str(named)),
        key=_names(metadata, "key"),
        order_by=_names(metadata, "order_by"),
    )


def _names(metadata: Mapping[str, Any], entry: str) -> tuple[str, ...]:
    names = metadata.get(entry) or ()
    return (names,) if isinstance(names, str) else tuple(names)


def _import_schema(path: str) -> type[dy.Schema]:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise NotFoundError(f"There is no dataframely schema {path!r} ({error}): say package.module:Class.") from None
    if not (isinstance(found, type) and issubclass(found, dy.Schema)):
        raise NotFoundError(f"{path} is no dataframely schema.")
    return found


def made_from(context: dg.OutputContext, slices: Sequence[Slice]) -> list[Versions | None]:
    """Of each slice the versions of the inputs that its rows were made from, where the output's metadata says so.

    `made_from` maps the name of an input to its version, an integer that only grows, for all partitions; or a partition
    key to such a mapping.

    Raises:
        NotFoundError: it says nothing of a partition of the run, or something else.
    """
    said = (context.output_metadata or {}).get("made_from")
    mapping = getattr(said, "value", said)
    if mapping is None:
        return [None] * len(slices)
    is_by_partition = bool(mapping) and all(isinstance(versions, Mapping) for versions in mapping.values())
    found = [mapping.get(each.key) if is_by_partition else mapping for each in slices]
    if any(versions is None or not all(type(v) is int for v in versions.values()) for versions in found):
        raise NotFoundError(
            f"made_from of {context.asset_key.to_user_string()} is {mapping!r}: say name -> version (int) for all "
            "partitions, or partition key -> name -> version for every partition of the run."
        )
    return found
