from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from otel_agentperf.baselines.store import Store
from otel_agentperf.cli import finding as installation
from otel_agentperf.cli.checks import all_findings, installed, settings
from otel_agentperf.cli.doctor import doctor
from otel_agentperf.cli.finding import Level
from tests.baselines.made import TODAY, made_up
from tests.cli.found import SILENT, said, wrong

OTLP = "opentelemetry-exporter-otlp"


def test_a_sound_installation_has_nothing_wrong_and_the_exit_code_is_zero() -> None:
    result = CliRunner().invoke(doctor, env=SILENT)
    assert result.exit_code == 0, result.output
    assert result.output.endswith("\nNothing is wrong.\n")
    assert max(map(len, result.output.splitlines())) <= 80


def test_it_names_python_every_library_and_every_entry_point() -> None:
    told = said(all_findings(SILENT))
    for name in ("Python 3.", "opentelemetry-sdk ", "langgraph ", "google-genai ", "entry point agentperf-langgraph"):
        assert name in told


def test_each_wrong_setting_is_named_with_what_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "agentperf.toml"
    path.write_text(
        '[rules.LAT001]\nthreshold_s = "slow"\n[rules.NONE1]\n[prices.services.steel]\nper_minute_usd = "much"\n'
    )
    environ = {
        **SILENT,
        "AGENTPERF_EMIT": "shout",
        "AGENTPERF_MAX_SESSIONS": "-1",
        "AGENTPERF_RULES_SELECT": "LAT999",
        "AGENTPERF_CONFIG": str(path),
    }
    told = wrong(all_findings(environ))
    for part in (
        "AGENTPERF_EMIT = 'shout'",
        "AGENTPERF_MAX_SESSIONS = '-1'",
        "AGENTPERF_RULES_SELECT = 'LAT999'",
        "[rules.LAT001] threshold_s = 'slow'",
        "[rules.NONE1]",
        "[prices.services.steel] per_minute_usd = 'much'",
    ):
        (sentence,) = [one for one in told if one.startswith(part)]
        assert "allowed" in sentence


def test_a_settings_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (sentence,) = wrong(all_findings({**SILENT, "AGENTPERF_CONFIG": str(tmp_path / "no.toml")}))
    assert "no.toml" in sentence


def test_something_wrong_gives_exit_code_one_and_is_counted() -> None:
    result = CliRunner().invoke(doctor, env={**SILENT, "OTEL_SDK_DISABLED": "true", "AGENTPERF_ENABLED": "no"})
    assert result.exit_code == 1
    assert result.output.endswith("\n2 things are wrong.\n")


def test_an_exporter_that_nothing_provides_is_wrong() -> None:
    (sentence,) = wrong(all_findings({**SILENT, "OTEL_TRACES_EXPORTER": "agentperf,bogus"}))
    assert "'bogus'" in sentence


def pretend(monkeypatch: pytest.MonkeyPatch, versions: Mapping[str, str | None]) -> None:
    """Make distributions look as if they were installed in another version, or not at all."""
    real_version = installation.version
    real_entry_points = cast("Callable[..., Iterable[EntryPoint]]", installation.entry_points)

    def version(name: str) -> str:
        if name not in versions:
            return real_version(name)
        found = versions[name]
        if found is None:
            raise PackageNotFoundError(name)
        return found

    def entry_points(**selected: str) -> list[EntryPoint]:
        found = list(real_entry_points(**selected))
        if versions.get(OTLP, "") is None:
            return [point for point in found if not point.value.startswith("opentelemetry.exporter.otlp")]
        return found

    monkeypatch.setattr(installation, "version", version)
    monkeypatch.setattr(installation, "entry_points", entry_points)


def test_under_the_distro_without_the_otlp_package_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {OTLP: None})
    told = wrong(all_findings({"OTEL_TRACES_EXPORTER": "agentperf"}))
    assert len(told) == 2
    for sentence, signal in zip(told, ("metrics", "logs"), strict=True):
        assert f"opentelemetry-distro sends {signal} to otlp unless" in sentence
        assert "set OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none" in sentence
    assert wrong(all_findings(SILENT)) == []


def test_without_distro_it_says_that_nobody_sets_up_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {"opentelemetry-distro": None})
    told = said(all_findings({}), Level.NOTE)
    assert "opentelemetry-instrument then sets up no SDK" in told
    assert "traces are not exported (OTEL_TRACES_EXPORTER is not set)" in told


@pytest.mark.parametrize(("library", "loss"), [("langgraph", "graph runs"), ("google-genai", "Gemini requests")])
def test_a_library_that_is_absent_is_a_note_and_not_an_error(
    monkeypatch: pytest.MonkeyPatch, library: str, loss: str
) -> None:
    pretend(monkeypatch, {library: None})
    findings = all_findings(SILENT)
    assert f"{library} is not installed: no spans for {loss}" in said(findings, Level.NOTE)
    assert wrong(findings) == []


def test_a_library_that_is_too_old_is_wrong_and_the_bound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {"langgraph": "0.5.9"})
    (sentence,) = wrong(all_findings(SILENT))
    assert sentence == "langgraph 0.5.9 is not supported: >=0.6 is needed"


def test_a_library_of_the_core_that_is_absent_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {"xxhash": None})
    (sentence,) = wrong(all_findings(SILENT))
    assert sentence.startswith("xxhash is missing")


