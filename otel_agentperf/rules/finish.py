"""How an answer that was cut says so."""

from __future__ import annotations

TOKEN_LIMIT = frozenset({"MAX_TOKENS", "max_tokens", "length"})
"""Finish reasons of an answer that reached its token limit: Gemini's, Anthropic's, OpenAI's."""
