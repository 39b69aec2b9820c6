"""Open every page of the built documentation in headless Chromium and list what is wrong with it.

Run by ``make docs``. Wrong is: an error or warning in the console, anything that is not found or comes from
the internet, a picture that does not show, a page wider than the screen (1280 and 390 pixels), one that is to be seen
at once and is longer than a screen of 1280 x 800, an equation or a table that was left as text. Needs Chromium on the
path, or its path in CHROMIUM.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTHS, HEIGHT = (1280, 390), 800
_BROKEN = "Array.from(document.images).filter(i => i.offsetParent && !i.naturalWidth).map(i => i.src)"
_WIDTH = "document.documentElement.scrollWidth"
_END = "document.querySelector('.one-screen')?.getBoundingClientRect().bottom ?? 0"
_TEXT = "document.querySelector('article').innerText"
_LEFT_OVER = ("<!-- table", "\\(", "--8<--", ":class:", ":func:", "| --- |")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def check(page: Any, address: str) -> list[str]:
    """Return what is wrong with a page."""
    problems: list[str] = []
    local = address[: address.index("/", len("http://"))]

    def console(message: Any) -> None:
        if message.type in ("error", "warning"):
            problems.append(f"console: {message.text}")

    def asked(request: Any) -> None:
        if not request.url.startswith((local, "data:", "blob:")):
            problems.append(f"asks the internet: {request.url}")

    def answered(response: Any) -> None:
        if response.status >= 400:
            problems.append(f"{response.status}: {response.url}")

    handlers = {"console": console, "request": asked, "response": answered}
    for event, handler in handlers.items():
        page.on(event, handler)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.goto(address, wait_until="networkidle")
        wide, end = page.evaluate(_WIDTH), page.evaluate(_END)
        problems += [f"{wide} pixels wide on a screen of {width}"] if wide > width else []
        problems += [f"{end:.0f} pixels long, not one screen"] if end > HEIGHT and width == WIDTHS[0] else []
    problems += [f"picture does not show: {source}" for source in page.evaluate(_BROKEN)]
    text = page.evaluate(_TEXT)
    problems += [f"left as text: {words}" for words in _LEFT_OVER if words in text]
    for event, handler in handlers.items():
        page.remove_listener(event, handler)
    return list(dict.fromkeys(problems))


def search_works(page: Any, address: str) -> bool:
    """Type a word into the search box and see whether it is found."""
    page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    page.goto(f"{address}/index.html", wait_until="networkidle")
    page.click("input[name=query]")  # loads the index, in a worker
    page.wait_for_function("document.querySelector('.md-search-result__meta').innerText.includes('start')")
    page.type("input[name=query]", "sections", delay=20)
    try:
        page.wait_for_selector(".md-search-result__item", timeout=30_000)
    except Exception:  # playwright's own TimeoutError
        return False
    return True


def main() -> int:
    """Check all pages; return 1 if anything is wrong."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="Check the built documentation in headless Chromium.")
    parser.add_argument("site", type=Path, nargs="?", default=Path("site"))
    folder = parser.parse_args().site
    browser_path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        print(
            "check_docs: there is no Chromium; install it (apt-get install chromium) or set CHROMIUM", file=sys.stderr
        )
        return 1
    pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html") if path.name != "404.html")
    wrong: list[str] = []
    with sync_playwright() as playwright, served(folder) as address:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page()
        for name in pages:
            wrong += [f"{name}: {problem}" for problem in check(page, f"{address}/{name}")]
        wrong += [] if search_works(page, address) else ["index.html: the search finds nothing"]
        browser.close()
    print("\n".join([*wrong, f"{len(pages)} pages in Chromium, {len(wrong)} problems"]))
    return int(bool(wrong) or not pages)


if __name__ == "__main__":
    sys.exit(main())
