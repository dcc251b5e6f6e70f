"""Build or install the servers that the stack tests run against, once, into a cache outside the tree.

    python deploy/servers/build.py [--cache FOLDER] [NAME ...]

Needs Go for the Collector, Jaeger, Tempo and Alertmanager, and apt-get for Prometheus, which is only unpacked: nothing
is installed on the system and no service starts. The cache is otel-agentperf/servers in the user's cache
folder, unless STACK_SERVERS_CACHE names another. Each server stands in a folder of its own whose name holds a hash of
what it is made from, so that a changed version or builder.yaml is built anew and everything else is reused. A folder
appears whole or not at all; an interrupted build is done again, and two at once wait for each other.

A server that cannot be built leaves the error in `NAME.error` beside the folders, where the tests read it; the
others are still built, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILDER_CONFIG = ROOT / "collector-config" / "builder.yaml"
BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.158.0"
# The compiler collects its garbage a quarter of the time, which takes a quarter less CPU; memory stays in bounds.
COMPILER = {"CGO_ENABLED": "0", "GOGC": "400", "GOMEMLIMIT": "3GiB"}
# Of a log, what a reader needs to see why a build failed.
ERROR_LINES = 40
KEPT_DAYS = 30


class BuildError(Exception):
    """A command failed; the message is the command and the end of what it printed."""


@dataclass(frozen=True, slots=True)
class Server:
    """How one server is had.

    `made_from` is all that decides what comes out; `programs` are the files of its folder that must be there.
    """

    name: str
    made_from: str
    programs: tuple[str, ...]
    build: Callable[[Path], None]

    @property
    def folder_name(self) -> str:
        """The name, and a hash of what the server is made from."""
        return f"{self.name}-{hashlib.sha256(self.made_from.encode()).hexdigest()[:12]}"


def default_cache() -> Path:
    """Where the servers are kept unless told otherwise."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("STACK_SERVERS_CACHE") or Path(base) / "otel-agentperf" / "servers")


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it printed.

    Raises:
        BuildError: it failed or is not there.
    """
    line = " ".join(map(str, command))
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=os.environ | (env or {}),
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise BuildError(f"$ {line}\n{error}") from error
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-ERROR_LINES:])
        raise BuildError(f"$ {line}\n{tail}\nexit status {done.returncode}")
    return done.stdout


def build_collector(target: Path) -> None:
    """Build the Collector of collector-config/builder.yaml with the Collector's own builder."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        run("go", "install", BUILDER, env={**COMPILER, "GOBIN": scratch})
        config = re.sub(r"(?m)^(\s+output_path:).*$", rf"\1 {work / 'out'}", BUILDER_CONFIG.read_text())
        (work / "builder.yaml").write_text(config)
        run(work / "builder", "--config", work / "builder.yaml", "--ldflags", "-s -w", env=COMPILER)
        shutil.move(work / "out" / "otelcol-agentperf", target / "otelcol")


def tool_builder(module: str, version: str, programs: tuple[str, ...]) -> Callable[[Path], None]:
    """How to build the programs of a module that `go install` refuses because of its replace directives.

    A module of ours names them as tools, repeats the requirements and the replacements, and starts from the sums, so
    that the same versions are built that the authors ship.
    """
    packages = [f"{module}/cmd/{program}" for program in programs]

    def build(target: Path) -> None:
        found = json.loads(run("go", "mod", "download", "-json", f"{module}@{version}"))
        source = Path(found["Dir"])
        theirs = (source / "go.mod").read_text()
        ours = re.sub(r"(?m)^module .*$", f"module otel-agentperf.local/{programs[0]}", theirs, count=1)
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            tools = "".join(f"tool {package}\n" for package in packages)
            (work / "go.mod").write_text(f"{ours}\n{tools}\nrequire {module} {version}\n")
            (work / "go.sum").write_bytes((source / "go.sum").read_bytes())
            flags = ("-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", f"{target}/")
            run("go", "build", *flags, *packages, cwd=work, env={**COMPILER, "GOFLAGS": "-buildvcs=false"})

    return build


