"""Every name that we write to or read from telemetry, in one place.

The first block holds names of the OpenTelemetry GenAI semantic conventions (status:
Development), as literals, because the Python package has no constants for the newer ones.
The second block holds our own, all under `agentperf.`, except `gen_ai.usage.cost`, the name
that Langfuse, Logfire and OpenLIT already read.
"""

from __future__ import annotations

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/1.42.0"
SCOPE_LANGGRAPH = "otel_agentperf.langgraph"
SCOPE_GOOGLE_GENAI = "otel_agentperf.google_genai"
SCOPE_SYSTEM = "otel_agentperf.system"
SCOPE_API = "otel_agentperf"
OWN_SCOPES = frozenset({SCOPE_LANGGRAPH, SCOPE_GOOGLE_GENAI, SCOPE_SYSTEM, SCOPE_API})

# -- conventions: attributes -------------------------------------------------------------
OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
CONVERSATION_ID = "gen_ai.conversation.id"
WORKFLOW_NAME = "gen_ai.workflow.name"
AGENT_NAME = "gen_ai.agent.name"
NODE_NAME = "gen_ai.node.name"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT = "gen_ai.tool.call.result"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_TOP_K = "gen_ai.request.top_k"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count"
REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
OUTPUT_TYPE = "gen_ai.output.type"
EMBEDDINGS_DIMENSION_COUNT = "gen_ai.embeddings.dimension.count"
USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
USAGE_REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
USAGE_MODALITY_INPUT = "gen_ai.usage.{modality}.input_tokens"
USAGE_MODALITY_OUTPUT = "gen_ai.usage.{modality}.output_tokens"
USAGE_MODALITY_CACHE_READ = "gen_ai.usage.{modality}.cache_read.input_tokens"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - not a secret
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
HTTP_STATUS_CODE = "http.response.status_code"
SESSION_ID = "session.id"

# -- conventions: operations, providers, metrics, events ----------------------------------
OP_INVOKE_WORKFLOW = "invoke_workflow"
OP_INVOKE_AGENT = "invoke_agent"
OP_INVOKE_NODE = "invoke_node"  # proposed in semantic-conventions-genai #188
OP_EXECUTE_TOOL = "execute_tool"
OP_EXECUTE_ACTION = "execute_action"
OP_GENERATE_CONTENT = "generate_content"
OP_EMBEDDINGS = "embeddings"
OP_USE_SERVICE = "use_service"
PROVIDER_GEMINI = "gcp.gemini"
PROVIDER_VERTEX = "gcp.vertex_ai"
METRIC_OPERATION_DURATION = "gen_ai.client.operation.duration"
METRIC_TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105 - not a secret
DURATION_BUCKETS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS = tuple(4**power for power in range(14))
EVENT_INFERENCE_DETAILS = "gen_ai.client.inference.operation.details"
EVENT_EVALUATION = "gen_ai.evaluation.result"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"

# -- conventions: system and process ------------------------------------------------------
SYSTEM_SCHEMA_URL = "https://opentelemetry.io/schemas/1.38.0"
CPU_MODE = "cpu.mode"
DISK_DIRECTION = "disk.io.direction"
NETWORK_DIRECTION = "network.io.direction"
MEMORY_STATE = "system.memory.state"
CONTEXT_SWITCH_TYPE = "process.context_switch.type"
GC_GENERATION = "cpython.gc.generation"
METRIC_PROCESS_CPU_TIME = "process.cpu.time"
METRIC_PROCESS_CPU_UTILIZATION = "process.cpu.utilization"
METRIC_PROCESS_MEMORY_USAGE = "process.memory.usage"
METRIC_PROCESS_MEMORY_VIRTUAL = "process.memory.virtual"
METRIC_PROCESS_FILE_DESCRIPTORS = "process.unix.file_descriptor.count"
METRIC_PROCESS_THREADS = "process.thread.count"
METRIC_PROCESS_DISK_IO = "process.disk.io"
METRIC_PROCESS_CONTEXT_SWITCHES = "process.context_switches"
METRIC_SYSTEM_CPU_TIME = "system.cpu.time"
METRIC_SYSTEM_CPU_UTILIZATION = "system.cpu.utilization"
METRIC_SYSTEM_MEMORY_USAGE = "system.memory.usage"
METRIC_SYSTEM_MEMORY_UTILIZATION = "system.memory.utilization"
METRIC_SYSTEM_DISK_IO = "system.disk.io"
METRIC_SYSTEM_NETWORK_IO = "system.network.io"

