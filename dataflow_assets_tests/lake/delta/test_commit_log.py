"""What a commit says is read as it was written, whatever it says."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.lake.delta.commit_log import CommitInfo
from dataflow_assets.landing.deliveries import Delivery

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
COUNTS = st.integers(0, 2**63 - 1)
NAMES = st.lists(TEXTS).map(tuple)
DELIVERIES = st.builds(
    lambda name, etag, size, version, at: Delivery(
        source="users",
        day=date(2021, 12, 1),
        object=f"landing/users/2021-12-01/{name}x",
        etag=etag,
        size=size,
        last_modified=at,
        version=version or None,
    ),
    *(TEXTS, TEXTS, COUNTS, TEXTS, st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC))),  # noqa: DTZ001
)
INFOS = st.builds(
    CommitInfo,
    delivery=DELIVERIES,
    delivered=COUNTS,
    accepted=COUNTS,
    rejected=COUNTS,
    reading=TEXTS,
    digest=TEXTS,
    released=TEXTS,
    refusal=st.none() | TEXTS.filter(bool),
    event_ends=st.lists(st.integers()).map(tuple),
    undeclared_columns=NAMES,
    missing_columns=NAMES,
    repaired=st.dictionaries(TEXTS, COUNTS),
    quarantine_reason=st.none() | TEXTS.filter(bool),
)


@given(info=INFOS)
def test_what_a_commit_says_is_read_as_it_was_written(info: CommitInfo) -> None:
    metadata = info.to_metadata()
    assert all(isinstance(value, str) for value in metadata.values())
    assert CommitInfo.from_metadata(metadata) == info


@given(info=INFOS)
def test_what_a_commit_of_an_earlier_build_says_is_read_too(info: CommitInfo) -> None:
    """Lakes are never written again; the first build had other names for four of the facts."""
    metadata = info.to_metadata()
    names = {"undeclared_columns": "kept_out", "missing_columns": "lacking", "repaired": "mended"}
    former = {names.get(name, name): value for name, value in metadata.items() if name != "quarantine_reason"}
    former["held"] = info.quarantine_reason or ""
    assert CommitInfo.from_metadata(former) == info
