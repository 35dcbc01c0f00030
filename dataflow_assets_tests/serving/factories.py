"""Users of the API for tests.

Here: adding one to a database. Not here: what they ask.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from factory.base import Factory
from factory.declarations import Sequence

from dataflow_assets.postgres.connection import connect
from dataflow_assets.serving.accounts import add_user, set_disabled
from dataflow_assets.serving.api_keys import add_key
from dataflow_assets.serving.principals import Principal, Role


class UserFactory(Factory[Principal]):
    """A user who is in the database `url`; their password is a hash, and without one they have none."""

    class Meta:
        model = Principal

    name = Sequence(lambda number: f"user-{number}")  # type: ignore[no-untyped-call]
    role = Role.READER
    sources: Collection[str] | None = None
    delivers_to: Collection[str] | None = None
    password: str | None = None
    is_disabled = False

    @classmethod
    def _create(cls, model_class: type[Principal], *args: object, **given: object) -> Principal:
        url, name, role, *limits = (given[key] for key in ("url", "name", "role", "sources", "delivers_to"))
        assert isinstance(url, str)
        assert isinstance(name, str)
        assert isinstance(role, Role)
        with connect(url) as connection:
            add_user(connection, name, given["password"], role, *limits)  # type: ignore[arg-type]
            if given["is_disabled"]:
                set_disabled(connection, name, is_disabled=True)
        return model_class(name, role, *(names and frozenset(names) for names in limits))  # type: ignore[arg-type,call-overload]


def make_key(
    url: str, user: str, sources: Collection[str] | None = None, lifetime: timedelta = timedelta(days=1)
) -> str:
    """An API key of a user."""
    with connect(url) as connection:
        return add_key(connection, user, sources, datetime.now(UTC) + lifetime)
