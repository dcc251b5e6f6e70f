"""What of this step a cache could spare, and whether that pays.

In this order:

- `reuse`: the same action with the same arguments gave the same result in at least `MIN_RUNS` runs
  and never another one, and its name does not say that it changes something. It saves what such a
  call took on average (measured).
- `prefix`: requests of the node begin alike, at a length that the model caches by itself. Either at
  least half of that was read from the cache, so keep it so; or not, and then what stays the same
  belongs first. It saves the shared tokens that were not read from the cache, at the difference of
  the two prices (repriced).
- `context_cache`: implicit caching serves less than half of the shared beginning, and with n such
  requests an hour, T shared tokens and prices a token,

      n x T x (fresh - cached)  >  2 x T x storage an hour

  holds: an explicit cache saves twice its storage. Per request it saves T x (fresh - cached) less the
  storage divided by n (repriced). The factor of two is ours: traffic comes and goes.
- `none`: the beginnings are not shared, or are shorter than the least that is cached.

It abstains with fewer than `MIN_REQUESTS` requests that can be compared.
"""

from __future__ import annotations

from otel_agentperf.advice.facts import Prompting, Seen
from otel_agentperf.advice.results import CacheUse, Improvement, Part, abstain, too_few
from otel_agentperf.model import SavingBasis
from otel_agentperf.rules.verbs import CHANGING, READING, verb_of

MIN_RUNS = 3
MIN_REQUESTS = 3
SERVED_SHARE = 0.5
PAYS_FACTOR = 2.0
_READS, _UNKNOWN = 0.8, 0.6
_PREFIX_CONFIDENCE = 0.7
_CONTEXT_CONFIDENCE = 0.7
_NONE_CONFIDENCE = 0.6


def reuse(action: str, seen: Seen | None) -> Part[CacheUse] | None:
    """Whether a result may be kept by its arguments; `None` where nothing says so.

    Args:
        action: the tool or action.
        seen: what is known of it with these arguments.
    """
    if seen is None or seen.varies or seen.runs < MIN_RUNS:
        return None
    verb = verb_of(action)
    if verb in CHANGING:
        return None
    return Part(
        CacheUse.REUSE,
        _READS if verb in READING else _UNKNOWN,
        f"{action} gave the same result for these arguments in {seen.runs} runs. If it only reads, reuse it.",
        {"calls": seen.calls, "runs": seen.runs, "average_s": round(seen.average_s, 6)},
        Improvement(SavingBasis.MEASURED, round(seen.average_s, 6), seen.average_usd or None),
        source="reuse",
    )


def prompts(node: str, prompting: Prompting | None) -> Part[CacheUse]:
    """What caching would do for the prompts of a node.

    Args:
        node: its name.
        prompting: how its last requests began, `None` where there were none.
    """
    if prompting is None:
        return abstain("no request of this step was seen in this process", {"samples": 0})
    if prompting.comparable < MIN_REQUESTS:
        return too_few(prompting.comparable, MIN_REQUESTS, "requests soon after one another")
    shared, cached = prompting.shared_tokens, prompting.cached_tokens
    evidence: dict[str, float | int] = {
        "requests": prompting.comparable,
        "shared_tokens": round(shared),
        "cached_tokens": round(cached),
        "requests_per_hour": round(prompting.per_hour, 2),
    }
    if prompting.minimum_tokens is not None:
        evidence["least_cached_tokens"] = prompting.minimum_tokens
    if 2 * prompting.repeated < prompting.comparable or shared <= 0:
        why = f"Prompts of {node or 'this step'} do not begin alike at a length that is cached."
        return Part(CacheUse.NONE, _NONE_CONFIDENCE, why, evidence, source="none")
    if cached >= SERVED_SHARE * shared:
        why = (
            f"{cached:,.0f} of {shared:,.0f} shared tokens come from the cache already: keep what stays the same first."
        )
        return Part(CacheUse.PREFIX, _PREFIX_CONFIDENCE, why, evidence, source="prefix")
    return _context(prompting, evidence) or _prefix(prompting, evidence)


def _prefix(prompting: Prompting, evidence: dict[str, float | int]) -> Part[CacheUse]:
    missed = prompting.shared_tokens - prompting.cached_tokens
    improvement = None
    if prompting.fresh_usd is not None and prompting.cached_usd is not None:
        saved_usd = missed * (prompting.fresh_usd - prompting.cached_usd)
        improvement = Improvement(SavingBasis.REPRICED, cost_usd=round(saved_usd, 9))
    why = (
        f"Requests share their first {prompting.shared_tokens:,.0f} tokens and pay {missed:,.0f} of them in full: "
        "put what stays the same first, and send them soon after one another."
    )
    return Part(CacheUse.PREFIX, _PREFIX_CONFIDENCE, why, evidence, improvement, source="prefix")


def _context(prompting: Prompting, evidence: dict[str, float | int]) -> Part[CacheUse] | None:
    fresh, cached, storage = prompting.fresh_usd, prompting.cached_usd, prompting.storage_usd_hour
    if fresh is None or cached is None or storage is None or prompting.per_hour <= 0:
        return None
    tokens = prompting.shared_tokens
    spared_usd = prompting.per_hour * tokens * (fresh - cached)
    kept_usd = tokens * storage
    evidence["spared_usd_per_hour"], evidence["storage_usd_per_hour"] = round(spared_usd, 9), round(kept_usd, 9)
    if spared_usd <= PAYS_FACTOR * kept_usd:
        return None
    each_usd = (spared_usd - kept_usd) / prompting.per_hour
    why = (
        f"A context cache of {tokens:,.0f} tokens costs ${kept_usd:.2g} an hour and spares ${spared_usd:.2g} at "
        f"{prompting.per_hour:.0f} requests an hour."
    )
    improvement = Improvement(SavingBasis.REPRICED, cost_usd=round(each_usd, 9))
    return Part(CacheUse.CONTEXT, _CONTEXT_CONFIDENCE, why, evidence, improvement, source="context_cache")
