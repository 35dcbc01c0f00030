"""The registered users, as the account service exports them every day."""

import dataframely as dy

from dataflow_assets.sources.base import Snapshot
from dataflow_assets.sources.formats import Csv

EMAIL = r"^[^@\s]+@[^@\s]+$"


class Users(dy.Schema):
    """One registered user."""

    email = dy.String(regex=EMAIL, description="identifies the user")
    first_name = dy.String(nullable=True, description="given name")
    last_name = dy.String(nullable=True, description="family name")


SOURCE = Snapshot(
    name="users",
    singular="user",
    description="The people who can stream movies.",
    owner="team:accounts",
    schema=Users,
    reader=Csv(),
    key=("email",),
)
