"""Spans for google-genai: one for each billed request, with exact tokens and dollars.

Intercepted: `BaseApiClient.request`, `request_streamed`, `async_request` and
`async_request_streamed`, which are called once for each HTTP request that Google bills; the
public `generate_content` is not, since with automatic function calling one such call makes
many. A request ends in the SDK's method that makes objects of its answer (`conversion`). HTTP
attempts are seen at `_request_once`, functions called for the model at
`_extra_utils.invoke_function_from_dict_args`, Interactions and decisions at a client of their own.

Limits: the Live API and live music (web sockets), batch jobs, tuning, the indexing of file search
stores, agents that a trigger of the API starts and tools of MCP sessions are not covered.
OpenInference's instrumentation of google-genai puts back the functions that it found when it is
uninstrumented, ours with them where ours was loaded after it: instrument again after that.
`ChatGoogleGenerativeAI` of langchain-google-genai rides on this.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from otel_agentperf import semconv
from otel_agentperf.instrumentation.google_genai import conversion, functions, interactions, requests
from otel_agentperf.instrumentation.google_genai.caches import Caches
from otel_agentperf.instrumentation.patching import Patches, installed
from otel_agentperf.instrumentation.switch import Switch
from otel_agentperf.live import auto, foreign

_logger = logging.getLogger("otel_agentperf")
OLDEST = "1.32"
_CLIENT = "google.genai._api_client"
_PEERS = ("openinference.instrumentation.google_genai", "opentelemetry.instrumentation.google_genai")
"""Instrumentations of the same client: all their requests pass our seam."""
_FUNCTIONS = "google.genai._extra_utils"


class GoogleGenAIInstrumentor(BaseInstrumentor):
    """Instruments google-genai; the entry point `agentperf-google-genai`."""

    _switch = Switch(semconv.SCOPE_GOOGLE_GENAI)
    _patches = Patches()

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: whether google-genai is there is checked in `instrument`, for it alone."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        if not installed("google-genai", OLDEST) or auto.ensure_pipeline() is None:
            return
        try:
            importlib.import_module(_CLIENT)
        except ImportError as error:
            _logger.warning("otel-agentperf: %s cannot be imported; google-genai is not instrumented", error.name)
            return
        # A switch of its own each time: a wrapper of last time that another library has kept stays off.
        switch = self._switch = Switch(semconv.SCOPE_GOOGLE_GENAI)
        patches = self._patches
        switch.turn_on(kwargs.get("tracer_provider"))
        foreign.see(_PEERS, on=True)
        seen = Caches(switch)
        patches.replace(_CLIENT, "BaseApiClient.request", requests.wrap_request(switch, seen))
        patches.replace(_CLIENT, "BaseApiClient.request_streamed", requests.wrap_request_streamed(switch))
        patches.replace(_CLIENT, "BaseApiClient.async_request", requests.wrap_async_request(switch, seen))
        patches.replace(_CLIENT, "BaseApiClient.async_request_streamed", requests.wrap_async_request_streamed(switch))
        patches.replace(_CLIENT, "BaseApiClient._request_once", requests.wrap_request_once)
        patches.replace(_CLIENT, "BaseApiClient._async_request_once", requests.wrap_async_request_once)
        patches.replace(_FUNCTIONS, "invoke_function_from_dict_args", functions.wrap_invoke(switch))
        patches.replace(_FUNCTIONS, "invoke_function_from_dict_args_async", functions.wrap_ainvoke(switch))
        conversion.patch(patches)
        interactions.patch(patches, switch)

    def _uninstrument(self, **kwargs: Any) -> None:
        del kwargs
        self._switch.turn_off()
        foreign.see(_PEERS, on=False)
        self._patches.restore()
