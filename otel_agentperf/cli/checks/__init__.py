"""What `doctor` looks at, one module a subject."""

from __future__ import annotations

from collections.abc import Mapping

from otel_agentperf.cli.checks import collector, installed, names, sdk, settings
from otel_agentperf.cli.finding import Finding


def all_findings(environ: Mapping[str, str]) -> list[Finding]:
    """Everything that can be seen without starting a program.

    Args:
        environ: the environment variables to judge.
    """
    return [
        *installed.python(),
        *installed.libraries(),
        *installed.entries(),
        *sdk.configuration_file(environ),
        *sdk.exporters(environ),
        *sdk.switched_off(environ),
        *sdk.sampler(environ),
        *sdk.components(environ),
        *sdk.limits(environ),
        *collector.collector(environ),
        *settings.settings(environ),
        *settings.reports(environ),
        *settings.suggestions(environ),
        *settings.baselines(environ),
        *names.misspelt(environ),
        *installed.peers(),
        *installed.unseen_clients(environ),
    ]