# -- LangGraph ----------------------------------------------------------------------------
LANGGRAPH_STEP = "langgraph.step"
LANGGRAPH_TRIGGERS = "langgraph.triggers"
LANGGRAPH_TASK_ID = "langgraph.task_id"
LANGGRAPH_OUTCOME = "langgraph.outcome"
OUTCOME_CACHE_HIT = "cache_hit"

# -- ours ---------------------------------------------------------------------------------
USAGE_COST = "gen_ai.usage.cost"
COST_INPUT = "agentperf.cost.input_usd"
COST_CACHE_READ = "agentperf.cost.cache_read_usd"
COST_OUTPUT = "agentperf.cost.output_usd"
COST_GROUNDING = "agentperf.cost.grounding_usd"
COST_STATUS = "agentperf.cost.status"
COST_TIER = "agentperf.cost.tier"
COST_REASON = "agentperf.cost.reason"
COST_ESTIMATED = "agentperf.cost.estimated"
USAGE_TOOL_USE_TOKENS = "agentperf.usage.tool_use.input_tokens"
GROUNDING_QUERIES = "agentperf.usage.grounding_queries"
COUNTED = "agentperf.counted"
REQUEST_HASH = "agentperf.request.hash"
REQUEST_PREFIX_HASHES = "agentperf.request.prefix_hashes"
REQUEST_PREFIX_SIZES = "agentperf.request.prefix_sizes"
REQUEST_SIZE = "agentperf.request.size"
REQUEST_USES = "agentperf.request.uses"
RESPONSE_HASH = "agentperf.response.hash"
RESPONSE_FUNCTION_CALLS = "agentperf.response.function_calls"
RESPONSE_KIND = "agentperf.response.kind"
STREAM_ABANDONED = "agentperf.stream.abandoned"
TOOL_ARGUMENTS_HASH = "agentperf.tool.arguments_hash"
TOOL_ARGUMENTS_SIMHASH = "agentperf.tool.arguments_simhash"
TOOL_CONTEXT_HASH = "agentperf.tool.context_hash"
TOOL_RESULT_HASH = "agentperf.tool.result_hash"
TOOL_ERROR_HASH = "agentperf.tool.error_hash"
TOOL_NO_ARGUMENTS = "agentperf.tool.no_arguments"
TOOL_RESULT_SIZE = "agentperf.tool.result_size"
STATE_HASH = "agentperf.state_hash"
NODE_COST = "agentperf.node.cost_usd"
NODE_INPUT_TOKENS = "agentperf.node.input_tokens"
NODE_OUTPUT_TOKENS = "agentperf.node.output_tokens"
NODE_ATTEMPTS = "agentperf.node.attempts"
NODE_RESOURCES = "agentperf.node."
RUN_RESOURCES = "agentperf.run."
RESOURCE_KEYS = {
    name: f"resources.{name.removesuffix('_ns')}_s" if name.endswith("_ns") else f"resources.{name}"
    for name in (
        "samples",
        "cpu_samples",
        "cpu_percent",
        "cpu_percent_max",
        "cpu_percent_delta",
        "own_cpu_percent",
        "cpu_spikes",
        "memory_percent",
        "memory_percent_max",
        "memory_percent_delta",
        "memory_spikes",
        "memory_bytes",
        "memory_bytes_delta",
        "open_files",
        "open_files_delta",
        "open_files_limit",
        "threads",
        "threads_delta",
        "blocked_ns",
        "blocked_max_ns",
    )
}
"""What `model.Resources` holds, by its fields: `agentperf.node.resources.cpu_percent`, times in seconds."""
RUN_COST = "agentperf.run.cost_usd"
RUN_INPUT_TOKENS = "agentperf.run.input_tokens"
RUN_OUTPUT_TOKENS = "agentperf.run.output_tokens"
RUN_INFERENCE_CALLS = "agentperf.run.inference_calls"
RUN_TOOL_CALLS = "agentperf.run.tool_calls"
RUN_ERRORS = "agentperf.run.errors"
RUN_UNPRICED_CALLS = "agentperf.run.unpriced_calls"
RUN_SUGGESTIONS = "agentperf.run.suggestions"
RUN_EFFICIENCY_SCORE = "agentperf.run.efficiency_score"
RUN_RATING = "agentperf.run.rating"
RUN_CRITICAL_PATH = "agentperf.run.critical_path"
RUN_SUCCESS = "agentperf.run.success"
RUN_SCORE = "agentperf.run.score"
RUN_OUTCOME = "agentperf.run.outcome"
REASON = "agentperf.reason"
SITE = "agentperf.site"
SERVICE_NAME = "agentperf.service.name"
SERVICE_MINUTES = "agentperf.service.minutes"
FINGERPRINT_KEY_ID = "agentperf.fingerprint.key_id"
EVENT_ATTEMPT = "agentperf.attempt"
ATTEMPT_NUMBER = "agentperf.attempt.number"
ATTEMPT_WAIT_S = "agentperf.attempt.wait_s"
EVENT_SUGGESTION = "agentperf.suggestion"
SUGGESTION_TYPE = "agentperf.suggestion.type"
SUGGESTION_RULE = "agentperf.suggestion.rule"
SUGGESTION_LEVEL = "agentperf.suggestion.level"
SUGGESTION_DESCRIPTION = "agentperf.suggestion.description"
SUGGESTION_IMPACT = "agentperf.suggestion.impact_score"
SUGGESTION_COMPLEXITY = "agentperf.suggestion.complexity"
SUGGESTION_CONFIDENCE = "agentperf.suggestion.confidence"
SUGGESTION_APPLIES_TO = "agentperf.suggestion.applies_to"
SUGGESTION_SPAN_IDS = "agentperf.suggestion.span_ids"
SUGGESTION_EVIDENCE = "agentperf.suggestion.evidence"
SUGGESTION_SAVINGS_TIME = "agentperf.suggestion.savings.time_s"
SUGGESTION_SAVINGS_COST = "agentperf.suggestion.savings.cost_usd"
SUGGESTION_SAVINGS_BASIS = "agentperf.suggestion.savings.basis"
EVENT_ADVICE = "agentperf.advice"
EVENT_ADVICE_OUTCOME = "agentperf.advice.outcome"
ADVICE_ACTION = "agentperf.advice.action"
ADVICE_NODE = "agentperf.advice.node"
ADVICE_CONFIDENCE = "agentperf.advice.confidence"
ADVICE_MODEL = "agentperf.advice.model"
ADVICE_MODEL_SOURCE = "agentperf.advice.model.source"
ADVICE_MODEL_CONFIDENCE = "agentperf.advice.model.confidence"
ADVICE_TIMEOUT = "agentperf.advice.timeout_s"
ADVICE_PARALLEL = "agentperf.advice.parallel"
ADVICE_CACHE = "agentperf.advice.cache"
ADVICE_RESOURCES = "agentperf.advice.resources"
ADVICE_REMAINING_LEAST_S = "agentperf.advice.remaining_s.lower"
ADVICE_REMAINING_MOST_S = "agentperf.advice.remaining_s.upper"
ADVICE_REMAINING_LEAST_USD = "agentperf.advice.remaining_usd.lower"
ADVICE_REMAINING_MOST_USD = "agentperf.advice.remaining_usd.upper"
ADVICE_SAVINGS_TIME = "agentperf.advice.savings.time_s"
ADVICE_SAVINGS_COST = "agentperf.advice.savings.cost_usd"
ADVICE_SAVINGS_BASIS = "agentperf.advice.savings.basis"
ADVICE_OUTCOME = "agentperf.advice.outcome."
"""With the kind of advice behind it: `agentperf.advice.outcome.model`."""
ADVICE_KIND = "agentperf.advice.kind"
ADVICE_CAME = "agentperf.advice.outcome"
METRIC_ADVICE = "agentperf.advice"
METRIC_COST = "agentperf.cost"
METRIC_RUNS = "agentperf.runs"
METRIC_SUGGESTIONS = "agentperf.suggestions"
METRIC_INTERNAL_ERRORS = "agentperf.internal.errors"
METRIC_UNPRICED = "agentperf.unpriced_calls"
METRIC_EVICTIONS = "agentperf.internal.evictions"
METRIC_WASTED_COST = "agentperf.wasted_cost"
METRIC_RUN_DURATION = "agentperf.run.duration"
METRIC_RUN_COST = "agentperf.run.cost"
METRIC_RUN_EFFICIENCY = "agentperf.run.efficiency_score"
METRIC_NODE_DURATION = "agentperf.node.duration"
METRIC_OVER_BUDGET = "agentperf.sessions.over_budget"
METRIC_ACTIVE_RUNS = "agentperf.active_runs"
METRIC_ACTIVE_SESSIONS = "agentperf.active_sessions"
METRIC_INTERNAL_TIME = "agentperf.internal.time"
METRIC_CAPPED = "agentperf.internal.capped_series"
METRIC = "agentperf.metric"
RUN_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
RUN_BUCKETS_USD = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0)
SCORE_BUCKETS = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)
METRIC_HEALTH_SCORE = "agentperf.health.score"
METRIC_HEALTH_DEDUCTIONS = "agentperf.health.deductions"
HEALTH_REASON = "agentperf.health.reason"
METRIC_EVENT_LOOP_LAG = "agentperf.event_loop.lag"
METRIC_GC_PAUSE = "agentperf.gc.pause"
LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
GC_BUCKETS_S = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
