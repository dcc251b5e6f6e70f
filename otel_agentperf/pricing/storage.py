"""What it costs to keep a context cache, in US dollars per million tokens per hour.

genai-prices has no unit for it. The figures are those of the row "Context caching price" of
https://ai.google.dev/gemini-api/docs/pricing (standard tier, as of late 2026), by the id that
genai-prices gives the model. A model that is absent has no storage price known here.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

_FLASH = ((date.min, Decimal("1.00")),)
_PRO = ((date.min, Decimal("4.50")),)
_INTRODUCTORY = ((date.min, Decimal("0.50")), (date(2027, 1, 1), Decimal("1.00")))

USD_PER_MTOK_HOUR: dict[str, tuple[tuple[date, Decimal], ...]] = {
    "gemini-2.0-flash": _FLASH,
    "gemini-2.5-flash": _FLASH,
    "gemini-2.5-flash-lite": _FLASH,
    "gemini-2.5-pro": _PRO,
    "gemini-3-flash-preview": _FLASH,
    "gemini-3-pro-preview": _PRO,
    "gemini-3.1-flash-lite": _FLASH,
    "gemini-3.1-pro-preview": _PRO,
    "gemini-3.5-flash": _FLASH,
    "gemini-3.6-flash": _INTRODUCTORY,
    "gemini-3.7-flash": _INTRODUCTORY,
    "gemini-3.8-flash": _INTRODUCTORY,
}


def storage_rate(model_id: str, day: date) -> Decimal | None:
    """Return US dollars per million tokens per hour on a day, `None` where none is published."""
    found: Decimal | None = None
    for start, usd in USD_PER_MTOK_HOUR.get(model_id, ()):
        if start <= day:
            found = usd
    return found
