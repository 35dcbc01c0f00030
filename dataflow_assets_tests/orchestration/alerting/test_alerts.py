"""Alerts over real servers: each failure is told once, by each channel, with asset, partition, reason and link."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from dataflow_assets.orchestration.alerting import sensor
from dataflow_assets.runtime.tags import VERSIONS
from dataflow_assets.settings import Settings, load_settings
from dataflow_assets_tests.orchestration import builders
from dataflow_assets_tests.orchestration.alerting.conftest import HttpServer, MailServer
from dataflow_assets_tests.orchestration.builders import Platform, movies_csv
from dataflow_assets_tests.orchestration.ticks import fail_ticks

UI = "http://dagster.example:3000"


@pytest.fixture
def alert_urls(http_server: HttpServer, stopped_mail_server: MailServer) -> str:
    """A webhook and a mail server."""
    webhook = http_server.url.replace("http://", "json://") + "/hook?token=hook-secret-1"
    people = "from=dataflow@mail.example&to=a@mail.example,b@mail.example"
    return f"{webhook}, mailto://dataflow:p%40ss-word@127.0.0.1:{stopped_mail_server.port}?{people}"


@pytest.fixture
def channels(clean_environment: pytest.MonkeyPatch, http_server: HttpServer, alert_urls: str) -> None:
    """Settings that name a webhook, a mail server and Sentry."""
    clean_environment.setenv("DATAFLOW_ALERT_URLS", alert_urls)
    clean_environment.setenv("SENTRY_DSN", http_server.url.replace("http://", "http://public@") + "/1")
    clean_environment.setenv("DATAFLOW_UI_URL", UI)


@pytest.fixture
def with_channels(settings: Settings, channels: None) -> Iterator[Platform]:
    """A platform that knows a webhook, a mail server and Sentry."""
    with builders.platform(load_settings()) as working:
        yield working


def prepare(platform: Platform) -> None:
    platform.land("movies", "2021-12-05", movies_csv("Rust"))
    assert platform.run("lake/movies", "2021-12-05").success
    with builders.postgres(platform.settings) as cursor:
        cursor.execute("ALTER TABLE warehouse.movies_history ADD COLUMN extra text NOT NULL")


def fail(platform: Platform, day: str) -> str:
    """Let a run fail; its number."""
    result = platform.run("warehouse/movies", day)
    assert not result.success
    return result.run_id


@pytest.fixture
def broken(channels: None, copied: Platform) -> Platform:
    """A platform that knows them, and in which `warehouse/movies` cannot be loaded."""
    return copied


def test_a_failed_run_is_told_once_with_what_why_and_where(broken: Platform, http_server: HttpServer) -> None:
    start = broken.tick("alerts_by_json")
    run = fail(broken, "2021-12-05")
    told = broken.tick("alerts_by_json", start.cursor)
    again = broken.tick("alerts_by_json", told.cursor)
    [text] = http_server.texts
    assert text.startswith("Run failed: warehouse/movies 2021-12-05\n")
    assert "requires a column extra, which is not declared" in text
    assert text.endswith(f"\n{UI}/runs/{run}")
    assert (told.reason, again.reason) == ("Sent 1.", "Nothing to tell.")


@dg.op
def sends_nothing() -> None:
    raise OSError("the address is in use")


@dg.job
def of_ops() -> None:
    sends_nothing()


def test_a_failed_op_is_told_with_its_cause(with_channels: Platform, http_server: HttpServer) -> None:
    start = with_channels.tick("alerts_by_json")
    assert not of_ops.execute_in_process(instance=with_channels.instance, raise_on_error=False).success
    with_channels.tick("alerts_by_json", start.cursor)
    [text] = http_server.texts
    assert text.startswith("Run failed: of_ops\n")
    assert "OSError: the address is in use" in text


def test_a_reason_is_cut_only_after_its_secrets_are_gone(with_channels: Platform, http_server: HttpServer) -> None:
    start = with_channels.tick("alerts_by_json")
    why = "x" * (sensor._LONGEST_REASON - 8) + "hook-secret-1"
    evaluate(with_channels, 5, why, passed=False, severity=dg.AssetCheckSeverity.ERROR)
    with_channels.tick("alerts_by_json", start.cursor)
    assert "hook" not in http_server.texts[0]


@pytest.mark.parametrize("tags", [{VERSIONS: "a.csv of 6 o'clock"}, {"dagster/will_retry": "true"}])
def test_a_run_that_is_made_again_and_again_is_told_at_most_once(
    broken: Platform, http_server: HttpServer, tags: dict[str, str]
) -> None:
    start = broken.tick("alerts_by_json")
    for _ in range(3):
        assert not broken.run("warehouse/movies", "2021-12-05", tags=tags).success
    told = broken.tick("alerts_by_json", start.cursor)
    assert not broken.run("warehouse/movies", "2021-12-05", tags=tags).success
    assert broken.tick("alerts_by_json", told.cursor).reason == "Nothing to tell."
    assert len(http_server.posted) == (1 if VERSIONS in tags else 0)


def test_what_failed_before_a_channel_was_known_is_not_told(broken: Platform, http_server: HttpServer) -> None:
    fail(broken, "2021-12-05")
    start = broken.tick("alerts_by_json")
    assert broken.tick("alerts_by_json", start.cursor).reason == "Nothing to tell."
    assert not http_server.posted


def test_mail_goes_to_every_recipient_once(broken: Platform, mail_server: MailServer) -> None:
    start = broken.tick("alerts_by_mailto")
    run = fail(broken, "2021-12-05")
    told = broken.tick("alerts_by_mailto", start.cursor)
    assert broken.tick("alerts_by_mailto", told.cursor).reason == "Nothing to tell."
    assert [recipients for recipients, _ in mail_server.taken] == [["a@mail.example"], ["b@mail.example"]]
    for _, message in mail_server.taken:
        assert (message["From"], message["Subject"]) == (
            "dataflow@mail.example",
            "Run failed: warehouse/movies 2021-12-05",
        )
        text = str(message.get_payload(decode=True))
        assert "requires a column extra" in text
        assert f"{UI}/runs/{run}" in text


def test_sentry_gets_an_event(broken: Platform, http_server: HttpServer) -> None:
    start = broken.tick("alerts_by_sentry")
    run = fail(broken, "2021-12-05")
    broken.tick("alerts_by_sentry", start.cursor)
    [envelope] = http_server.posted
    event = json.loads(envelope.splitlines()[2])
    assert event["tags"] == {"assets": "warehouse/movies", "partitions": "2021-12-05"}
    assert event["fingerprint"] == ["Run failed", "warehouse/movies"]
    assert event["extra"]["run"] == f"{UI}/runs/{run}"
    assert "requires a column extra" in event["message"]


def test_a_channel_that_fails_is_tried_again_and_repeats_nothing(broken: Platform, http_server: HttpServer) -> None:
    start = broken.tick("alerts_by_json")
    runs = [fail(broken, f"2021-12-0{day}") for day in (5, 6, 7)]
    http_server.answers = [500]
    with pytest.raises(Exception, match=r"json did not take the alert.*500"):
        broken.tick("alerts_by_json", start.cursor)
    http_server.answers = [200, 503]
    partly = broken.tick("alerts_by_json", start.cursor)
    assert partly.reason == "Sent 1."
    assert broken.tick("alerts_by_json", partly.cursor).reason == "Sent 2."
    assert [run for text in http_server.texts for run in runs if run in text] == runs


@pytest.mark.parametrize("status", [403, 429, 500])
def test_a_sentry_that_refuses_gets_the_alert_once_later(
    broken: Platform, http_server: HttpServer, status: int
) -> None:
    start = broken.tick("alerts_by_sentry")
    fail(broken, "2021-12-05")
    http_server.answers = [status]
    with pytest.raises(Exception, match=f"Sentry answered {status}"):
        broken.tick("alerts_by_sentry", start.cursor)
    told = broken.tick("alerts_by_sentry", start.cursor)
    assert (told.reason, broken.tick("alerts_by_sentry", told.cursor).reason) == ("Sent 1.", "Nothing to tell.")
    assert len(http_server.posted) == 1


def test_a_mail_server_that_comes_back_gets_the_alert_once(broken: Platform, stopped_mail_server: MailServer) -> None:
    start = broken.tick("alerts_by_mailto")
    fail(broken, "2021-12-05")
    with pytest.raises(Exception, match="mailto did not take the alert"):
        broken.tick("alerts_by_mailto", start.cursor)
    with stopped_mail_server.running():
        told = broken.tick("alerts_by_mailto", start.cursor)
        assert broken.tick("alerts_by_mailto", told.cursor).reason == "Nothing to tell."
    assert len(stopped_mail_server.taken) == 2  # one for each recipient


def test_a_storm_is_told_a_few_at_a_time(
    broken: Platform, http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor, "_MOST_SENT", 2)
    tick = broken.tick("alerts_by_json")
    for day in (5, 6, 7):
        fail(broken, f"2021-12-0{day}")
    told = []
    for _ in range(3):
        tick = broken.tick("alerts_by_json", tick.cursor)
        told.append(len(http_server.posted))
    assert told == [2, 3, 3]


def evaluate(platform: Platform, day: int, why: str, *, passed: bool, severity: dg.AssetCheckSeverity) -> None:
    evaluation = dg.AssetCheckEvaluation(
        asset_key=builders.key("lake/movies"),
        check_name="rows",
        passed=passed,
        severity=severity,
        description=why,
        partition=f"2021-12-0{day}",
        metadata={},
    )
    platform.instance.report_runless_asset_event(evaluation)


def test_a_check_that_fails_is_told_and_one_that_warns_is_not(with_channels: Platform, http_server: HttpServer) -> None:
    start = with_channels.tick("alerts_by_json")
    evaluate(with_channels, 3, "all is well", passed=True, severity=dg.AssetCheckSeverity.ERROR)
    evaluate(with_channels, 4, "a little off", passed=False, severity=dg.AssetCheckSeverity.WARN)
    evaluate(with_channels, 5, "2 rows < 3 & nobody knows why", passed=False, severity=dg.AssetCheckSeverity.ERROR)
    with_channels.tick("alerts_by_json", start.cursor)
    [text] = http_server.texts
    assert text == (f"Check rows failed: lake/movies 2021-12-05\n2 rows < 3 & nobody knows why\n\n{UI}")


def test_no_alert_holds_a_secret(with_channels: Platform, http_server: HttpServer) -> None:
    url = with_channels.settings.database_url
    assert url
    start = with_channels.tick("alerts_by_json")
    why = f"cannot reach {url.get_secret_value()} or hook-secret-1"
    evaluate(with_channels, 5, why, passed=False, severity=dg.AssetCheckSeverity.ERROR)
    with_channels.tick("alerts_by_json", start.cursor)
    [text] = http_server.texts
    assert "cannot reach ******** or ********" in text


def test_what_is_held_back_is_told_though_it_only_warns(with_channels: Platform, http_server: HttpServer) -> None:
    for day, titles in ((4, ("Rust", "Heat", "Alien")), (5, ("Rust",))):
        with_channels.land("movies", f"2021-12-0{day}", movies_csv(*titles))
    start = with_channels.tick("alerts_by_json")
    assert with_channels.run("lake/movies warehouse/movies", "2021-12-04", "2021-12-05").success
    with_channels.tick("alerts_by_json", start.cursor)
    [text] = http_server.texts
    assert text.startswith(
        "Check snapshots_complete failed: warehouse/movies 2021-12-05\nmovies of 2021-12-05 is quarantined"
    )
    assert "dataflow release --source movies --day 2021-12-05" in text


def test_no_secret_is_shown_where_a_server_is_gone(
    with_channels: Platform, mail_server: MailServer, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv(
        "DATAFLOW_ALERT_URLS",
        "json://127.0.0.1:9/hook?token=secret-token-1 "
        f"mailto://dataflow:wrong-secret@127.0.0.1:{mail_server.port}?from=dataflow@mail.example&to=a@mail.example",
    )
    with builders.platform(load_settings()) as platform:
        cursors = {name: platform.tick(f"alerts_by_{name}").cursor for name in ("json", "mailto")}
        evaluate(platform, 5, "lost", passed=False, severity=dg.AssetCheckSeverity.ERROR)
        for name, cursor in cursors.items():
            with pytest.raises(Exception, match="did not take the alert") as caught:
                platform.tick(f"alerts_by_{name}", cursor)
            assert "secret" not in str(caught.value)
        assert "secret" not in str([sensor.name for sensor in platform.definitions.sensors or ()])
    assert not mail_server.taken


def test_without_a_channel_there_is_no_sensor(platform: Platform) -> None:
    assert not [sensor for sensor in platform.definitions.sensors or () if sensor.name.startswith("alerts")]


def test_a_sensor_that_fails_three_times_is_told_once_and_again_after_it_went_well(
    with_channels: Platform, http_server: HttpServer, tmp_path: Path
) -> None:
    log = {"module": "dagster._core.storage.event_log", "class": "ConsolidatedSqliteEventLogStorage"}
    keeps_all = {"event_log_storage": {**log, "config": {"base_dir": str(tmp_path)}}}
    with dg.instance_for_test(overrides=keeps_all) as instance:
        platform = replace(with_channels, instance=instance)
        cursor = platform.tick("alerts_by_json").cursor
        for times, told in ((2, 0), (3, 1), (4, 1), (0, 1), (3, 2)):
            fail_ticks(instance, "landing_sensor", times)
            cursor = platform.tick("alerts_by_json", cursor).cursor
            assert len(http_server.posted) == told, times
    assert "Sensor failed 3 times: landing_sensor" in http_server.texts[0]
    assert "a link to itself" in http_server.texts[0]
