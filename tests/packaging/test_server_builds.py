"""The script that builds the servers of the stack tests: what it keeps, builds anew, and says of what fails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.servers import build
from deploy.servers.build import BuildError, Server


def server(make: Callable[[Path], None], made_from: str = "version 1") -> Server:
    return Server("made-up", made_from, ("program",), make)


def writing(text: str) -> Callable[[Path], None]:
    def make(target: Path) -> None:
        (target / "program").write_text(text, encoding="utf-8")

    return make


def failing(target: Path) -> None:
    (target / "program").write_text("half", encoding="utf-8")
    build.run("sh", "-c", "echo the compiler says no; exit 3")


def program(cache: Path, one: Server) -> str:
    return (cache / one.folder_name / "program").read_text(encoding="utf-8")


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    assert build.ensure(server(writing("first")), tmp_path)
    assert build.ensure(server(writing("second")), tmp_path)

    assert program(tmp_path, server(writing("third"))) == "first"


def test_a_changed_version_is_built_beside_the_old_one(tmp_path: Path) -> None:
    older, newer = server(writing("older")), server(writing("newer"), "version 2")
    for one in (older, newer):
        assert build.ensure(one, tmp_path)

    assert (program(tmp_path, older), program(tmp_path, newer)) == ("older", "newer")


def test_a_version_that_nobody_has_wanted_for_long_goes(tmp_path: Path) -> None:
    older, newer = server(writing("older")), server(writing("newer"), "version 2")
    build.ensure(older, tmp_path)
    long_ago = time.time() - 86_400 * (build.KEPT_DAYS + 1)
    os.utime(tmp_path / older.folder_name, (long_ago, long_ago))

    build.ensure(newer, tmp_path)

    assert not (tmp_path / older.folder_name).exists()


def test_a_failure_leaves_the_error_and_no_half_of_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = server(failing)

    assert not build.ensure(one, tmp_path)

    told = (tmp_path / "made-up.error").read_text(encoding="utf-8")
    assert "the compiler says no" in told
    assert "exit status 3" in told
    assert told in capsys.readouterr().err
    assert not (tmp_path / one.folder_name).exists()
    assert build.ensure(server(writing("whole")), tmp_path)
    assert not (tmp_path / "made-up.error").exists()


def test_a_build_without_its_program_is_a_failure(tmp_path: Path) -> None:
    assert not build.ensure(server(lambda _target: None), tmp_path)
    assert "without program" in (tmp_path / "made-up.error").read_text(encoding="utf-8")


def test_an_interrupted_build_is_done_again_and_what_it_left_goes(tmp_path: Path) -> None:
    def interrupted(target: Path) -> None:
        (target / "program").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    left = tmp_path / ".made-up-killed"
    left.mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        build.ensure(server(interrupted), tmp_path)

    assert build.ensure(server(writing("whole")), tmp_path)
    assert program(tmp_path, server(writing(""))) == "whole"
    assert not left.exists()


def test_a_tool_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no-such-tool"):
        build.run("no-such-tool", cwd=tmp_path)


def test_every_server_has_a_folder_of_its_own() -> None:
    names = [one.folder_name for one in build.servers()]

    assert len(set(names)) == len(names) == 7
