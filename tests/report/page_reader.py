"""Reads a report as a browser would: its cells with the full numbers, its images, its words."""

import base64
from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO

from PIL import Image


@dataclass
class Cell:
    """A number of the page: on which stack, in which table and row, of which score; its full value and its text."""

    stack: str
    table: str
    row: str
    column: str
    score: str
    value: str
    kind: str
    text: str = ""


@dataclass
class Page(HTMLParser):
    cells: list = field(default_factory=list)
    images: list = field(default_factory=list)
    links: list = field(default_factory=list)
    tags: set = field(default_factory=set)
    text: str = ""

    def __post_init__(self):
        super().__init__(convert_charrefs=True)
        self._stack = self._table = self._row = ""
        self._columns, self._open, self._place = [], [], 0

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        self.links += [attrs[name] for name in ("href", "src", "srcset", "action", "data") if name in attrs]
        self._stack = attrs.get("data-stack", self._stack)
        self._row = attrs.get("data-row", self._row)
        if tag == "table":
            self._table, self._columns = attrs["class"], []
        if tag == "tr":
            self._place = 0
        if tag == "th" and attrs.get("scope") == "col":
            self._columns.append(attrs.get("data-method", ""))
        if tag == "td":
            self._place += 1  # column 0 is the heading of the row, which may span rows
        if tag == "img":
            self.images.append(attrs)
        if "data-score" in attrs:
            column = self._columns[self._place] if self._table and tag == "td" else ""
            self._open.append((tag, self._cell(attrs, column)))
        elif tag in ("td", "span"):
            self._open.append((tag, None))

    def _cell(self, attrs, column):
        if not column and self.cells and attrs["data-score"].startswith("std"):
            column = self.cells[-1].column
        cell = Cell(
            self._stack,
            self._table,
            self._row,
            column,
            attrs["data-score"],
            attrs["data-value"],
            attrs.get("class", ""),
        )
        self.cells.append(cell)
        return cell

    def handle_endtag(self, tag):
        if self._open and self._open[-1][0] == tag:
            self._open.pop()
        if tag == "table":
            self._table = ""

    def handle_data(self, data):
        self.text += data
        if self._open and self._open[-1][1] is not None:
            self._open[-1][1].text += data.strip()


def read_page(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page


def picture(attrs):
    """Decode the PNG of an image."""
    kind, data = attrs["src"].split(",", 1)
    assert kind == "data:image/png;base64"
    image = Image.open(BytesIO(base64.b64decode(data, validate=True)))
    image.load()
    assert image.format == "PNG"
    return image


def at(method, path, linear=None):
    """Return what stands at a path such as ``volume.psnr`` in the JSON of a method."""
    if path == "gain_over_linear_db":
        own, other = method["volume"]["psnr"], linear["volume"]["psnr"]
        return None if own is None or other is None else own - other
    first, *rest = path.split(".", 1)
    if first == "sections":
        index, name = rest[0].split(".")
        return next(row for row in method["sections"] if row["index"] == int(index))[name]
    return at(method[first], rest[0]) if rest else method[first]


def full(value):
    """Return a number of the JSON as text with all its digits."""
    return "" if value is None else repr(value)
