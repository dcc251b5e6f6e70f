"""What `doctor` says of the variables that decide what the OpenTelemetry SDK does."""

from __future__ import annotations

import pytest
from opentelemetry.sdk import environment_variables

from otel_agentperf.cli.checks import names, sdk
from otel_agentperf.cli.finding import Level
from tests.cli.found import SILENT, said, wrong

PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")


@pytest.mark.parametrize("key", PROTOCOLS)
@pytest.mark.parametrize("protocol", ["http/json", "http", "GRPC", "thrift"])
def test_a_protocol_that_does_not_exist_is_wrong_and_those_that_do_are_named(key: str, protocol: str) -> None:
    (sentence,) = wrong(sdk.exporters({**SILENT, "OTEL_TRACES_EXPORTER": "otlp", key: protocol}))
    assert sentence.startswith(f"{key}={protocol} is no protocol")
    assert "nothing is traced" in sentence
    assert "grpc | http/protobuf" in sentence


@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_a_protocol_of_another_signal_ends_the_traces_too(signal: str) -> None:
    environ = {
        **SILENT,
        f"OTEL_{signal.upper()}_EXPORTER": "otlp",
        f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL": "x",
    }
    (sentence,) = wrong(sdk.exporters(environ))
    assert "nothing is traced" in sentence


def test_the_protocol_of_a_signal_goes_before_that_of_all() -> None:
    environ = {**SILENT, "OTEL_TRACES_EXPORTER": "otlp", PROTOCOLS[0]: "thrift", PROTOCOLS[1]: "http/protobuf"}
    assert wrong(sdk.exporters(environ)) == []


def test_a_protocol_does_not_matter_where_no_exporter_reads_it() -> None:
    assert wrong(sdk.exporters({**SILENT, PROTOCOLS[0]: "thrift"})) == []


@pytest.mark.parametrize(
    ("value", "named", "instead"),
    [
        ("agentperf,bogus", "'bogus'", "installed: agentperf"),
        ("otlp_http", "'otlp_http'", "did you mean otlp_proto_http?"),
        ("AgentPerf", "'AgentPerf'", "did you mean agentperf?"),
        ("agentperf,", "''", "installed: agentperf"),
        ("agentperf,none", "'none'", "installed: agentperf"),
    ],
)
def test_an_exporter_that_nothing_provides_is_wrong_and_the_nearest_is_named(
    value: str, named: str, instead: str
) -> None:
    (sentence,) = wrong(sdk.exporters({**SILENT, "OTEL_TRACES_EXPORTER": value}))
    assert named in sentence
    assert "nothing is traced" in sentence
    assert instead in sentence


@pytest.mark.parametrize("value", ["none", " NONE ", ""])
def test_traces_that_go_nowhere_are_wrong_and_a_report_for_each_run_is_somewhere(value: str) -> None:
    environ = {**SILENT, "OTEL_TRACES_EXPORTER": value}
    (sentence,) = wrong(sdk.exporters(environ))
    assert "no trace leaves the process" in sentence
    assert wrong(sdk.exporters({**environ, "AGENTPERF_REPORT_PATH": "reports"})) == []


def test_a_configuration_file_without_the_package_that_reads_it_is_wrong() -> None:
    (sentence,) = wrong(sdk.configuration_file({"OTEL_CONFIG_FILE": "sdk.yaml"}))
    if hasattr(environment_variables, "OTEL_CONFIG_FILE"):
        assert "opentelemetry-configuration" in sentence
        assert "nothing is traced" in sentence
    else:
        assert "does not read it" in sentence


def test_a_configuration_file_that_is_read_decides_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_variables, "OTEL_CONFIG_FILE", "OTEL_CONFIG_FILE", raising=False)
    monkeypatch.setattr(sdk, "find_spec", str)
    environ = {"OTEL_CONFIG_FILE": "sdk.yaml", "OTEL_TRACES_EXPORTER": "bogus", "OTEL_TRACES_SAMPLER": "always_off"}
    assert "OTEL_CONFIG_FILE decides" in said(sdk.configuration_file(environ), Level.NOTE)
    assert [*sdk.exporters(environ), *sdk.sampler(environ)] == []


