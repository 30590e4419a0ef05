"""A headless Chromium, driven through pipes by its own protocol: no driver, no port."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")
CLOSING = 10.0
"""Seconds that a browser has to end in order."""
SILENT = 30.0
"""Seconds after which a browser that does not answer has failed."""
A4, LETTER = (8.27, 11.69), (8.5, 11.0)
"""Sizes of paper, in inches."""


class Page:
    """One page; `errors` holds what it complained of, such as a policy that was broken.

    `patience` is after how many seconds of silence the browser has failed.
    """

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive, self._rest = send, receive, b""
        self._number, self._session = 0, ""
        self.patience = SILENT
        self.errors: list[str] = []

    def open(self, address: str) -> None:
        """Load an address."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        given = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = given["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self._ask(f"{domain}.enable")
        self._ask("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        answer = self._ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = 20.0) -> None:
        """Until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, (
                f"never true: {script}; {self.run('document.body.innerText')}"
            )
            time.sleep(0.05)

    def choose(self, selector: str, *files: Path) -> None:
        """Give files to an input."""
        root = self._ask("DOM.getDocument")["root"]["nodeId"]
        node = self._ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._ask(
            "DOM.setFileInputFiles", nodeId=node, files=[str(file.resolve()) for file in files]
        )

    def resize(self, width: int = 1000, dark: bool = False, height: int = 800) -> None:
        """Change the window and the scheme of colours; points are two by two pixels."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        time.sleep(0.3)

    def picture(self, width: int = 1000, height: int = 800, dark: bool = False) -> bytes:
        """A PNG of the page, twice as fine."""
        self.resize(width, dark, height)
        return base64.b64decode(self._ask("Page.captureScreenshot")["data"])

    def paper(self, paper: tuple[float, float], margin: float = 12 / 25.4) -> None:
        """Lay the page out as on the inner part of a sheet (inches); a point is 1/96 inch."""
        width, height = (round(96 * (side - 2 * margin)) for side in paper)
        self._ask("Emulation.setEmulatedMedia", media="print")
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def printed(self, paper: tuple[float, float] = A4) -> bytes:
        """The page as a PDF, as it is printed on this paper (inches)."""
        return base64.b64decode(
            self._ask(
                "Page.printToPDF", paperWidth=paper[0], paperHeight=paper[1],
                printBackground=True, preferCSSPageSize=False,
            )["data"]
        )  # fmt: skip

    def close(self) -> None:
        """Ask the browser to end, with all of its processes; it may have ended already."""
        message = {"id": self._number + 1, "method": "Browser.close"}
        with suppress(OSError):
            os.write(self._send, json.dumps(message).encode() + b"\0")

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.errors.append(json.dumps(answer["params"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._receive], [], [], self.patience)[0], (
                "the browser says nothing"
            )
            part = os.read(self._receive, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A page in a browser with an empty profile."""
    assert CHROMIUM is not None
    to_read, send = os.pipe()
    receive, to_write = os.pipe()
    # The browser reads descriptor 3 and writes 4.
    command = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
    process = subprocess.Popen(
        ["/bin/bash", "-c", command, CHROMIUM, *OPTIONS, "--remote-debugging-pipe",
         f"--user-data-dir={profile}"],
        pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_read)
    os.close(to_write)
    page = Page(send, receive)
    try:
        yield page
    finally:
        page.close()  # killed alone, it would leave processes that go on writing to the profile
        try:
            process.wait(CLOSING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(send)
        os.close(receive)
