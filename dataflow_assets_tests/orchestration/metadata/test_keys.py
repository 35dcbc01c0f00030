"""Whatever an asset or a check says of itself has a meaning on the reference page."""

import re
from collections.abc import Mapping

import dagster as dg

from dataflow_assets.orchestration.metadata import keys
from dataflow_assets_tests.orchestration.builders import Platform, session, streams_csv

STREAMS = "2021-12-04"


def unexplained(found: set[str], by_name: Mapping[str, str], by_pattern: Mapping[str, str]) -> set[str]:
    return {key for key in found - by_name.keys() if not any(re.fullmatch(pattern, key) for pattern in by_pattern)}


def test_every_key_is_explained_and_every_check_gives_figures(platform: Platform) -> None:
    users = platform.land("users", STREAMS, "first_name,last_name,email\nA,B,a@b.example\n")
    streams = platform.land("streams", STREAMS, "\ufeff" + streams_csv(session("2021-12-04T10:00"), "x,,1,2,3"))
    platform.materialize(users, streams)
    of_assets, of_checks, without = set[str](), set[str](), set[str]()
    for spec in platform.definitions.resolve_all_asset_specs():
        of_assets |= spec.metadata.keys()
    for run in platform.instance.get_runs():
        for entry in platform.instance.all_logs(run.run_id):
            said = entry.dagster_event and entry.dagster_event.event_specific_data
            if isinstance(said, dg.AssetCheckEvaluation):
                of_checks |= said.metadata.keys()
                without |= set() if said.metadata else {said.check_name}
            elif entry.dagster_event and entry.dagster_event.is_step_materialization:
                of_assets |= entry.dagster_event.step_materialization_data.materialization.metadata.keys()
    assert {"rows", "lake_version", "landed"} <= of_assets
    assert {"usual_rows", "is_there", "unknown_user_email"} - of_checks == {"usual_rows"}
    assert unexplained(of_assets, keys.ASSETS | keys.DAGSTERS, keys.ASSETS_BY_PATTERN) == set()
    assert unexplained(of_checks, keys.CHECKS, keys.CHECKS_BY_PATTERN) == set()
    assert without == set(), "these checks say no figure"
    assert not {"lake_version_before"} & of_assets, "nothing was there before"
