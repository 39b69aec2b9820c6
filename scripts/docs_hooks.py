"""What mkdocs does beyond its plugins: navigation, generated pages and tables, equations.

Named in mkdocs.yml. A page that is put into one of the folders of ``docs/`` appears in the navigation by itself.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from posixpath import normpath, relpath
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import docs_tables as tables

METHODS = "reference/methods"
SECTIONS = {
    "Tutorials": ("tutorials", ["first-stack", "choose-a-method", "train", "large-volume"]),
    "How-to": (
        "how-to",
        [
            "install",
            "compare-methods",
            "labels",
            "align",
            "repair",
            "fuse",
            "python",
            "uneven-and-projections",
            "segment",
            "after-filling",
            "channels-and-colours",
            "train-a-model",
            "batch",
            "large-volumes",
        ],
    ),
    "Methods": (METHODS, ["index"]),
    "Explanation": (
        "explanation",
        ["what-it-is-worth", "worth-tables", "evaluation", "uncertainty", "design", "benchmarks"],
    ),
    "Reference": (
        "reference",
        ["words", "window", "cli", "settings", "api", "formats", "report", "metrics", "manifest"],
    ),
}
"""Headings of the navigation: folder, and the pages that come first in it; others follow by name."""

FROM_REPOSITORY = {
    "benchmarks/README.md": "explanation/benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files outside docs/ that are pages, too."""

_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")
_MATH = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):<code>~?([^<]+)</code>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, then make the navigation of all there are."""
    folder = Path(config.docs_dir)
    for uri, content in _generated(folder).items():
        known = files.get_file_from_path(uri)
        if known is None:
            files.append(File.generated(config, uri, content=content))
    config.nav = _navigation({file.src_uri for file in files.documentation_pages()}, folder)
    return files


def _generated(folder: Path) -> dict[str, str]:
    """Return the content of pages that have no file under docs/."""
    root = folder.parent
    pages = {uri: _moved(root, name, uri) for name, uri in FROM_REPOSITORY.items()}
    for page, specs in tables.specs_of_pages(folder / METHODS).items():
        pages[f"{METHODS}/{page}"] = f"# {specs[0].title}\n\n{specs[0].summary}\n"  # where nobody has written one
    return pages


def _moved(root: Path, name: str, uri: str) -> str:
    """Return a file of the repository with links that are right at its place in the documentation."""
    here, there = Path(name).parent.as_posix(), Path(uri).parent.as_posix()

    def fix(match: re.Match[str]) -> str:
        target = normpath(f"{here}/{match[1]}")
        if target in FROM_REPOSITORY:
            return relpath(FROM_REPOSITORY[target], there)
        return relpath(target.removeprefix("docs/"), there)

    return _LINK.sub(fix, (root / name).read_text(encoding="utf-8"))


def _navigation(pages: set[str], folder: Path) -> list[Any]:
    nav: list[Any] = [{"Home": "index.md"}]
    methods = list(tables.specs_of_pages(folder / METHODS))
    for heading, (place, first) in SECTIONS.items():
        order = first + ([Path(page).stem for page in methods] if place == METHODS else [])
        inside = [page for page in pages if Path(page).parent.as_posix() == place]
        nav.append({heading: sorted(inside, key=_position(order))})
    return [*nav, {"Project": ["contributing.md", "changelog.md"]}]


def _position(order: list[str]) -> Callable[[str], tuple[int, str]]:
    def key(page: str) -> tuple[int, str]:
        stem = Path(page).stem
        return (order.index(stem) if stem in order else len(order), stem)

    return key


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put in tables that come from the code, and bring links out of docs/ home."""
    uri = page.file.src_uri
    if 'class="one-screen"' in markdown:
        page.meta["hide"] = ["navigation", "toc"]
    markdown = _LINK.sub(lambda match: _at_home(match[1], uri), markdown)
    markdown = re.sub(r"<!-- table: (\w+) -->", lambda match: str(getattr(tables, match[1])()), markdown)
    if uri.startswith(f"{METHODS}/") and not uri.endswith("index.md"):
        specs = tables.specs_of_pages(Path(config.docs_dir) / METHODS).get(Path(uri).name, [])
        markdown = _with_tables(markdown, specs) if specs else markdown
    return markdown


def _at_home(link: str, uri: str) -> str:
    """Return the link to a file of the repository that is a page, too."""
    here = Path(uri).parent.as_posix()
    target = normpath(f"docs/{here}/{link}")
    return relpath(FROM_REPOSITORY[target], here) if target in FROM_REPOSITORY else link


def _with_tables(markdown: str, specs: list[Any]) -> str:
    """Put what the methods need and can before the first heading of the text, and their parameters at its end."""
    intro, heading, rest = markdown.partition("\n## ")
    return f"{intro}\n\n{tables.facts(specs)}\n{heading}{rest}\n\n{tables.parameters(specs)}\n"


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn equations into MathML, which browsers show without a script, and Sphinx roles into code."""
    content = _MATH.sub(_as_mathml, content)
    return _ROLE.sub(lambda match: f"<code>{match[1].rpartition('.')[2]}</code>", content)


def _as_mathml(match: re.Match[str]) -> str:
    return str(convert(html.unescape(match[2]), display="block" if match[1] == "div" else "inline"))
