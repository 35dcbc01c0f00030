"""Every error of the platform has a status."""

import importlib
import pkgutil

import dataflow_assets
from dataflow_assets.errors import DataFlowError
from dataflow_assets.serving.problems import STATUSES
from dataflow_assets.serving.refusals import RefusalError

# The rooms that routes call; an error of any other is a bug there, and answered like one.
_ROOMS = ("errors", "core", "sources", "analytics", "landing", "lake", "postgres", "ledger", "warehouse", "serving")
_BELOW = tuple(f"dataflow_assets.{room}" for room in _ROOMS)


def _all_errors(kind: type[DataFlowError] = DataFlowError) -> set[type[DataFlowError]]:
    return {kind}.union(*map(_all_errors, kind.__subclasses__()))


def test_every_error_that_a_route_may_meet_has_a_status() -> None:
    for found in pkgutil.walk_packages(dataflow_assets.__path__, "dataflow_assets."):
        if found.name.startswith(_BELOW) and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    own = {kind for kind in _all_errors() if kind.__module__.startswith(_BELOW)}
    without = {
        kind.__name__
        for kind in own - {DataFlowError}
        if not issubclass(kind, RefusalError) and not any(base in STATUSES for base in kind.__mro__)
    }
    assert without == set()


def test_every_code_is_of_one_error() -> None:
    codes = [kind.code for kind in _all_errors() if kind.__module__.startswith("dataflow_assets.")]
    assert sorted(codes) == sorted(set(codes))
