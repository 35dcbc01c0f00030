"""What we take in: one declaration per file of this package, found by itself.

Add a source by adding a file with a `SOURCE`; nothing here changes.

    >>> from dataflow_assets.sources import all_sources, find_source
    >>> [source.name for source in all_sources()]
    ['authors', 'books', 'movies', 'reviews', 'streams', 'users']
    >>> find_source("stream").key
    ('movie_title', 'user_email', 'start_at', 'end_at')
"""

from functools import cache

from dataflow_assets.core.declarations import import_declarations
from dataflow_assets.core.suggestions import suggest
from dataflow_assets.errors import DeclarationError, NotFoundError
from dataflow_assets.sources.base import Events, Reference, RejectLimit, Snapshot, Source, wrong_references
from dataflow_assets.sources.changes import Changes
from dataflow_assets.sources.companions import ControlFile
from dataflow_assets.sources.formats import Avro, Csv, Excel, FixedWidth, Json, Parquet
from dataflow_assets.sources.names import find_collisions, find_wrong_owners
from dataflow_assets.sources.origins import Ftp, Sftp

__all__ = [
    "Avro",
    "Changes",
    "ControlFile",
    "Csv",
    "Events",
    "Excel",
    "FixedWidth",
    "Ftp",
    "Json",
    "Parquet",
    "Reference",
    "RejectLimit",
    "Sftp",
    "Snapshot",
    "Source",
    "all_sources",
    "find_source",
]


@cache
def all_sources() -> tuple[Source, ...]:
    """Every declared source, by name.

    Raises:
        DeclarationError: one of them cannot be used, one refers to what none of them declares, or two would give
            something the same name.
    """
    sources = [module.SOURCE for module in import_declarations(__name__, __path__) if hasattr(module, "SOURCE")]
    names = (*find_collisions("sources", sources), *find_wrong_owners("source", sources))
    for problem in (*names, *wrong_references(sources)):
        raise DeclarationError(problem)
    return tuple(sorted(sources, key=lambda source: source.name))


def find_source(name: str) -> Source:
    """The source of that name, plural or singular.

    Raises:
        NotFoundError: naming the sources there are.
    """
    for source in all_sources():
        if name in (source.name, source.singular):
            return source
    known = ", ".join(source.name for source in all_sources())
    near = suggest(name, [one for source in all_sources() for one in (source.name, source.singular)])
    raise NotFoundError(f"There is no source {name!r}; the sources are {known}.{near}")
