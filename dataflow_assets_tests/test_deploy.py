"""The files of a deployment agree with each other and with the settings, and make a working Dagster instance."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import obstore
import psycopg2
import pytest
import yaml
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from dataflow_assets.postgres.embedded import acquire
from dataflow_assets.postgres.embedded.lease import find_programs
from dataflow_assets.postgres.migrate import upgrade
from dataflow_assets.settings import variable_names
from dataflow_assets.warehouse.query import run_query
from dataflow_assets_tests.postgres.superuser import superuser_server

TOP = Path(__file__).parent.parent
DEPLOY = TOP / "deploy"
COMPOSE = (TOP / "docker-compose.yml").read_text()
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()

# moto's servers of one process share their buckets, so this one's name is used nowhere else.
BUCKET = "deploy-test"

# Variables that are not ours to describe, by who reads them.
FOREIGN = {
    "POSTGRES_PASSWORD": "the image of PostgreSQL",
    "DATAFLOW_PASSWORD": "deploy/roles.sql",
    "UI_USER": "deploy/login",
    "UI_PASSWORD": "deploy/login",
    "DAGSTER_HOME": "Dagster",
    "PGTZ": "libpq",
    "PGCLIENTENCODING": "libpq",
    "PATH": "the shell",
    "PYTHONUNBUFFERED": "Python",
}

# Settings that the services are not given: what stands for them there is in the image, or another setting.
SET_OTHERWISE = {"DATAFLOW_HOME", "DATAFLOW_DATABASE_PORT", "AWS_REGION", "AWS_SESSION_TOKEN"}
OF_THE_API = {
    "SECRET_KEY",
    "CORS_ORIGINS",
    "DATAFLOW_CACHE_URL",
    "DATAFLOW_REQUESTS_PER_MINUTE",
    "DATAFLOW_LARGEST_UPLOAD_MB",
}


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
    return found


def env_sources(node: object) -> set[str]:
    """The variables that a Dagster file takes values from, written `env: NAME`."""
    if isinstance(node, list):
        return set().union(*(env_sources(item) for item in node))
    if not isinstance(node, dict):
        return set()
    named = {node["env"]} if isinstance(node.get("env"), str) else set()
    return named.union(*(env_sources(value) for value in node.values()))


def image_variables() -> set[str]:
    final_stage = DOCKERFILE.split("\nFROM ")[-1]
    instructions = re.findall(r"^ENV ((?:.*\\\n)*.*)$", final_stage, re.MULTILINE)
    return {name for instruction in instructions for name in re.findall(r"\b([A-Z_]+)=", instruction)}


def used_variables() -> dict[str, set[str]]:
    return {
        "docker-compose.yml": set(re.findall(r"\$\{?([A-Za-z_]\w*)", COMPOSE)),
        "services of docker-compose.yml": {name for one in services().values() for name in one.get("environment", {})},
        "deploy/Dockerfile": image_variables(),
        "deploy/dagster.yaml": env_sources(read_yaml(DEPLOY / "dagster.yaml")),
        "deploy/workspace.yaml": env_sources(read_yaml(DEPLOY / "workspace.yaml")),
        "dagster.yaml": env_sources(read_yaml(TOP / "dagster.yaml")),
    }


def test_every_variable_is_a_setting_or_foreign() -> None:
    unknown = {where: names - variable_names() - FOREIGN.keys() for where, names in used_variables().items()}
    assert not any(unknown.values()), unknown


def test_the_services_take_every_setting() -> None:
    ours = [one for one in services().values() if one.get("image") == "dataflow-assets"]
    for service in ours:
        assert variable_names() - service["environment"].keys() <= SET_OTHERWISE | OF_THE_API
    given = set().union(*(service["environment"] for service in ours))
    assert variable_names() - given == SET_OTHERWISE


def test_the_variables_are_found_at_all_and_the_foreign_ones_are_used() -> None:
    used = used_variables()
    assert used["deploy/dagster.yaml"] == {"S3_BUCKET"}
    assert "DATAFLOW_HOME" in used["deploy/Dockerfile"]
    assert set().union(*used.values()) >= FOREIGN.keys()


def test_the_services_of_the_platform_are_there() -> None:
    always = {"postgres", "s3", "bucket", "migrate", "code", "webserver", "login", "daemon", "api"}
    assert {name for name, one in services().items() if "profiles" not in one} == always
    assert {name for name, one in services().items() if one.get("profiles") == ["workers"]} == {"redis", "worker"}


def test_a_statement_over_the_days_of_ten_years_finds_room_for_its_locks() -> None:
    assert "max_locks_per_transaction=1024" in services()["postgres"]["command"]


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


def test_the_ui_is_reached_through_the_login_alone() -> None:
    assert "ports" not in services()["webserver"]
    proxy = (DEPLOY / "login/Caddyfile").read_text()
    [port] = services()["login"]["ports"]
    assert re.search(rf"^:{port.rpartition(':')[2]} {{\n\tbasic_auth {{", proxy, re.MULTILINE)
    upstream = re.findall(r"reverse_proxy (\w+):(\d+)", proxy)
    command = services()["webserver"]["command"]
    assert upstream == [("webserver", command[command.index("--port") + 1])]
    [probed] = re.findall(r":(\d+)/", services()["login"]["healthcheck"]["test"][-1])
    assert re.search(rf"^:{probed} {{\n\trespond 200\n}}", proxy, re.MULTILINE), "the probe needs no password"


def test_the_files_are_as_their_schemas_say() -> None:
    issue_forms = (TOP / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml")
    workflows = (TOP / ".github/workflows").glob("*.yml")
    require_schema("vendor.compose-spec", TOP / "docker-compose.yml")
    require_schema("vendor.github-workflows", *workflows)
    assert all(read_yaml(form).keys() >= {"name", "description", "body"} for form in issue_forms)


def require_schema(schema: str, *files: Path) -> None:
    command = ["check-jsonschema", "--builtin-schema", schema, *map(str, files)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert checked.returncode == 0, checked.stdout


def test_secrets_have_no_default() -> None:
    secrets = re.findall(r"\$\{?(\w*(?:PASSWORD|ACCESS_KEY|SECRET_KEY)\w*)([^}]*)", COMPOSE)
    assert secrets
    assert all(rest.startswith(":?") for _, rest in secrets), secrets


def test_lasting_services_are_restarted_and_probed_and_one_shots_are_waited_for() -> None:
    lasting = {name: one for name, one in services().items() if one["restart"] != "no"}
    assert lasting.keys() == {"postgres", "s3", "code", "webserver", "login", "daemon", "api", "redis", "worker"}
    assert all(one["restart"] == "unless-stopped" and one["healthcheck"] for one in lasting.values())
    for service in services().values():
        for name, wanted in service.get("depends_on", {}).items():
            expected = "service_healthy" if name in lasting else "service_completed_successfully"
            assert wanted == {"condition": expected}


def test_services_have_no_capability_get_no_privilege_and_write_to_volumes_alone() -> None:
    for name, service in services().items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert "/tmp" in service["tmpfs"], name
    added = {name: one["cap_add"] for name, one in services().items() if "cap_add" in one}
    assert added == {"s3": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"], "login": ["NET_BIND_SERVICE"]}


def test_what_others_made_is_pinned_by_its_digest() -> None:
    images = {one["image"] for one in services().values()} - {"dataflow-assets"}
    images |= set(re.findall(r"^(?:FROM |COPY --from=)(\S*[:/]\S*)", DOCKERFILE, re.MULTILINE))
    assert len(images) == 6, images
    assert [image for image in images if not re.fullmatch(r"\S+:[\w.-]+@sha256:[0-9a-f]{64}", image)] == []
    workflows = "".join(path.read_text() for path in (TOP / ".github/workflows").glob("*.yml"))
    actions = re.findall(r"uses: (.+)", workflows)
    assert len(actions) == 4
    assert [action for action in actions if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action)] == []


def test_everything_mounted_or_built_from_exists() -> None:
    volumes = yaml.safe_load(COMPOSE)["volumes"].keys()
    for service in services().values():
        if build := service.get("build"):
            assert (TOP / build["context"] / build["dockerfile"]).is_file()
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (TOP / source).exists() if source.startswith((".", "/")) else source in volumes


def test_the_image_copies_what_exists_and_is_not_ignored() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    admitted = set(re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert sources >= {"uv.lock", "dataflow_assets", "deploy/dagster.yaml", "deploy/workspace.yaml"}
    assert all((TOP / source).exists() for source in sources)
    assert {source.split("/")[0] for source in sources} == admitted


def test_the_workspace_names_the_code_service() -> None:
    (location,) = read_yaml(DEPLOY / "workspace.yaml")["load_from"]
    server = location["grpc_server"]
    assert server["host"] in services()
    assert str(server["port"]) in services()[server["host"]]["command"]


def test_the_platform_is_a_plain_role_that_can_make_its_tables(tmp_path: Path) -> None:
    with superuser_server(tmp_path / "home") as url:
        keeper = f"postgresql://keeper:secret@{url.rpartition('@')[2].partition('/')[0]}/postgres"
        execute(url, "CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'secret'")
        execute(keeper, "ALTER DATABASE dataflow RENAME TO other")
        execute(keeper, "ALTER ROLE dataflow RENAME TO other")
        execute(keeper, "DROP ROLE dataflow_reader")
        command: list[str | Path] = [find_programs() / "psql", keeper, "--quiet", "--file", DEPLOY / "roles.sql"]
        subprocess.run(command, env=os.environ | {"DATAFLOW_PASSWORD": "it's"}, check=True, timeout=300)
        plain = keeper.replace("keeper:secret", "dataflow:it%27s").removesuffix("postgres") + "dataflow"
        assert upgrade(plain)
        assert run_query(plain, "SELECT current_user, count(*) FROM warehouse.streams").rows == [("dataflow_reader", 0)]
        assert execute(plain, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]
        with pytest.raises(psycopg2.Error, match="permission denied"):
            execute(plain, "SELECT pg_read_file('/etc/hostname')")


def execute(url: str, statement: str) -> list[Any]:
    """Run a statement that no transaction holds; its rows."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A DAGSTER_HOME as in a deployment, with a PostgreSQL and an S3 server behind its variables."""
    database = acquire(tmp_path / "home", durable=False)
    s3 = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    host, port = s3.get_host_and_port()
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("S3_BUCKET", BUCKET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    dagster_home = tmp_path / "dagster"
    dagster_home.mkdir()
    shutil.copy(DEPLOY / "dagster.yaml", dagster_home)
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
    yield dagster_home
    s3.stop()
    database.close()


def create_bucket() -> None:
    subprocess.run([sys.executable, DEPLOY / "create_bucket.py"], check=True, timeout=300)


@dg.asset
def talkative() -> None:
    sys.stdout.write("written to standard output\n")


def test_the_instance_keeps_runs_events_and_logs(deployed: Path) -> None:
    create_bucket()
    create_bucket()
    with dg.DagsterInstance.from_config(str(deployed)) as instance:
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
        instance.report_runless_asset_event(dg.AssetMaterialization(["landing", "movies"], partition="2024-01-31"))
        run_id = dg.materialize([talkative], instance=instance).run_id

    # A second instance has nothing but the database to know it from.
    assert [path.name for path in deployed.iterdir()] == ["dagster.yaml"], "the folder is read-only there"
    with dg.DagsterInstance.from_config(str(deployed)) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.is_success
        assert instance.get_materialized_partitions(dg.AssetKey(["landing", "movies"])) == {"2024-01-31"}

    store = S3Store(BUCKET, endpoint=os.environ["AWS_ENDPOINT_URL"], client_options={"allow_http": True})
    (log,) = [item["path"] for item in obstore.list(store).collect() if item["path"].endswith(".out")]
    assert log.startswith(f"compute_logs/storage/{run_id}/")
    assert bytes(obstore.get(store, log).bytes()) == b"written to standard output\n"
