"""What can be read, in OpenAPI: a path for each table, answer and question, with its own parameters and columns.

The routes take any name; a document that said so would tell nobody which columns there are. So each path with a name in
it is replaced by one for each name. Here: that, on the document alone. Not here: routes, and what else it says.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from dataflow_assets.analytics.base import Answer
from dataflow_assets.analytics.questions import options_of
from dataflow_assets.serving.reading.formats import all_formats
from dataflow_assets.serving.reading.parameters import LARGEST_PAGE, MOST_VALUES, OWN
from dataflow_assets.serving.reading.questions import LAST_DAYS, MOST_DAYS
from dataflow_assets.serving.reading.relations import Column, Relation
from dataflow_assets.serving.reading.values import has_order, json_schema, parameter_schema
from dataflow_assets.sources import Source

Json = dict[str, Any]

_REPLACED = ("/v1/tables/", "/v1/answers/", "/v1/questions/", "/v1/explain/")
_TEXTS = {
    "ndjson": {"type": "string", "description": "an object of JSON a line"},
    "csv": {"type": "string"},
}
_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
_HEADERS: Json = {
    "ETag": {"schema": {"type": "string"}, "description": "changes with the rows: send it as If-None-Match"},
    "Link": {"schema": {"type": "string"}, "description": 'the next page, as rel="next", where there is one'},
}
_NOT_MODIFIED: Json = {"description": "The rows are those of the ETag in If-None-Match."}


def expand(
    document: Json,
    tables: Mapping[str, Relation],
    answers: Mapping[str, Relation],
    ledger: Mapping[str, Relation],
    sources: Mapping[str, Source],
) -> None:
    """Say in a document what can be read, in place of the paths that take any name."""
    paths: Json = document["paths"]
    for name, relation in tables.items():
        _copy(paths, "/v1/tables/{table}", "table", name)
        _rows(_copy(paths, "/v1/tables/{table}/rows", "table", name), relation)
    for name, relation in answers.items():
        _rows(_copy(paths, "/v1/answers/{answer}", "answer", name), relation)
        if isinstance(relation.of, Answer) and relation.of.question:
            _question(_copy(paths, "/v1/questions/{answer}", "answer", name), relation.of)
    for name, relation in ledger.items():
        _rows(paths[f"/v1/{name}"]["get"], relation)
    for name, source in sources.items():
        _explanation(_copy(paths, "/v1/explain/{source}", "source", name), source)
    for path in [path for path in paths if path.startswith(_REPLACED) and "{" in path]:
        del paths[path]


def _copy(paths: Json, path: str, parameter: str, name: str) -> Json:
    """The operation of one name, which is put beside the one that takes any."""
    operation: Json = copy.deepcopy(paths[path]["get"])
    operation["operationId"] = f"{operation['operationId']}_{name}"
    operation["summary"] = f"{operation.get('summary', '')}: {name}"
    operation["parameters"] = [found for found in operation["parameters"] if found["name"] != parameter]
    paths[path.replace(f"{{{parameter}}}", name)] = {"get": operation}
    return operation


def _rows(operation: Json, relation: Relation) -> None:
    own = [*_shape(relation), *_filters(relation)]
    operation["description"] = f"{relation.description}\n\n{operation.get('description', '')}"
    operation["parameters"] = [*operation.get("parameters", ()), *own]
    schemas = {"json": {"type": "array", "items": _row(relation)}, **_TEXTS}
    content = {
        form.media_type.partition(";")[0]: {"schema": schemas.get(form.name, _BINARY)}
        for form in all_formats().values()
    }
    operation["responses"]["200"] = {"description": "Rows.", "headers": _HEADERS, "content": content}
    operation["responses"]["304"] = _NOT_MODIFIED


def _row(relation: Relation) -> Json:
    properties = {column.name: _nullable(json_schema(column), column) for column in relation.columns.values()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _nullable(schema: Json, column: Column) -> Json:
    said = {"description": column.description} if column.description else {}
    # A float that JSON does not have, such as NaN, is null.
    if column.is_nullable or schema.get("type") == "number":
        schema = {"anyOf": [schema, {"type": "null"}]} if schema else {}
    return schema | said


def _shape(relation: Relation) -> Iterator[Json]:
    """The parameters that say which columns, in which order, how many rows and as what."""
    names = list(relation.columns)
    orders = [sign + column.name for column in relation.columns.values() if not column.is_json for sign in ("", "-")]
    shown = ", ".join(relation.shown)
    yield _list("columns", names, f"the columns that are wanted; without it: {shown}", unique=True)
    yield _list("order", orders, "columns by which rows are ordered, with - before those that descend; nulls come last")
    yield _parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE},
        "how many rows a page has: the header Link leads to the next one, by a `cursor`; without it all rows come",
        example=100,
    )
    yield _parameter("format", {"type": "string", "enum": list(all_formats())}, "what they come as, in place of Accept")


def _filters(relation: Relation) -> Iterator[Json]:
    for column in relation.columns.values():
        if column.is_json:
            continue
        schema, said = parameter_schema(column), column.description or column.name
        if column.name not in OWN:
            yield _parameter(column.name, schema, said)
        yield _parameter(
            f"{column.name}.in",
            {"type": "array", "items": schema, "minItems": 1, "maxItems": MOST_VALUES},
            f"{said}: one of these",
        )
        if has_order(column):
            yield _parameter(f"{column.name}.gte", schema, f"{said}: this or more")
            yield _parameter(f"{column.name}.lt", schema, f"{said}: less than this")


def _list(name: str, values: list[str], description: str, *, unique: bool = False) -> Json:
    schema: Json = {"type": "array", "items": {"type": "string", "enum": values}, "minItems": 1}
    schema |= {"uniqueItems": True} if unique else {}
    return _parameter(name, schema, description) | {"style": "form", "explode": False}


def _parameter(name: str, schema: Json, description: str, **more: Any) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description, **more}


def _question(operation: Json, answer: Answer) -> None:
    operation["description"] = f"{answer.description}\n\n{operation.get('description', '')}"
    for option in options_of(answer):
        is_time = option.name.endswith(("from", "to"))
        schema: Json = {"type": "string"}
        if is_time:
            schema = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
        default = {"default": option.default} if option.default and not is_time else {}
        operation["parameters"].append(_parameter(option.name, schema | default, option.help))
    start, end, *_ = (option.name for option in options_of(answer))
    said = f"So many days, up to the last one with a session, in place of {start} and {end}."
    days = {"type": "integer", "minimum": 1, "maximum": MOST_DAYS}
    operation["parameters"].append(_parameter(LAST_DAYS, days, said))
    operation["responses"]["200"] = _json_object("What was found.")
    operation["responses"]["304"] = _NOT_MODIFIED


def _explanation(operation: Json, source: Source) -> None:
    operation["parameters"] += [
        _parameter(name, {"type": "string"}, "a part of the key, as a file or an answer of the API has it")
        for name in source.key
    ]
    operation["responses"]["200"] = _json_object("Where the rows came from.")


def _json_object(description: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": {"type": "object"}}}}
