"""The schema in an Avro file: whether what is read by it is bounded by the bytes that are read.

Here: refusing schemas by which a few bytes make a value without end. Not here: the bytes (see `avro_blocks`).
"""

from collections.abc import Mapping
from typing import Any

_MOST_FIELDS = 20_000  # of all records in it
_DEEPEST = 100


def require_bounded_schema(schema: Any) -> None:
    """Look whether no type is within itself, no array has items without a byte, and there are not too many fields.

    Raises:
        ValueError: it is not so.
    """
    _Walk().bytes_of(schema, ())


class _Walk:
    def __init__(self) -> None:
        self._known: dict[str, bool] = {}
        self._fields = 0

    def bytes_of(self, schema: Any, within: tuple[str, ...]) -> bool:
        """Whether a value of the type has at least a byte, named types around it being these."""
        if len(within) > _DEEPEST:
            raise ValueError(f"its schema is more than {_DEEPEST} types deep")
        if isinstance(schema, list):
            for kind in schema:
                self.bytes_of(kind, (*within, ""))
            return True  # which of them it is
        if isinstance(schema, str):
            if schema in within:
                raise ValueError(f"its type {schema} is within itself")
            return self._known.get(schema, schema != "null")
        return self._bytes_of_complex(schema, within)

    def _bytes_of_complex(self, schema: Mapping[str, Any], within: tuple[str, ...]) -> bool:
        kind, name = schema.get("type"), str(schema.get("name", ""))
        around = (*within, name)
        if kind in ("record", "error"):
            self._fields += len(schema["fields"])
            if self._fields > _MOST_FIELDS:
                raise ValueError(f"its schema has more than {_MOST_FIELDS:,} fields")
            found = [self.bytes_of(field["type"], around) for field in schema["fields"]]
            self._known[name] = any(found)
        elif kind == "array":
            if not self.bytes_of(schema["items"], around):
                raise ValueError("its schema has arrays whose items take no byte")
            return True
        elif kind == "map":
            self.bytes_of(schema["values"], around)
            return True
        elif kind == "fixed":
            self._known[name] = schema["size"] > 0
        elif isinstance(kind, dict | list):
            return self.bytes_of(kind, around)
        else:
            return kind != "null"
        return self._known[name]
