"""What is drafted from a vendor's file loads it whole, says what a person would, and what of it is a guess."""

from pathlib import Path

import pytest

from dataflow_assets_tests.lake.draft.drafting import drafted, types_of
from dataflow_assets_tests.lake.draft.sample_files import ROWS, SAMPLE_FILES


@pytest.mark.parametrize("name", SAMPLE_FILES)
def test_the_draft_is_as_a_person_would_write_it_and_loads_the_file_whole(tmp_path: Path, name: str) -> None:
    sample = SAMPLE_FILES[name]
    path = tmp_path / f"items{sample.ending}"
    path.write_bytes(sample.content)
    draft, source, found = drafted(path)
    assert (found.delivered, found.accepted, found.rejects) == (ROWS, ROWS, [])
    assert (found.undeclared_columns, found.missing_columns, found.quarantine_reason) == ([], [], None)
    assert (draft.kind, source.key, types_of(source)) == (sample.kind, sample.key, sample.types)
    assert [option for option in sample.options if option not in draft.text] == []
    assert draft.text.count("# Guessed: ") == len(draft.guesses) > 2
    assert len(draft.text.splitlines()) < 45


def test_there_are_thirty_files() -> None:
    assert len(SAMPLE_FILES) == 30
