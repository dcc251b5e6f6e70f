"""Traces on file or in a backend, judged by the same engine as live ones.

The way of a span: `sources` finds what was named, `pieces` parts it, `mapping` cuts the spans of
a piece out and packs them by trace, an engine (`local`, `on_dask`) carries the packs, `reducing`
puts the spans of a trace together and reads them, `judging` makes runs of them.
"""
