"""Advice in the running process: gathers the facts, asks `advice`, and sees what came of it."""
