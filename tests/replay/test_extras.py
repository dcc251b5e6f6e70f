from __future__ import annotations

import sys
from pathlib import Path

import pytest

from otel_agentperf.replay.extras import MissingExtraError, needed
from otel_agentperf.replay.on_dask import DaskEngine
from tests.replay.forms import FORMS
from tests.replay.replaying import made_up, put, replayed

INSTALL = 'pip install "otel-agentperf[replay]"'


@pytest.mark.parametrize(
    ("name", "missing", "said"),
    [
        ("lines.jsonl.zst", "zstandard", f"reading .zst needs zstandard: {INSTALL}"),
        ("framed_zstd.bin", "zstandard", f"reading .zst needs zstandard: {INSTALL}"),
        ("framed.pb", "opentelemetry.proto", f"OTLP protobuf needs opentelemetry-proto: {INSTALL}"),
    ],
)
def test_a_form_whose_library_is_missing_ends_with_the_line_that_installs_it(
    name: str, missing: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / name, FORMS[name](made_up(1)))
    for module in [key for key in sys.modules if key.startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError) as raised:
        replayed(path)
    assert str(raised.value) == said


def test_a_url_without_fsspec_ends_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match="reading s3:// URLs needs fsspec"):
        replayed("s3://bucket/traces.jsonl")


def test_a_protocol_whose_library_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(OSError, match="Install s3fs to access S3"):
        replayed("s3://bucket/traces.jsonl")


def test_dask_without_its_library_ends_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError) as raised:
        DaskEngine("tcp://127.0.0.1:1")
    assert str(raised.value) == '--engine dask needs distributed: pip install "otel-agentperf[dask]"'


def test_what_a_library_itself_lacks_is_not_taken_for_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halfway.py").write_text("import surely_not_installed\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        needed("halfway", "this")
