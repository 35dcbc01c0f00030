"""The resources of the platform's assets, sensors, schedules and jobs: where the objects and the tables are.

Here: from fields that the Dagster UI shows to an open store, and the resources of some settings. Secrets are fields
that name their environment variable, so that the UI never shows them. Not here: what is kept in the stores.

Anyone may put another in the place of one: `build_definitions(settings, resources={"database": …})`.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, SecretStr

from dataflow_assets.errors import SettingsError
from dataflow_assets.landing.storage import Storage, open_bucket, open_folder
from dataflow_assets.ledger.lake import bind_lake
from dataflow_assets.settings import Settings
from dataflow_assets.warehouse.bootstrap import open_bound_warehouse, open_server

OBJECT_STORE, DATABASE = "object_store", "database"  # resources, and the pools that limit how many runs use one


@dataclass(frozen=True)
class Stores:
    """Where the data of a platform is: the warehouse's URL, the storage of landing and lake, and what cuts the days."""

    url: str
    storage: Storage
    timezone: str


def open_stores(settings: Settings) -> Stores:
    """The stores that the settings name, for work outside of a run.

    Raises:
        LakeMismatchError: the warehouse was made from another lake.
    """
    return Stores(*open_bound_warehouse(settings), settings.timezone)


class ObjectStoreResource(dg.ConfigurableResource[Any]):
    """The bucket, or the local folder, that holds `landing/` and `lake/`."""

    folder: str | None = Field(default=None, description="The local folder, where there is no bucket.")
    s3_bucket: str | None = Field(default=None, description="The bucket.")
    endpoint_url: str | None = Field(default=None, description="An S3 server other than Amazon's.")
    region: str | None = Field(default=None, description="The AWS region; unset: that of the standard AWS chain.")
    access_key_id: str | None = Field(default=None, description="Credentials; unset: those of the standard AWS chain.")
    secret_access_key: str | None = None
    session_token: str | None = Field(default=None, description="Only for temporary credentials.")

    def open_storage(self) -> Storage:
        """The storage, with the credentials of now.

        Raises:
            SettingsError: there are no credentials for the bucket, or neither bucket nor folder.
        """
        if self.s3_bucket is not None:
            return open_bucket(
                self.s3_bucket,
                endpoint_url=self.endpoint_url,
                region=self.region,
                access_key_id=self.access_key_id,
                secret_access_key=self.secret_access_key,
                session_token=self.session_token,
            )
        if self.folder is None:
            raise SettingsError("An ObjectStoreResource needs a folder or an s3_bucket.")
        return open_folder(Path(self.folder))


class DatabaseResource(dg.ConfigurableResource[Any]):
    """The PostgreSQL that holds the warehouse, the answers and the platform's records."""

    home: str = Field(description="The folder of the embedded server, which is used where there is no URL.")
    timezone: str = Field(description="The business time zone, which cuts the days.")
    url: str | None = Field(default=None, description="Another server.")
    port: int | None = Field(default=None, description="The port of the embedded server; unset: any.")

    def open_warehouse(self) -> str:
        """The URL of a warehouse that is fit for use; the embedded server is started where it does not run.

        Raises:
            WarehouseUnavailableError: the server does not answer.
            WarehouseMismatchError: its tables or its time zone are not the program's.
        """
        return open_server(Path(self.home), self.timezone, self.url, self.port)


def open_both(object_store: ObjectStoreResource, database: DatabaseResource, first_day: date) -> Stores:
    """The stores that two resources name.

    Raises:
        LakeMismatchError: the warehouse was made from another lake.
    """
    stores = Stores(database.open_warehouse(), object_store.open_storage(), database.timezone)
    bind_lake(stores.url, stores.storage, first_day)
    return stores


def build_resources(settings: Settings, without: Collection[str] = ()) -> dict[str, Any]:
    """The resources of some settings, by their keys.

    Args:
        settings: say where the stores are.
        without: keys of those that are given otherwise.

    Raises:
        SettingsError: the settings hold a secret that the environment does not: a run would meet another store.
    """
    builders = {OBJECT_STORE: _object_store, DATABASE: _database}
    return {key: build(settings) for key, build in builders.items() if key not in without}


def _object_store(settings: Settings) -> ObjectStoreResource:
    if settings.s3_bucket is None:
        return ObjectStoreResource(folder=str(settings.home))
    key = settings.aws_access_key_id
    return ObjectStoreResource(
        s3_bucket=settings.s3_bucket,
        endpoint_url=settings.aws_endpoint_url,
        region=settings.region,
        access_key_id=_variable("AWS_ACCESS_KEY_ID", SecretStr(key) if key else None),
        secret_access_key=_variable("AWS_SECRET_ACCESS_KEY", settings.aws_secret_access_key),
        session_token=_variable("AWS_SESSION_TOKEN", settings.aws_session_token),
    )


def _database(settings: Settings) -> DatabaseResource:
    return DatabaseResource(
        home=str(settings.home),
        timezone=settings.timezone,
        url=_variable("DATABASE_URL", settings.database_url),
        port=settings.database_port,
    )


def _variable(name: str, value: SecretStr | None) -> str | None:
    """The environment variable that holds a secret of the settings, for it is read again where a run starts."""
    if value is None:
        return None
    if os.environ.get(name) != value.get_secret_value():
        raise SettingsError(
            f"The settings hold another {name} than the environment, which is where runs read it: set the variable to "
            "the same value, or give `build_definitions` a resource of your own."
        )
    return dg.EnvVar(name)
