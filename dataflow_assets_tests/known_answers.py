"""The known answers of the reference data, in two time zones.

Here: the numbers, and comparing what `demo --json` printed with them. Not here: running it.
"""

from typing import Any

import pytest

# EXPECTED.md of the reference data: the first column, and the second.
EXPECTED = {
    "UTC": {"outage": 5, "engaged": 725, "first": "2021-11-30T00:00:00+00:00"},
    "Europe/Paris": {"outage": 4, "engaged": 728, "first": "2021-12-01T00:00:00+01:00"},
}
DAYS = {"UTC": 31, "Europe/Paris": 30}  # that have sessions


def require_known_answers(printed: Any, timezone: str) -> None:
    """Fail unless these are the answers."""
    expected = EXPECTED[timezone]
    assert printed["timezone"] == timezone
    assert printed["from"] == expected["first"]
    assert printed["sessions"] == 9652
    assert printed["book_based_share"] == {"streamed": 91, "based_on_books": 85, "share": pytest.approx(85 / 91)}
    assert printed["outage"]["users"] == expected["outage"]
    assert printed["movies_by_author_nationality"] == {"nationality": "singaporeans", "movies": 3}
    assert printed["average_session_seconds"] == pytest.approx(43336.010160, abs=1e-6)
    assert printed["median_session_gigabytes"] == pytest.approx(0.935901, abs=1e-6)
    assert printed["engaged_users"]["users"] == expected["engaged"]
