"""What to do before a step: facts in, advice out. No clock, no I/O, no telemetry.

`live` gathers the facts of the running process and asks here; each part of an advice is decided
in a module of its own, and `whole` puts them together.
"""
