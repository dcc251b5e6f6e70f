"""One virtual environment for ours and one for each peer, all with the same versions of what they share.

Made with uv on first use, outside the tree: below `$AGENTPERF_BENCHMARK_CACHE`, else the user's cache
folder. What ours resolves to constrains every peer, so that a comparison never is one of two SDKs.
google-genai is the newest 2.x, since peers need one below 3.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from processes import ROOT

COMMON = (
    "google-genai==2.34.0",
    "langgraph==1.2.22",
    "langchain==1.4.7",  # without it the official instrumentation of LangChain stays off
    "langchain-core==1.7.2",
    "opentelemetry-sdk==1.45.1",  # openlit 1.45.0 allows no newer
    "opentelemetry-instrumentation==0.66b1",
    "psutil",
)
PEERS = {
    "openlit": ("openlit==1.45.0",),
    "openllmetry": (
        "opentelemetry-instrumentation-langchain==0.62.4",
        "opentelemetry-instrumentation-google-generativeai==0.62.4",
    ),
    "openinference": (
        "openinference-instrumentation-langchain==0.1.80",
        "openinference-instrumentation-google-genai==1.4.14",
    ),
    "official": (
        "opentelemetry-instrumentation-genai-langchain==1.3b0",
        "opentelemetry-instrumentation-google-genai==1.3b0",
    ),
}
OURS = "ours"


def cache() -> Path:
    """The folder of the environments."""
    named = os.environ.get("AGENTPERF_BENCHMARK_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-agentperf-benchmarks"


def of_variant(variant: str) -> Path:
    """The interpreter for a variant: its peer's own environment, else that of ours."""
    name = variant.partition("-")[0]
    return python(name if name in PEERS else OURS)


def python(name: str) -> Path:
    """The interpreter of an environment, made now where it is absent or asks for other versions."""
    if shutil.which("uv") is None:
        raise SystemExit("uv is not installed, so there are no environments for the peers")
    constraints = None if name == OURS else _constraints()
    wanted = [*COMMON, "-e", str(ROOT)] if name == OURS else [*COMMON, *PEERS[name], "-c", str(constraints)]
    folder = cache() / name
    interpreter, stamp = folder / "bin" / "python", folder / "wanted.txt"
    text = "\n".join(wanted) + ("" if constraints is None else constraints.read_text(encoding="utf-8"))
    if interpreter.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == text:
        return interpreter
    print(f"making the environment {folder}", file=sys.stderr)
    _uv("venv", "--clear", "--python", sys.executable, str(folder))
    _uv("pip", "install", "--prerelease", "allow", "--python", str(interpreter), *wanted)
    stamp.write_text(text, encoding="utf-8")
    return interpreter


def _constraints() -> Path:
    path = cache() / "constraints.txt"
    frozen = _uv("pip", "freeze", "--exclude-editable", "--python", str(python(OURS)))
    if not path.exists() or path.read_text(encoding="utf-8") != frozen:
        path.write_text(frozen, encoding="utf-8")
    return path


def _uv(*arguments: str) -> str:
    done = subprocess.run(["uv", "-q", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"uv {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout
