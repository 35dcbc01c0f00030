"""Files that declare what cannot be used: the sentence names them."""

from pathlib import Path
from types import ModuleType

import pytest

from dataflow_assets import analytics, sources
from dataflow_assets.errors import DeclarationError

WRONG = """
import dataframely as dy
from dataflow_assets.sources import Csv, Snapshot
class Shop(dy.Schema):
    id = dy.Int64()
SOURCE = Snapshot(
    name="shops", singular="shop", description="", owner="a@example.org", schema=Shop, reader=Csv(), key=("id",)
)
"""


@pytest.mark.parametrize("package", [sources, analytics])
def test_a_declaration_that_cannot_be_used_is_told_with_its_file(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shops.py").write_text(WRONG)
    monkeypatch.setattr(package, "__path__", [str(tmp_path)])
    name = package.__name__.replace(".", "/")
    read = sources.all_sources if package is sources else analytics.all_answers
    with pytest.raises(DeclarationError, match=rf"^{name}/shops\.py declares .*\['id'\] itself; declare others.*\.$"):
        read.__wrapped__()
