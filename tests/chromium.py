"""A page in headless Chromium, driven through its DevTools as a user would: the mouse, the keyboard, what is seen."""

import asyncio
import os
import shutil
import subprocess
from base64 import b64decode
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import count
from tempfile import TemporaryDirectory

import aiohttp
import numpy as np
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_LONGEST = 60
"""Seconds that an answer may take."""


class Page:
    """One page; ``problems`` are the errors in its console, and what it asked the internet for."""

    def __init__(self, loop, socket):
        self._loop, self._socket, self._numbers, self.problems = loop, socket, count(1), []

    def ask(self, method, **parameters):
        """Send a command of the DevTools and return its result."""
        return self._loop.run_until_complete(asyncio.wait_for(self._ask(method, parameters), _LONGEST))

    async def _ask(self, method, parameters):
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            said = await self._socket.receive_json()
            if said.get("id") == number:
                assert "error" not in said, said
                return said["result"]
            self._note(said)

    def _note(self, said):
        if said.get("method") == "Runtime.exceptionThrown":
            self.problems.append(said["params"])
        if said.get("method") == "Log.entryAdded" and said["params"]["entry"]["level"] == "error":
            self.problems.append(said["params"]["entry"]["text"])
        if said.get("method") == "Network.requestWillBeSent":
            address = said["params"]["request"]["url"]
            self.problems += [] if address.startswith(("file:", "data:")) else [address]

    def open(self, path):
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.ask(f"{domain}.enable")
        self.ask("Page.navigate", url=path.as_uri())
        self.value("new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))")

    def value(self, expression):
        """Return what JavaScript gives; promises are waited for."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def box(self, selector):
        """Scroll an element into view; return its left, top, width and height on the screen."""
        return self.value(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
            "const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()"
        )

    def drag(self, start, end, steps=4):
        """Press the mouse at one place (x, y), move and let go at another."""
        places = np.linspace(start, end, steps + 1).tolist()
        for kind, (x, y) in [("mousePressed", places[0]), *(("mouseMoved", each) for each in places[1:]),
                             ("mouseReleased", places[-1])]:  # fmt: skip
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def key(self, name):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def seen(self, selector):
        """Return an element as it is on the screen, (rows, columns, 3)."""
        left, top, width, height = self.box(selector)
        across, down = self.value("[scrollX, scrollY]")  # a picture is cut out of the document, not of the window
        clip = {"x": left + across, "y": top + down, "width": width, "height": height, "scale": 1}
        data = self.ask("Page.captureScreenshot", format="png", clip=clip)["data"]
        return np.asarray(Image.open(BytesIO(b64decode(data))).convert("RGB"))


@contextmanager
def opened(path, width=1280, height=900):
    """Open a file in a browser of its own."""
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert browser, "there is no Chromium; install it (apt-get install chromium) or set CHROMIUM"
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
                 f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]  # fmt: skip
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            try:
                line = next(line for line in process.stderr if "DevTools listening on" in line)
                loop = asyncio.new_event_loop()
                try:
                    port = line.split("127.0.0.1:")[1].split("/")[0]
                    yield from _connected(loop, port, path)
                finally:
                    loop.close()
            finally:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                process.kill()


def _connected(loop, port, path):
    async def connect():
        session = aiohttp.ClientSession()
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            targets = await answer.json()
        address = next(each["webSocketDebuggerUrl"] for each in targets if each["type"] == "page")
        return session, await session.ws_connect(address, max_msg_size=0)

    async def close(session, socket):
        await socket.close()
        await session.close()

    session, socket = loop.run_until_complete(connect())
    try:
        page = Page(loop, socket)
        page.open(path)
        yield page
    finally:
        loop.run_until_complete(close(session, socket))
