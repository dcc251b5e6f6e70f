"""The `[prices]` table of the settings file, checked key by key.

    [prices.models."my-model"]       # US dollars per million tokens
    input_mtok = 0.30
    cache_read_mtok = 0.03
    output_mtok = 2.50
    cliff_tokens = 200_000           # above this input, the whole request costs:
    input_above_cliff_mtok = 0.60

    [prices.models."my-image-model"]  # sold by the piece: its tokens cost nothing
    per_image_usd = 0.04             # or per_second_usd, of video or sound

    [prices.services.steel_browser]
    per_minute_usd = 0.001
    nodes = ["browse"]               # also tools, spans, hosts; `*` and `?` are wildcards

Whatever is wrong raises `SettingsError` naming key, value and what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import cast

from otel_agentperf.config import wrong
from otel_agentperf.pricing.rates import IMAGE_KEY, MAPS_KEY, SEARCH_KEY, SECOND_KEY, Price, PriceTable
from otel_agentperf.pricing.services import MATCH_LISTS, ServiceRate

_MODALITIES = ("text", "image", "audio", "video")
TOKEN_KEYS = (
    "input_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_1h_mtok",
    "output_mtok",
    "output_reasoning_mtok",
    *(f"input_{modality}_mtok" for modality in _MODALITIES),
    *(f"cache_{modality}_read_mtok" for modality in _MODALITIES),
    *(f"output_{modality}_mtok" for modality in _MODALITIES),
)
STORAGE_KEY = "cache_storage_mtok_hour"
CLIFF_KEY = "cliff_tokens"
_USD = "a number of US dollars, 0 or more"
_SERVICE_USD = ("per_minute_usd", "per_call_usd")


def above_key(key: str) -> str:
    """Return the key of the rate above the cliff: `input_mtok` gives `input_above_cliff_mtok`."""
    return key.removesuffix("_mtok") + "_above_cliff_mtok"


_ABOVE_KEYS = {above_key(key): key for key in TOKEN_KEYS}
_UNIT_KEYS = {"per_image_usd": IMAGE_KEY, "per_second_usd": SECOND_KEY}
_MODEL_KEYS = (*TOKEN_KEYS, *_UNIT_KEYS, SEARCH_KEY, MAPS_KEY, STORAGE_KEY, CLIFF_KEY, *_ABOVE_KEYS)


def _table(key: str, value: object) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value)
    raise wrong(key, value, "a table")


def _usd(key: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise wrong(key, value, _USD)
    if not math.isfinite(value) or value < 0:
        raise wrong(key, value, _USD)
    return Decimal(str(value))


def parse_prices(prices: Mapping[str, object]) -> tuple[dict[str, PriceTable], dict[str, ServiceRate]]:
    """Return the models' price tables and the services of the `[prices]` table.

    Raises:
        SettingsError: a key, name or value is wrong.
    """
    for key, value in prices.items():
        if key not in ("models", "services"):
            raise wrong(f"[prices] {key}", value, "the tables models, services")
    models = _table("[prices.models]", prices.get("models", {}))
    services = _table("[prices.services]", prices.get("services", {}))
    return (
        {name: _model(name, value) for name, value in models.items()},
        {name: _service(name, value) for name, value in services.items()},
    )


def _model(name: str, value: object) -> PriceTable:
    where = f'[prices.models."{name}"]'
    if not name.strip():
        raise wrong(where, value, "a model's name between the quotes")
    rows = _table(where, value)
    for key, row in rows.items():
        if key not in _MODEL_KEYS:
            raise wrong(f"{where} {key}", row, ", ".join(_MODEL_KEYS))
    if any(key in rows for key in _UNIT_KEYS):
        return _sold_by_unit(where, rows)
    if "input_mtok" not in rows:
        raise wrong(
            f"{where} input_mtok", None, f"{_USD} (per million tokens; required without {' or '.join(_UNIT_KEYS)})"
        )
    usd = {key: _usd(f"{where} {key}", row) for key, row in rows.items() if key != CLIFF_KEY}
    steps = {_ABOVE_KEYS[key]: price for key, price in usd.items() if key in _ABOVE_KEYS}
    cliff = _cliff(where, rows, steps)
    for key, price in steps.items():
        if key not in usd:
            raise wrong(f"{where} {above_key(key)}", str(price), f"only together with {key}")
    return {
        key: Price(price, ((cliff, steps[key]),) if key in steps else ())
        for key, price in usd.items()
        if key not in _ABOVE_KEYS
    }


def _sold_by_unit(where: str, rows: Mapping[str, object]) -> PriceTable:
    first = next(key for key in _UNIT_KEYS if key in rows)
    for key, row in rows.items():
        if key != first:
            raise wrong(f"{where} {key}", row, f"{first} alone: what is sold by the piece has no other price")
    return {_UNIT_KEYS[first]: Price(_usd(f"{where} {first}", rows[first]))}


def _cliff(where: str, rows: Mapping[str, object], steps: Mapping[str, Decimal]) -> int:
    value = rows.get(CLIFF_KEY)
    if value is None:
        if steps:
            first = above_key(next(iter(steps)))
            raise wrong(f"{where} {first}", rows[first], f"only together with {CLIFF_KEY}")
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise wrong(f"{where} {CLIFF_KEY}", value, "a whole number of tokens, 1 or more")
    if not steps:
        raise wrong(
            f"{where} {CLIFF_KEY}", value, f"only together with {above_key('input_mtok')} or another rate above it"
        )
    return value


def _names(key: str, value: object) -> tuple[str, ...]:
    items = cast("list[object]", value) if isinstance(value, list) else None
    if not items or not all(isinstance(item, str) and item.strip() for item in items):
        raise wrong(key, cast("object", value), "a list of names, each text that is not empty")
    return tuple(cast("list[str]", items))


def _service(name: str, value: object) -> ServiceRate:
    where = f"[prices.services.{name}]"
    if not name.strip():
        raise wrong(where, value, "a service's name")
    rows = _table(where, value)
    for key, row in rows.items():
        if key not in (*_SERVICE_USD, *MATCH_LISTS):
            raise wrong(f"{where} {key}", row, ", ".join((*_SERVICE_USD, *MATCH_LISTS)))
    if not any(key in rows for key in _SERVICE_USD):
        raise wrong(where, dict(rows), "per_minute_usd, per_call_usd or both")
    usd = {key: _usd(f"{where} {key}", rows[key]) for key in _SERVICE_USD if key in rows}
    names = {key: _names(f"{where} {key}", rows[key]) for key in MATCH_LISTS if key in rows}
    return ServiceRate(
        name=name, per_minute_usd=usd.get("per_minute_usd"), per_call_usd=usd.get("per_call_usd"), **names
    )
