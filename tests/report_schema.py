"""The JSON Schema of reports: `python tests/report_schema.py` writes it anew from the types and their docs."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from pathlib import Path
from typing import Any, cast

import msgspec

from otel_agentperf.analysis import figures, split
from otel_agentperf.report import collection, document, heads, session, spans, trends
from otel_agentperf.report.document import RunDocument, RunsDocument, SessionDocument

FILE = Path(document.__file__).parent / "report-1.schema.json"
ROOTS = (RunDocument, SessionDocument, RunsDocument)
MODULES = (figures, split, collection, document, heads, session, spans, trends)
DECIMAL = {"type": "string", "format": "decimal"}


def schema() -> dict[str, Any]:
    """The schema, with what the code says of each field."""
    _, definitions = msgspec.json.schema_components(ROOTS, ref_template="#/$defs/{name}")
    said = field_docs()
    for name, definition in definitions.items():
        for field, described in definition.get("properties", {}).items():
            described.pop("default", None)
            text = said.get((name, field))
            if text is not None:
                described["description"] = text
        if "properties" in definition:
            definition["required"] = list(definition["properties"])  # a default is written too
        if "description" in definition:
            definition["description"] = definition["description"].partition("\n")[0]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": document.SCHEMA,
        "description": (document.__doc__ or "").partition("\n\n")[2].replace("\n", " ").strip(),
        "anyOf": [{"$ref": f"#/$defs/{root.__name__}"} for root in ROOTS],
        "$defs": _with_numbers(definitions),
    }


def _with_numbers(value: Any) -> Any:
    """Money is written as a number."""
    if value == DECIMAL:
        return {"type": "number"}
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        if {key: table.get(key) for key in DECIMAL} == DECIMAL:
            return {"type": "number", **{key: item for key, item in table.items() if key not in DECIMAL}}
        made = {key: _with_numbers(item) for key, item in table.items()}
        if "anyOf" in made:  # which comes first depends on the version of msgspec
            made["anyOf"].sort(key=json.dumps)
        return made
    return [_with_numbers(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def field_docs() -> dict[tuple[str, str], str]:
    """The string beneath each field of the types, by type and field."""
    docs: dict[tuple[str, str], str] = {}
    for module in MODULES:
        for each in ast.parse(textwrap.dedent(inspect.getsource(module))).body:
            if not isinstance(each, ast.ClassDef):
                continue
            for field, beneath in zip(each.body, each.body[1:], strict=False):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(field.target, ast.Name)
                    and isinstance(beneath, ast.Expr)
                    and isinstance(beneath.value, ast.Constant)
                ):
                    docs[each.name, field.target.id] = " ".join(str(beneath.value.value).split())
    return docs


def written() -> str:
    """The schema as its file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(written())
