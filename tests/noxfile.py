"""Everything that a change must pass, cheapest first: `uvx nox -f tests/noxfile.py`.

One session: `... -s tests-2x`; with arguments for pytest: `... -s tests-2x -- tests/pricing -x`. Each session runs
what `uv.lock` holds, in an environment of its own under `.nox`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "none"

ROOT = Path(__file__).parent.parent
WORK = ROOT / ".nox"
RECORDINGS = Path(os.environ.get("AGENTPERF_TEST_DATA") or ROOT.parent / "shared" / "data").absolute()
COVERAGE = WORK / ".coverage"
PYTHON = "3.11"
ENVIRONMENTS = ("2x", "oldest", "3x")
NEWER_PYTHONS = {"3.12": "3x", "3.13": "2x", "3.14": "3x"}
"""And the environment that each is tried with: by turns, as each takes its time."""
EVERYTHING = ("--all-extras", "--group")
KEEP_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Nor shall they compile this package, whatever the machine's own settings are."""
ON_EVERY_CORE = ("--numprocesses", "logical", "--dist", "worksteal")


def _in_environment(
    session: nox.Session, name: str, contents: tuple[str, ...], *command: str, python: str = PYTHON, **env: str
) -> None:
    """Run a command in the environment of that name, made from the lock file first."""
    session.chdir(ROOT)
    session.run(
        *("uv", "run", "--quiet", "--locked", "--exact", "--python", python, *contents, *command),
        # Many tests start programs of their own: these shall not compile the libraries again each time.
        env={"UV_PROJECT_ENVIRONMENT": str(WORK / name), "UV_COMPILE_BYTECODE": "1", **KEEP_BYTECODE, **env},
        external=True,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """The rules of ruff."""
    _in_environment(session, "lint", ("--only-group", "lint"), "ruff", "check")


@nox.session(name="format")
def layout(session: nox.Session) -> None:
    """The layout of ruff."""
    _in_environment(session, "lint", ("--only-group", "lint"), "ruff", "format", "--check")


@nox.session
def layers(session: nox.Session) -> None:
    """Imports point down only."""
    _in_environment(session, "lint", ("--only-group", "lint"), "lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """pyright strict, over the package and the tests."""
    _in_environment(session, "2x", (*EVERYTHING, "env-2x"), "pyright", PYRIGHT_PYTHON_IGNORE_WARNINGS="1")


def _tests(session: nox.Session, environment: str, *options: str, **env: str) -> None:
    contents = (*EVERYTHING, f"env-{environment}")
    _in_environment(session, environment, contents, "pytest", *ON_EVERY_CORE, *options, *session.posargs, **env)


@nox.session(name="tests-2x")
def tests_2x(session: nox.Session) -> None:
    """Newest google-genai 2, where langchain-google-genai and the other instrumentations live; the Dask cluster too."""
    COVERAGE.parent.mkdir(parents=True, exist_ok=True)
    coverage = ("--cov", "--cov-report=", "--cov-fail-under=0")
    _tests(session, "2x", "-m", "not recorded and not stack and not wheel", *coverage, COVERAGE_FILE=str(COVERAGE))


@nox.session(name="tests-oldest")
def tests_oldest(session: nox.Session) -> None:
    """Every lower bound that this package states."""
    _tests(session, "oldest")


@nox.session(name="tests-3x")
def tests_3x(session: nox.Session) -> None:
    """Newest google-genai 3."""
    _tests(session, "3x")


@nox.session
def recorded(session: nox.Session) -> None:
    """The tests that read recordings of others, which are not in this repository, on every Python and environment."""
    if not RECORDINGS.is_dir():
        session.skip(f"NOT RUN: the tests marked `recorded`, for want of the recordings in {RECORDINGS}")
    command = ("pytest", *ON_EVERY_CORE, "-m", "recorded", *session.posargs)
    for name in ENVIRONMENTS:
        _in_environment(session, name, (*EVERYTHING, f"env-{name}"), *command)
    for version, name in NEWER_PYTHONS.items():
        if interpreter := _interpreter(version):
            _in_environment(session, version, (*EVERYTHING, f"env-{name}"), *command, python=interpreter)


@nox.session
def coverage(session: nox.Session) -> None:
    """The branches that the session tests-2x covered; below the floor it fails."""
    contents = (*EVERYTHING, "env-2x")
    _in_environment(session, "2x", contents, "coverage", "report", COVERAGE_FILE=str(COVERAGE))


@nox.session(name="tests-newer-python")
@nox.parametrize("python_version", tuple(NEWER_PYTHONS), ids=tuple(NEWER_PYTHONS))
def tests_newer_python(session: nox.Session, python_version: str) -> None:
    """The tests on a newer Python, where this machine has it."""
    interpreter = _interpreter(python_version)
    if interpreter is None:
        session.skip(f"NOT RUN: Python {python_version} is not on this machine")
    environment = (*EVERYTHING, f"env-{NEWER_PYTHONS[python_version]}")
    command = ("pytest", *ON_EVERY_CORE, *session.posargs)
    _in_environment(session, python_version, environment, *command, python=interpreter)


def _interpreter(version: str) -> str | None:
    """A Python of that version on this machine, as uv finds it or in pyenv's folder, where uv does not look."""
    found = subprocess.run(
        ["uv", "python", "find", "--no-python-downloads", "--no-project", version],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == 0:
        return found.stdout.strip()
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return next((str(python) for python in sorted(pyenv.glob(f"versions/{version}.*/bin/python"))), None)


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel with every extra, as a user installs it."""
    python = _wheel_installed(session, "wheel", "[all]", "env-3x")
    _look_at_the_installed_wheel(session, python, "test_wheel.py", "test_wheel_extras.py")


@nox.session(name="wheel-bare")
def wheel_bare(session: nox.Session) -> None:
    """The wheel without an extra, at the lower bounds that it states."""
    python = _wheel_installed(session, "wheel-bare", "", "env-oldest")
    _look_at_the_installed_wheel(session, python, "test_wheel.py", "test_wheel_bare.py")


def _wheel_installed(session: nox.Session, name: str, extras: str, versions: str) -> Path:
    """Build the wheel and install it with pytest in a clean environment, at the versions of a group; its Python."""
    built = _built_wheel(session)
    locked, place = WORK / f"{name}.txt", WORK / name
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    export = ("uv", "export", "--quiet", "--locked", "--all-extras", "--group", versions, "--no-hashes")
    install = ("uv", "pip", "install", "--quiet", "--python", str(python), "--constraints", str(locked))
    for command in (
        (*export, "--no-emit-project", "--output-file", str(locked)),
        ("uv", "venv", "--quiet", "--clear", "--no-project", "--python", PYTHON, str(place)),
        (*install, f"{built}{extras}", "pytest"),
    ):
        session.run(*command, external=True, silent=True)
    return python


def _built_wheel(session: nox.Session) -> Path:
    """A wheel of this checkout, built from its sdist."""
    session.chdir(ROOT)
    dist = WORK / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("uv", "build", "--quiet", "--out-dir", str(dist), external=True)
    (built,) = dist.glob("*.whl")
    return built


def _look_at_the_installed_wheel(session: nox.Session, python: Path, *tests: str) -> None:
    """Run these tests where the checkout is out of sight."""
    with tempfile.TemporaryDirectory() as elsewhere:
        for test in tests:
            shutil.copy(ROOT / "tests" / "packaging" / test, elsewhere)
        session.chdir(elsewhere)
        session.run(
            *(str(python), "-P", "-m", "pytest", "-ra", "-W", "error"),
            *("--rootdir", elsewhere, "--strict-markers", "-o", "markers=wheel"),
            external=True,
        )
        session.chdir(ROOT)


@nox.session(default=False)
def stack(session: nox.Session) -> None:
    """The tests against real servers, which are built first; needs Go and apt-get, so it runs only when named."""
    session.chdir(ROOT)
    # Status 1 is a server that could not be built: the tests that want it fail with the reason, and the others run.
    session.run("python3", "deploy/servers/build.py", external=True, success_codes=(0, 1))
    options = session.posargs or ("tests/stack",)
    _in_environment(session, "2x", (*EVERYTHING, "env-2x"), "pytest", "-m", "stack", *options)
