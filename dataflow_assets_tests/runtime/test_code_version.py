"""What is other code: any module or statement that is another one."""

from pathlib import Path

import pytest

from dataflow_assets.runtime import code_version


def test_a_changed_answer_is_other_code_in_python_and_in_sql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_version, "_PACKAGE", tmp_path)
    seen = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.sql", "SELECT 1"), ("b.sql", "SELECT 2"), ("c.md", "notes")):
        (tmp_path / name).write_text(text)
        seen.add(code_version.code_version.__wrapped__())
    assert len(seen) == 4