def test_entry_points_that_cannot_be_seen_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(**selected: str) -> list[EntryPoint]:
        del selected
        return []

    monkeypatch.setattr(installation, "entry_points", nothing)
    assert len([one for one in wrong(all_findings(SILENT)) if "is not visible" in one]) == 5


@pytest.mark.parametrize(("sampler", "noted"), [("always_on", False), ("traceidratio", True)])
def test_a_sampler_that_thins_out_is_explained(sampler: str, noted: bool) -> None:
    told = said(all_findings({**SILENT, "OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": "0.1"}), Level.NOTE)
    assert (f"the sampler is {sampler} 0.1" in told) is noted


def test_an_instrumentation_that_is_left_out_is_wrong() -> None:
    (sentence,) = wrong(all_findings({**SILENT, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis,agentperf-langgraph"}))
    assert sentence.endswith("leaves out agentperf-langgraph")


def test_peers_that_are_here_too_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, dict.fromkeys(installed.PEERS, "1.4.14"))
    assert said(all_findings(SILENT)).count("each request is counted once") == len(installed.PEERS)


def test_a_store_is_told_of_by_what_it_knows_and_whether_it_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "later" / "store.db"
    environ = {"AGENTPERF_BASELINE_STORE": str(path)}
    (finding,) = settings.baselines(environ)
    assert (finding.level, finding.sentence) == (
        Level.OK,
        f"AGENTPERF_BASELINE_STORE: {path} is not there yet and can be made",
    )
    assert not list(tmp_path.iterdir())
    Store(path).add(made_up(1).all(), TODAY)
    (finding,) = settings.baselines(environ)
    assert finding.level is Level.OK
    assert "can be written; 3 graphs, nodes, tools and models are known, the last of 2024-10-04" in finding.sentence


def test_a_store_that_may_be_made_and_cannot_is_wrong(tmp_path: Path) -> None:
    places = ["/proc/nope/store.db"] if Path("/proc/self").exists() else []
    for place in (*places, tmp_path / ("n" * 300) / "store.db"):
        (finding,) = settings.baselines({"AGENTPERF_BASELINE_STORE": str(place)})
        assert (finding.level, "cannot be made" in finding.sentence) == (Level.WRONG, True)
    assert not list(tmp_path.iterdir())


def test_a_baseline_that_cannot_be_had_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_text("no database")
    for name in ("STORE", "FROM"):
        (finding,) = settings.baselines({f"AGENTPERF_BASELINE_{name}": str(path)})
        assert finding.level is Level.WRONG
        assert "cannot be read as a baseline" in finding.sentence
    (finding,) = settings.baselines({"AGENTPERF_BASELINE_STORE": str(path / "store.db")})
    assert (finding.level, "cannot be made" in finding.sentence) == (Level.WRONG, True)


def require(monkeypatch: pytest.MonkeyPatch, *requirements: str) -> None:
    """Make every distribution look as if it had these requirements."""

    def requires(name: str) -> list[str]:
        del name
        return list(requirements)

    monkeypatch.setattr(installed, "requires", requires)


CLIENTS: dict[str, tuple[str, list[str]]] = {
    "langchain-google-vertexai": ("3.2.0", []),
    "langchain-google-genai": ("2.1.12", ["google-ai-generativelanguage>=0.6"]),
    "google-generativeai": ("0.8.6", []),
    "google-cloud-aiplatform": ("1.160.0", ["google-genai>=1.37"]),
    "litellm": ("1.90.0", ['google-genai>=1; extra == "google"']),
    "langchain-openai": ("1.2.0", ["openai>=2"]),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_of_gemini_that_is_not_seen_is_named(monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    version, requirements = CLIENTS[client]
    absent = dict.fromkeys((*installed.GEMINI_CLIENTS, *installed.OTHER_CLIENTS))
    pretend(monkeypatch, {**absent, client: version})
    require(monkeypatch, *requirements)
    (finding,) = installed.unseen_clients({})
    assert finding.level is Level.NOTE
    assert finding.sentence.startswith(f"{client} {version}")
    assert "not seen" in finding.sentence


def test_a_client_that_calls_gemini_through_google_genai_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = dict.fromkeys((*installed.GEMINI_CLIENTS, *installed.OTHER_CLIENTS))
    pretend(monkeypatch, {**absent, "langchain-google-genai": "4.4.0"})
    require(monkeypatch, "google-genai<3,>=1.56")
    assert list(installed.unseen_clients({})) == []


def test_where_only_unseen_clients_are_there_no_request_can_be_seen_which_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent = dict.fromkeys((*installed.GEMINI_CLIENTS, *installed.OTHER_CLIENTS))
    pretend(monkeypatch, {**absent, "google-generativeai": "0.8.6", "google-genai": None})
    require(monkeypatch)
    (sentence,) = wrong(installed.unseen_clients({}))
    assert "use google-genai" in sentence


def test_the_openai_library_pointed_at_gemini_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, dict.fromkeys((*installed.GEMINI_CLIENTS, *installed.OTHER_CLIENTS)))
    address = "https://generativelanguage.googleapis.com/v1beta/openai/"
    assert "OPENAI_BASE_URL leads to Gemini" in said(installed.unseen_clients({"OPENAI_BASE_URL": address}), Level.NOTE)
    assert list(installed.unseen_clients({"OPENAI_BASE_URL": "https://llm.example/v1"})) == []


def test_where_there_is_nothing_to_trace_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, dict.fromkeys(("langgraph", "google-genai", *installed.PEERS)))
    (sentence,) = wrong(installed.libraries())
    assert sentence.startswith("neither langgraph nor google-genai is installed here")
