"""Traces on file or in a backend, judged by the same engine as live ones.

The way of a span: `sources` finds what was named, `pieces` parts it, `mapping` reads the spans of a
piece by their form (`otlp_json`, `otlp_proto`, `jaeger`) and packs them by trace (`packing`), an engine
(`local`, `on_dask`) carries the packs, `reducing` puts the spans of a trace together, `judging` makes
runs of them. All spans are read by `reading`.
"""
