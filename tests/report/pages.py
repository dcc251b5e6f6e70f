"""A page as a tree, and what a screen reader is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Element:
    """An element of a page."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.children: list[Element] = []
        self.own_text = ""

    def __iter__(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            yield from child

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Everything in it with this tag and these attributes; `class_` is one among several."""
        return [
            each
            for each in self
            if each.tag == tag
            and all(
                value in each.attributes.get("class", "").split()
                if name == "class_"
                else each.attributes.get(name.replace("_", "-")) == value
                for name, value in attributes.items()
            )
        ]

    @property
    def text(self) -> str:
        """All text in it, in order of the elements."""
        return " ".join(" ".join(each.own_text for each in self).split())


class Page(HTMLParser):
    """Reads a page; one whose elements are not closed in order is refused."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("#page", {}, None)
        self._open = self.root
        self.comments: list[str] = []
        self.feed(text)
        self.close()
        assert self._open is self.root, f"<{self._open.tag}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.children.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.tag == tag, f"</{tag}> closes <{self._open.tag}>"
        assert self._open.parent is not None
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.own_text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)
