"""What a slice was made from: the versions of its inputs, by which an older result never replaces a newer one.

Here: reading them from the metadata of an output, and comparing. Not here: where they are remembered.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from dataflow_assets.errors import SchemaMismatchError

Versions = Mapping[str, int]  # by the name of an input


def read_made_from(context: dg.OutputContext, key: str | None) -> Versions | None:
    """What the output's metadata `made_from` says of a partition, or of all; None where it says nothing.

    Args:
        context: of the output. Its metadata says `{"<input>": <version>}` for all partitions, or that for each key.
        key: the partition, or None of a table without partitions.

    Raises:
        SchemaMismatchError: `made_from` is something else.
    """
    given = {**(context.definition_metadata or {}), **(context.output_metadata or {})}.get("made_from")
    if given is None:
        return None
    given = given.value if isinstance(given, dg.MetadataValue) else given
    of_key = given.get(key) if isinstance(given, Mapping) and _is_by_key(given) else given
    if of_key is not None and not _are_versions(of_key):
        raise SchemaMismatchError(
            f"The metadata made_from of {context.asset_key.to_user_string()} is {given!r}. Say the version of each "
            "input as {'input': 3}, or such a mapping for each partition key."
        )
    return of_key


def _is_by_key(given: Mapping[str, Any]) -> bool:
    return bool(given) and all(isinstance(value, Mapping) for value in given.values())


def _are_versions(given: object) -> bool:
    return isinstance(given, Mapping) and all(type(version) is int for version in given.values())


def is_older(made_from: Versions, recorded: Versions) -> bool:
    """Whether something was made from an older version of an input than what is recorded."""
    return any(version > made_from.get(name, version) for name, version in recorded.items())
