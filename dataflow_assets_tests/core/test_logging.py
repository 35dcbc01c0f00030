"""What the platform says on standard error: as JSON, and without secrets."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from dataflow_assets.cli.output import say
from dataflow_assets.core.logging import mask_process
from dataflow_assets.settings import load_settings

SECRETS = {
    "DATABASE_URL": "postgresql://loader:p%40ss-word@db.example/warehouse",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
    "AWS_SESSION_TOKEN": "session-token-1",
    "SENTRY_DSN": "https://0123456789abcdef@sentry.example/42",
    "DATAFLOW_ALERT_URLS": "mailtos://mailer:letter-box@mail.example:587?to=oncall@mail.example, "
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general "
    "jsons://hooks.example/services/B000/q1w2e3r4t5?token=z9y8x7w6 "
    "tgram://123456789:AABBccdd-EE1/42 sendgrid://SG.a1b2.C3d4:me@mail.example",
}
HIDDEN = (
    *("p%40ss-word", "p@ss-word", "wJalrXUtnFEMI/K7MDENG", "session-token-1", "0123456789abcdef", "letter-box"),
    *("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ", "q1w2e3r4t5", "z9y8x7w6", "AABBccdd-EE1", "SG.a1b2.C3d4"),
)


@pytest.fixture(autouse=True)
def environment(clean_environment: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        clean_environment.setenv(name, value)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a logger of somebody else writes in a process whose records are masked."""
    before, stream = logging.getLogRecordFactory(), io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("somebody.else")
    logger.addHandler(handler)
    mask_process(load_settings())
    yield stream
    logging.setLogRecordFactory(before)
    logger.removeHandler(handler)


def said(capsys: pytest.CaptureFixture[str], sentence: str, level: int = logging.INFO) -> str:
    """What a command writes on standard error to say a sentence."""
    say(sentence, level)
    return capsys.readouterr().err


def test_no_secret_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, f"failed with {' '.join(SECRETS.values())} and {' '.join(HIDDEN)}", logging.ERROR)
    assert [hidden for hidden in HIDDEN if hidden in line] == []
    assert "AKIAEXAMPLE" in line


def test_what_is_no_secret_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "loader cannot reach db.example/warehouse, and mailer not mail.example:587 or hooks.example/services"
    assert json.loads(said(capsys, sentence))["event"] == sentence


def test_a_sentence_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    line = json.loads(said(capsys, 'two\n"lines"', logging.WARNING))
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {"level": "warning", "logger": "dataflow", "event": 'two\n"lines"'}


def test_no_logger_writes_a_secret(log: io.StringIO) -> None:
    logger = logging.getLogger("somebody.else")
    logger.warning("connecting to %s as %s", SECRETS["DATABASE_URL"], "loader")
    try:
        raise OSError("Max retries exceeded with url: q1w2e3r4t5")
    except OSError:
        logger.exception("the webhook")
    written = log.getvalue()
    assert "connecting to ******** as loader" in written
    assert "the webhook\nTraceback" in written
    assert "OSError: Max retries exceeded with url: ********" in written
    assert [hidden for hidden in HIDDEN if hidden in written] == []


def test_settings_that_cannot_be_used_are_told_all_the_same(
    clean_environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clean_environment.setenv("DATAFLOW_TIMEZONE", "Nowhere")
    assert json.loads(said(capsys, "it is so"))["event"] == "it is so"
