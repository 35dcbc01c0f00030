"""From which others the columns of an asset are made.

Here: from declarations to Dagster's column lineage. Not here: the columns themselves (see `columns`), and which of them
an answer's query reads (see `analytics.lineage`).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import dagster as dg
import dataframely as dy

from dataflow_assets.analytics import Answer
from dataflow_assets.analytics.lineage import columns_read
from dataflow_assets.sources.base import Source

Key = Sequence[str]


def same_columns(schema: type[dy.Schema], key: Key) -> dg.TableColumnLineage:
    """Each column is that of another asset."""
    return _lineage({name: [(key, name)] for name in schema.column_names()})


def file_columns(source: Source, key: Key) -> dg.TableColumnLineage:
    """Each column is read from fields of the files, as their format says."""
    return _lineage(
        {name: [(key, field) for field in source.reader.fields_of(name)] for name in source.schema.column_names()}
    )


def answer_columns(answer: Answer, layer: str) -> dg.TableColumnLineage:
    """Each column is made from those that the answer's query reads of its sources' assets in a layer."""
    read = columns_read(answer)
    return _lineage({name: [([layer, source], column) for source, column in sorted(read[name])] for name in read})


def _lineage(made_from: Mapping[str, Iterable[tuple[Key, str]]]) -> dg.TableColumnLineage:
    deps = {
        name: [dg.TableColumnDep(dg.AssetKey(key), column) for key, column in columns]
        for name, columns in made_from.items()
    }
    return dg.TableColumnLineage(deps)


def describe_columns(columns: Iterable[dg.TableColumn], lineage: dg.TableColumnLineage) -> dict[str, Any]:
    """The metadata of an asset's columns; their descriptions say the lineage too, for the free UI draws no other."""
    told = [
        dg.TableColumn(
            column.name,
            column.type,
            description=" ".join(filter(None, (column.description, _origin(lineage, column.name)))),
            constraints=column.constraints,
        )
        for column in columns
    ]
    return {"dagster/column_schema": dg.TableSchema(told), "dagster/column_lineage": lineage}


def _origin(lineage: dg.TableColumnLineage, column: str) -> str:
    """What a column is made from, as a sentence: the columns of each asset. Nothing of one that the platform adds."""
    deps = groupby(lineage.deps_by_column.get(column, ()), key=lambda dep: dep.asset_key)
    names = [f"{key.to_user_string()} ({', '.join(dep.column_name for dep in of_key)})" for key, of_key in deps]
    return f"From {', '.join(names)}." if names else ""
