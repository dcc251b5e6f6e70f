"""The click group: each command is imported only when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

from otel_agentperf._version import VERSION

_COMMANDS = {
    "analyze": "Judge traces on file or in a backend, and report what to change.",
    "baseline": "Look at what was learned, compare it, carry it about.",
    "demo": "Run a LangGraph program on Gemini and see what it cost.",
    "doctor": "Check that everything is there and set up, and say what is not.",
    "explain": "Explain a rule: what it finds, why it costs, what to do.",
    "learn": "Learn from traces what is normal, and add it to a baseline.",
    "prices": "Show what a model is charged at.",
    "rules": "List the rules with their options.",
}


class LazyGroup(click.Group):
    """Finds `<name>` in the module `otel_agentperf.cli.<name>`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; `None` where there is none of that name."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"otel_agentperf.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="otel-agentperf")
def group() -> None:
    """Price every step of a LangGraph agent on Gemini, and say what to change."""