def debian_unpacker(package: str) -> Callable[[Path], None]:
    """How to have a Debian package's programs: fetched by apt-get, unpacked into a folder, never installed."""

    def unpack(target: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            try:
                run("apt-get", "download", package, cwd=work)
            except BuildError:
                # A fresh machine knows no packages yet. These lists are ours alone, so that no rights are needed.
                (work / "lists" / "partial").mkdir(parents=True)
                (work / "archives" / "partial").mkdir(parents=True)
                dirs = (
                    "-o",
                    f"Dir::State::Lists={work / 'lists'}",
                    "-o",
                    f"Dir::Cache={work}",
                    "-o",
                    "APT::Sandbox::User=root",
                )
                run("apt-get", *dirs, "update")
                run("apt-get", *dirs, "download", package, cwd=work)
            (archive,) = work.glob("*.deb")
            run("dpkg-deb", "--extract", archive, work / "unpacked")
            for program in (work / "unpacked" / "usr" / "bin").iterdir():
                shutil.copy2(program, target / program.name)

    return unpack


def _tool(name: str, module: str, version: str, *programs: str) -> Server:
    packages = " ".join(f"{module}/cmd/{program}" for program in programs)
    return Server(name, f"{packages} {version}", programs, tool_builder(module, version, programs))


def go_installer(package: str, version: str) -> Callable[[Path], None]:
    """How to have a program that `go install` builds by itself."""

    def build(target: Path) -> None:
        run("go", "install", "-trimpath", f"{package}@{version}", env={**COMPILER, "GOBIN": str(target)})

    return build


def _go(name: str, package: str, version: str, program: str) -> Server:
    return Server(name, f"{package} {version}", (program,), go_installer(package, version))


def _debian(name: str, package: str, programs: tuple[str, ...]) -> Server:
    release = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    return Server(name, f"{package} {release}", programs, debian_unpacker(package))


def servers() -> tuple[Server, ...]:
    """All of them, those first that take longest."""
    return (
        _tool("jaeger", "github.com/jaegertracing/jaeger", "v1.76.0", "jaeger"),
        Server("collector", f"{BUILDER}\n{BUILDER_CONFIG.read_text()}", ("otelcol",), build_collector),
        _tool("tempo", "github.com/grafana/tempo", "v1.5.1-0.20251008140505-607c7fb69662", "tempo"),
        # No servers, but what reads the manifests for Kubernetes, and the file for Docker Compose.
        _go("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "v5.8.0", "kustomize"),
        _go("compose", "github.com/compose-spec/compose-go/v2/cmd", "v2.9.0", "cmd"),
        # Debian's own reads a template from where it is installed, and so cannot be only unpacked.
        _tool("alertmanager", "github.com/prometheus/alertmanager", "v0.25.0", "alertmanager", "amtool"),
        _debian("prometheus", "prometheus", ("prometheus", "promtool")),
    )


@contextlib.contextmanager
def _alone(cache: Path, name: str) -> Generator[None]:
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_unused(cache: Path, server: Server) -> None:
    """Other versions stay as long as another checkout may want them, and what an interrupted build left goes."""
    for other in (*cache.glob(f"{server.name}-*"), *cache.glob(f".{server.name}-*")):
        age_days = (time.time() - other.stat().st_mtime) / 86_400
        if other.name != server.folder_name and (other.name.startswith(".") or age_days > KEPT_DAYS):
            shutil.rmtree(other, ignore_errors=True)


def ensure(server: Server, cache: Path) -> bool:
    """Build the server unless it is there; returns whether it is there now."""
    cache.mkdir(parents=True, exist_ok=True)
    place, error_file = cache / server.folder_name, cache / f"{server.name}.error"
    with _alone(cache, server.name):
        _forget_unused(cache, server)
        if place.is_dir():
            os.utime(place)
            error_file.unlink(missing_ok=True)
            print(f"{server.name}: {place} (kept)", flush=True)
            return True
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f".{server.name}-", dir=cache) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            try:
                server.build(made)
                if missing := [program for program in server.programs if not (made / program).exists()]:
                    raise BuildError(f"built, yet without {', '.join(missing)}")  # noqa: TRY301 - told like the others
            except (BuildError, OSError) as error:
                error_file.write_text(f"{server.name} could not be built:\n{error}\n")
                print(error_file.read_text(), file=sys.stderr, flush=True)
                return False
            made.rename(place)
        error_file.unlink(missing_ok=True)
        print(f"{server.name}: {place} ({time.monotonic() - started:.0f} s)", flush=True)
        return True


def main() -> int:
    """Build what is asked for, one after the other: each build uses every core by itself."""
    known = {server.name: server for server in servers()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all where none is named")
    parser.add_argument("--cache", type=Path, default=default_cache())
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in known]:
        parser.error(f"no server called {', '.join(unknown)}; there are {', '.join(known)}")
    there = [ensure(known[name], arguments.cache) for name in arguments.names or known]
    return 0 if all(there) else 1


if __name__ == "__main__":
    sys.exit(main())