@pytest.mark.parametrize("value", ["*", "redis, *", " agentperf-langgraph ,*"])
def test_leaving_out_every_instrumentation_is_wrong(value: str) -> None:
    (sentence,) = wrong(sdk.switched_off({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": value}))
    assert "nothing is traced" in sentence


def test_each_instrumentation_of_ours_that_is_left_out_is_named() -> None:
    left_out = "redis, agentperf-langgraph,agentperf-google-genai"
    told = wrong(sdk.switched_off({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": left_out}))
    assert [sentence.rpartition(" ")[2] for sentence in told] == ["agentperf-langgraph", "agentperf-google-genai"]


@pytest.mark.parametrize(
    ("sampler", "argument"),
    [
        ("always_off", ""),
        ("ALWAYS_OFF", ""),
        ("parentbased_always_off", ""),
        ("traceidratio", "0"),
        ("parentbased_traceidratio", "0.0"),
    ],
)
def test_a_sampler_that_records_nothing_is_wrong(sampler: str, argument: str) -> None:
    (sentence,) = wrong(sdk.sampler({"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}))
    assert "no trace is recorded" in sentence


@pytest.mark.parametrize("argument", ["", "half", "7", "-1", "nan"])
def test_a_ratio_that_is_none_is_wrong(argument: str) -> None:
    (sentence,) = wrong(sdk.sampler({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": argument}))
    assert "OTEL_TRACES_SAMPLER_ARG" in sentence
    assert "every trace is recorded" in sentence


def test_a_sampler_that_does_not_exist_is_wrong_and_the_nearest_is_named() -> None:
    (sentence,) = wrong(sdk.sampler({"OTEL_TRACES_SAMPLER": "alwayson"}))
    assert "did you mean always_on?" in sentence


@pytest.mark.parametrize(
    "key", ["OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR", "OTEL_PYTHON_ID_GENERATOR", "OTEL_PROPAGATORS"]
)
def test_a_part_of_opentelemetry_that_is_named_and_absent_is_wrong(key: str) -> None:
    (sentence,) = wrong(sdk.components({key: "bogus"}))
    assert sentence.startswith(f"{key} asks for 'bogus'")
    assert "allowed: " in sentence


def test_parts_of_opentelemetry_that_are_there_are_fine() -> None:
    assert (
        list(sdk.components({"OTEL_PROPAGATORS": "baggage, tracecontext", "OTEL_PYTHON_ID_GENERATOR": "random"})) == []
    )


@pytest.mark.parametrize(
    ("key", "few", "enough"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "10", "128"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "0", "128"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "12", "4096"),
    ],
)
def test_a_limit_that_cuts_off_what_we_write_is_noted(key: str, few: str, enough: str) -> None:
    assert f"{key}={few}" in said(sdk.limits({key: few}), Level.NOTE)
    assert list(sdk.limits({key: enough})) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AGENTPREF_EMIT", "AGENTPERF_EMIT"),
        ("agentperf_report_path", "AGENTPERF_REPORT_PATH"),
        ("OTEL_TRACE_EXPORTER", "OTEL_TRACES_EXPORTER"),
        ("OTEL_EXPORTER_OLTP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ],
)
def test_a_variable_that_nothing_reads_is_noted_with_the_one_that_was_meant(name: str, meant: str) -> None:
    assert said(names.misspelt({name: "x"}), Level.NOTE) == f"{name} is read by nothing; did you mean {meant}?"


def test_variables_of_others_are_left_alone() -> None:
    variables = ("AGENT_HOME", "OTEL_TRACES_EXPORTER", "OTEL_PYTHON_FLASK_EXCLUDED_URLS", "PATH")
    assert list(names.misspelt(dict.fromkeys(variables, "x"))) == []
