"""Bar charts as SVG, drawn by pygal, dressed for a page of ours.

pygal lays out axes, bars and labels. What it adds for pages of its own (style sheet, script,
tooltips) is taken out, so that the page's style rules the colours, in the light and in the dark;
what people need who cannot see the bars is put in: a name for the chart and for each bar.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import floor, log10
from typing import Any
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from markupsafe import Markup

from otel_agentperf.report.html.names import cells, plain, shortened

WIDTH = 960
ROW_HEIGHT = 22
BAR_HEIGHT = 14
FONT_SIZE = 12
LABEL_CELLS = 34
RIGHT_MARGIN = 128
"""Room for what is written behind the longest bar."""
_AXIS_HEIGHT = 40
_SHORTEST_BAR = 1.5
_TICKS = 6
_INDENT = 2
_LEAST_LABEL_CELLS = 10
_NO_BREAK = "\u00a0"
_NO_FONT = 1e-6
"""What is written behind a bar has its size and distance from the style sheet: pygal would make the
axis longer by the size, and more so the fewer rows there are."""


def _imported_pygal() -> Any:
    """pygal, without the finder that it leaves in `sys.meta_path` for plug-ins with maps.

    That finder has only the `find_module` of old: up to Python 3.11 every later import in the
    program would warn of it.
    """
    was_there = "pygal" in sys.modules
    pygal = import_module("pygal")
    if not was_there:
        sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]
    return pygal


_pygal = _imported_pygal()
_SVG = "http://www.w3.org/2000/svg"
register_namespace("xlink", "http://www.w3.org/1999/xlink")


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a chart."""

    label: str
    values: tuple[float, ...]
    """One for each series, one behind the other."""
    said: str
    """The row in words, for pointers and screen readers."""
    parts: tuple[str, ...] = ()
    """The same for each series; `said` where there is none."""
    written: str = ""
    """What stands behind the bar."""
    indent: int = 0
    classes: str = ""
    id: str | None = None
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart is made from.

    `is_floating` charts leave their first series blank: the second one begins where it ends.
    """

    id: str
    said: str
    """What the chart shows, in words."""
    classes: str
    bars: Sequence[Bar]
    series: Sequence[str]
    format_tick: Callable[[float], str]
    longest: float
    """Where the axis ends."""
    is_floating: bool = False
    label_cells: int = LABEL_CELLS
    """Room for the labels, in widths of a Latin letter."""


def ticks(longest: float) -> list[float]:
    """Round numbers from 0 up to the longest value, at most six."""
    if longest <= 0:
        return [0.0]
    raw = longest / (_TICKS - 1)
    power = 10.0 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    return [step * place for place in range(floor(longest / step + 1e-9) + 1)]


def draw(chart: Chart) -> Markup:
    """Draw a chart; its first bar is on top."""
    marks = ticks(chart.longest)
    bars = list(reversed(chart.bars))  # pygal begins at the bottom
    plot: Any = _pygal.HorizontalStackedBar(
        width=WIDTH,
        height=len(bars) * ROW_HEIGHT + _AXIS_HEIGHT,
        css=(),
        js=(),
        classes=("chart", *chart.classes.split()),
        disable_xml_declaration=True,
        no_prefix=True,
        show_legend=False,
        margin=0,
        margin_right=RIGHT_MARGIN,
        margin_top=2,
        margin_bottom=10,
        spacing=4,
        truncate_label=-1,
        print_labels=True,
        print_values=False,
        print_values_position="top",
        show_x_guides=False,
        show_y_guides=True,
        range=(0, chart.longest or 1),
        value_formatter=chart.format_tick,
        style=_pygal.style.Style(label_font_size=FONT_SIZE, major_label_font_size=FONT_SIZE, value_font_size=_NO_FONT),
    )
    plot.x_labels = [_label(bar, chart.label_cells) for bar in bars]
    plot.y_labels = marks
    for place, name in enumerate(chart.series):
        is_last = place == len(chart.series) - 1
        plot.add(name, [_value(bar, place, is_last=is_last) for bar in bars])
    return Markup(tostring(_dressed(_copied(plot.render_tree()), chart, bars), encoding="unicode"))  # noqa: S704 - the tree escapes


def room_for(bars: Sequence[Bar]) -> int:
    """The room that labels need, at most 34 widths of a Latin letter."""
    widest = max((_INDENT * bar.indent + cells(plain(bar.label)) for bar in bars), default=0)
    return min(LABEL_CELLS, max(_LEAST_LABEL_CELLS, widest))


def _label(bar: Bar, room: int) -> str:
    """A label that is as wide as every other, so that pygal leaves the same room for all."""
    text = _NO_BREAK * _INDENT * bar.indent + shortened(bar.label, room - _INDENT * bar.indent)
    return text + _NO_BREAK * max(0, room - cells(text))


def _value(bar: Bar, place: int, *, is_last: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"value": bar.values[place]}
    if is_last and bar.written:
        value["label"] = bar.written
    if bar.href is not None:
        value["xlink"] = {"href": bar.href, "target": "_self"}
    return value


# -- dressing ------------------------------------------------------------------------------


def _dressed(root: Element, chart: Chart, bars: Sequence[Bar]) -> Element:
    root.set("xmlns", _SVG)
    root.set("id", chart.id)
    root.set("role", "group")
    root.set("aria-label", chart.said)
    for parent, child in list(_edges(root)):
        if _is_surplus(child):
            parent.remove(child)
    for plot in _of_class(root, "plot"):
        for group in [child for child in plot if "series" in _classes(child)]:
            place = next(int(name[6:]) for name in _classes(group) if name.startswith("serie-"))
            if chart.is_floating and place == 0:
                plot.remove(group)
                continue
            for drawn in _of_class(group, "bars"):
                for element, bar in zip(list(drawn), bars, strict=True):
                    if bar.values[place] or chart.is_floating:
                        _dress_bar(element, bar, bar.parts[place] if bar.parts else bar.said)
                    else:
                        drawn.remove(element)
                drawn[:] = reversed(list(drawn))  # read and tabbed through from the top
    _align_labels(root)
    for element in root.iter():
        _round_numbers(element)
    return root


def _copied(element: Any) -> Element:
    """The same tree as elements of the standard library, without comments.

    pygal draws with lxml where that is installed, whose elements and comments behave otherwise.
    """
    copied = Element(element.tag, {name: value for name, value in element.attrib.items() if name != "xmlns"})
    copied.text, copied.tail = element.text, element.tail
    copied.extend(_copied(child) for child in element if isinstance(child.tag, str))
    return copied


def _edges(root: Element) -> Iterator[tuple[Element, Element]]:
    for parent in root.iter():
        for child in parent:
            yield parent, child


def _classes(element: Element) -> list[str]:
    return element.get("class", "").split()


def _of_class(root: Element, name: str) -> list[Element]:
    return [element for element in root.iter() if name in _classes(element)]


def _is_surplus(element: Element) -> bool:
    tag, classes = element.tag, _classes(element)
    is_empty_group = tag == "g" and len(element) == 0
    return (
        tag in {"defs", "desc", "title", "script", "style"}
        or "tooltip-overlay" in classes
        or "background" in classes
        or is_empty_group
    )


def _dress_bar(element: Element, bar: Bar, said: str) -> None:
    element.set("class", f"bar {bar.classes}".strip())
    for rectangle in element.iter("rect"):
        rectangle.attrib.pop("class", None)
        for corner in ("rx", "ry"):
            rectangle.attrib.pop(corner, None)
        top, height = float(rectangle.get("y", "0")), float(rectangle.get("height", "0"))
        slack = max(0.0, height - BAR_HEIGHT)
        rectangle.set("y", str(top + slack / 2))
        rectangle.set("height", str(height - slack))
        rectangle.set("width", str(max(_SHORTEST_BAR, float(rectangle.get("width", "0")))))
    if bar.id is not None:
        element.set("id", bar.id)
    link = element.find("a")
    named = element if link is None else link
    named.set("aria-label", said)
    if link is None:
        named.set("role", "img")
    SubElement(named, "title").text = said


def _align_labels(root: Element) -> None:
    """Put the labels of the rows flush left, so that they can show what is beneath what."""
    for plot in _of_class(root, "plot"):
        left = float(plot.get("transform", "translate(0,").partition("(")[2].partition(",")[0])
        for axis in (child for child in plot if "y" in _classes(child)):
            axis.set("aria-hidden", "true")
            for text in axis.iter("text"):
                text.set("x", str(2 - left))
        for axis in (child for child in plot if "x" in _classes(child)):
            axis.set("aria-hidden", "true")
    for overlay in _of_class(root, "text-overlay"):
        overlay.set("aria-hidden", "true")


def _round_numbers(element: Element) -> None:
    for name in ("x", "y", "width", "height"):
        value = element.get(name)
        if value is not None:
            element.set(name, f"{float(value):.1f}".removesuffix(".0"))
    if element.tag == "path":
        parts = element.get("d", "").replace("M", "M ").replace("v", "v ").replace("h", "h ").split()
        element.set("d", " ".join(part if part.isalpha() else f"{float(part):.0f}" for part in parts))
