"""The manifests for Kubernetes: sound by its schemas, and what these cannot see agrees with itself and with compose."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
import yaml

from dataflow_assets.cli import app
from dataflow_assets.settings import variable_names
from dataflow_assets_tests.test_deploy import DEPLOY, image_variables, read_yaml, services

OVERLAYS = sorted(folder.name for folder in (DEPLOY / "kubernetes/overlays").iterdir())
VERSIONS = ("1.31", "1.34", "1.37")

Object = dict[str, Any]


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """What an overlay gives, with the secrets of the examples."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl, which renders the overlays, is not here")
    folder = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(DEPLOY / "kubernetes", folder)
    for example in folder.rglob("*.example.env"):
        example.rename(example.with_name(example.name.replace(".example", "")))
    command = ["kubectl", "kustomize", folder / "overlays" / request.param]
    made = subprocess.run(command, check=True, capture_output=True, timeout=300)
    return list(yaml.safe_load_all(made.stdout))


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """The name and the pod of everything that runs one."""
    for one in objects:
        spec = one.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield one["metadata"]["name"], spec["template"]


def containers(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    for name, pod in pods(objects):
        for container in pod["spec"]["containers"]:
            yield name, container


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_kubernetes_hold(objects: list[Object], version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for one in objects:
        kubernetes_validate.validate(one, version, strict=True)


def test_what_is_wrong_is_found(objects: list[Object]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    broken = yaml.safe_load(yaml.safe_dump(next(one for one in objects if one["kind"] in ("Job", "Deployment"))))
    broken["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_a_cron_schedule_can_be_read(objects: list[Object]) -> None:
    for name, one in of_kind(objects, "CronJob").items():
        dg.ScheduleDefinition(
            job_name=name, cron_schedule=one["spec"]["schedule"], execution_timezone=one["spec"]["timeZone"]
        )


def test_settings_and_secrets_that_are_used_exist_and_are_settings(objects: list[Object]) -> None:
    known = {kind: of_kind(objects, kind) for kind in ("ConfigMap", "Secret")}
    for kind, found in known.items():
        for name, one in found.items():
            assert one["data"].keys() <= variable_names(), f"{kind} {name}"
    for name, container in containers(objects):
        given = set[str]()
        for source in container["envFrom"]:
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source:
                    given |= known[kind][source[field]["name"]]["data"].keys()
        assert given >= {"DATABASE_URL", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, name
        assert ("SECRET_KEY" in given) == (name == "api"), name


def test_secrets_stand_in_no_file_that_is_committed() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "base/secrets.env", "platform/api-secrets.env"],
        cwd=DEPLOY / "kubernetes",
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(ignored.stdout.split()) == 2 or "not a git repository" in ignored.stderr


def test_services_run_what_compose_runs(objects: list[Object]) -> None:
    ours = {name: one for name, one in services().items() if one.get("image") == "dataflow-assets"}
    for name, container in containers(objects):
        assert container["image"].partition(":")[0] == "dataflow-assets"
        if name in ours:
            assert container["command"] == ours[name]["command"], name
    if "code" in dict(pods(objects)):
        always = {name for name, service in ours.items() if "profiles" not in service}
        assert dict(pods(objects)).keys() >= always - {"bucket"}


def test_each_command_is_one_of_ours_with_its_options(objects: list[Object]) -> None:
    command = typer.main.get_command(app)
    for _, container in containers(objects):
        program, *arguments = container["command"]
        assert program == "dataflow" or program in {"python", "sh"}, program
        if program == "dataflow":
            with typer.Context(command) as context:
                name, subcommand, rest = command.resolve_command(context, arguments)  # type: ignore[attr-defined]
                subcommand.make_context(name, rest, parent=context)  # fails at an option that it does not have


def test_no_pod_may_do_more_than_it_needs(objects: list[Object]) -> None:
    for name, pod in pods(objects):
        security = pod["spec"]["securityContext"]
        assert (security["runAsNonRoot"], security["seccompProfile"]) == (True, {"type": "RuntimeDefault"}), name
        assert f"--uid {security['runAsUser']} " in (DEPLOY / "Dockerfile").read_text()
        assert pod["spec"]["automountServiceAccountToken"] is False, name
    for name, container in containers(objects):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert container["resources"]["limits"].keys() == {"memory"}, name
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name


def test_what_is_mounted_is_there_and_scratch_has_an_end(objects: list[Object]) -> None:
    assert "DATAFLOW_HOME" in image_variables()
    for name, pod in pods(objects):
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounts = {
            mount["name"]: mount["mountPath"] for each in pod["spec"]["containers"] for mount in each["volumeMounts"]
        }
        assert mounts.keys() == volumes.keys(), name
        assert mounts["scratch"] == "/tmp", name
        assert mounts.get("home", "/var/lib/dataflow") == "/var/lib/dataflow", name
        assert all(volume["emptyDir"]["sizeLimit"] for volume in volumes.values() if "emptyDir" in volume), name


def test_what_lasts_is_probed_and_found_by_its_service(objects: list[Object]) -> None:
    running = dict(pods(objects))
    for name in of_kind(objects, "Deployment").keys() - {"worker"}:  # one that is lost is known by its signs in Redis
        (container,) = running[name]["spec"]["containers"]
        assert {"startupProbe", "livenessProbe"} <= container.keys(), name
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        for name, one in of_kind(objects, kind).items():
            selector = one["spec"].get("podSelector", one["spec"].get("selector"))
            labels = selector.get("matchLabels", selector)
            chosen = [pod for pod in running.values() if labels.items() <= pod["metadata"]["labels"].items()]
            assert chosen, f"{kind} {name} chooses nothing"
            for port in one["spec"].get("ports", []):
                ports = {each["name"]: each["containerPort"] for each in chosen[0]["spec"]["containers"][0]["ports"]}
                assert ports[port["targetPort"]] == port["port"], name


def test_the_workspace_of_the_image_names_the_service_of_the_code(objects: list[Object]) -> None:
    (location,) = read_yaml(DEPLOY / "workspace.yaml")["load_from"]
    if "code" in dict(pods(objects)):
        server = of_kind(objects, "Service")[location["grpc_server"]["host"]]
        assert server["spec"]["ports"][0]["port"] == location["grpc_server"]["port"]


def test_the_overlays_are_told_of() -> None:
    page = (Path(__file__).parents[1] / "docs/how-to/kubernetes.md").read_text()
    assert [overlay for overlay in OVERLAYS if f"overlays/{overlay}" not in page] == []
