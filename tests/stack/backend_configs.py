"""Jaeger and Tempo as one process each on loopback, as little of them as takes OTLP and answers queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def jaeger_config(grpc: str, query: str, query_grpc: str, own: str) -> dict[str, Any]:
    """Jaeger with its traces in memory; all four are addresses that it listens on."""
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            # Its own metrics would take port 8888.
            "telemetry": {"metrics": {"readers": [_pull_reader(own)]}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 100_000}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": query},
                "grpc": {"endpoint": query_grpc},
            },
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": grpc}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
    }


def tempo_config(otlp: str, port: int, grpc_port: int, gossip_port: int, folder: Path) -> dict[str, Any]:
    """Tempo with its traces in a folder; it shows them to searches after a second of silence."""
    ring = {"kvstore": {"store": "inmemory"}}
    return {
        "server": {
            "http_listen_address": "127.0.0.1",
            "http_listen_port": port,
            "grpc_listen_address": "127.0.0.1",
            "grpc_listen_port": grpc_port,
        },
        "distributor": {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": otlp}}}},
            "ring": {**ring, "instance_addr": "127.0.0.1"},
        },
        "ingester": {
            "trace_idle_period": "1s",
            "flush_check_period": "1s",
            "lifecycler": {
                "address": "127.0.0.1",
                "ring": {**ring, "replication_factor": 1},
                "min_ready_duration": "0s",
                "final_sleep": "0s",
            },
        },
        "storage": {
            "trace": {
                "backend": "local",
                "local": {"path": str(folder / "blocks")},
                "wal": {"path": str(folder / "wal")},
            }
        },
        # Some rings are kept by gossip whatever is said above; its port is a fixed one on all addresses otherwise.
        "memberlist": {"bind_addr": ["127.0.0.1"], "bind_port": gossip_port, "advertise_addr": "127.0.0.1"},
        "usage_report": {"reporting_enabled": False},
    }


def _pull_reader(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"pull": {"exporter": {"prometheus": {"host": host, "port": int(port)}}}}
