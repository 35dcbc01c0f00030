"""A kind of channel is one file: the package finds it, and no other file knows of it."""

import sys
from pathlib import Path

import pytest

from dataflow_assets.orchestration.alerting import channels
from dataflow_assets.settings import load_settings

PAGER = """
from collections.abc import Iterator


class Pager:
    name = "pager"

    def send(self, alert): ...


def build_channels(settings) -> Iterator[Pager]:
    yield Pager()
"""


def test_one_file_adds_a_kind_of_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_environment: pytest.MonkeyPatch
) -> None:
    assert [channel.name for channel in channels.build_channels(load_settings())] == []
    (tmp_path / "pager.py").write_text(PAGER)
    monkeypatch.setattr(channels, "__path__", [*channels.__path__, str(tmp_path)])
    assert [channel.name for channel in channels.build_channels(load_settings())] == ["pager"]
    del sys.modules[f"{channels.__name__}.pager"]
