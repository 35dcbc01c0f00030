"""The line of what runs made."""

import dagster as dg

from dataflow_assets.orchestration.runs.made import summarize_made


def made(key: str, day: str, **counts: int) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(dg.AssetKey(key.split("/")), partition=day, metadata=counts)


def test_of_the_lake_a_line_says_what_became_of_the_rows_of_the_files_that_were_taken_in() -> None:
    """The partition may have other files, whose rejects are not told."""
    of_file = {"delivered": 3, "accepted": 2, "rejected": 1}
    found = [
        made("lake/movies", "2021-12-01", rows=1_002, **of_file),
        made("lake/movies", "2021-12-02", rows=2, **of_file),
        made("lake/rejects", "2021-12-02", rows=2),
        made("warehouse/movies", "2021-12-02", rows=1_004),
    ]
    assert list(map(str, summarize_made(found))) == [
        "lake/movies                               4 accepted   2 rejected  2 partitions",
        "warehouse/movies                          1,004 rows                1 partition",
    ]


def test_a_line_says_that_no_row_of_a_file_was_accepted() -> None:
    [line] = summarize_made([made("lake/movies", "2021-12-01", rows=7, accepted=0, rejected=2)])
    assert str(line) == "lake/movies                               0 accepted   2 rejected   1 partition"


def test_lines_of_many_rows_are_aligned_and_shorter_than_a_terminal() -> None:
    found = [
        made("lake/streams", "2021-12-01", rows=9, accepted=1_234_567_890, rejected=900),
        made("analytics/movies_by_author_nationality", "2021-12-01", rows=1),
    ]
    lines = list(map(str, summarize_made(found)))
    assert [len(line) for line in lines] == [79, 79]
