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


def test_a_path_with_a_name_of_the_readers_own_is_told_with_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    declared = WRONG.replace("id = dy.Int64()", "name = dy.String()").replace("import Csv", "import Json")
    reader = 'Json(paths={"name": "$.name", "raw": "$.text"})'
    (tmp_path / "shops.py").write_text(declared.replace("Csv()", reader).replace('("id",)', '("name",)'))
    monkeypatch.setattr(sources, "__path__", [str(tmp_path)])
    with pytest.raises(
        DeclarationError, match=r"shops\.py declares .*\['raw'\] itself; call these paths otherwise.*\.$"
    ):
        sources.all_sources.__wrapped__()
