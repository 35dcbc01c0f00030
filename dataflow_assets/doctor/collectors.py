"""The places from which sources arrive.

Here: whether each can be reached, and has what is to be collected. Not here: collecting it.
"""

from dataflow_assets.collectors.base import UnreachableError
from dataflow_assets.collectors.collect import check_origin
from dataflow_assets.doctor.finding import Finding
from dataflow_assets.settings import Settings
from dataflow_assets.sources.base import Source


def collector(source: Source, settings: Settings) -> Finding:
    """Whether what a source arrives from answers, lets this user in, and shows its files."""
    name = f"collector of {source.name}"
    try:
        return Finding(name, "ok", check_origin(source, settings.timezone))
    except UnreachableError as error:
        return Finding(name, "problem", str(error), "Nothing of it is collected until it answers.")
