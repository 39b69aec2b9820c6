"""Make the pictures of README and docs that are not plain windows: figure, recording, report, terminal.

Run by ``make docs-assets`` after scripts/screenshots.py; writes docs/images/. Everything comes from the real command
line and the real plugin, on the MRI that nibabel carries and on simulated tissue.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from label_figure import label_figure
from napari_depth_interp import io
from napari_depth_interp.demo import example_mri
from napari_depth_interp.evaluation.holdout import keep_every
from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Dataset
from repair_figure import repair_figure
from screenshots import IMAGES, settle

KEPT = 4


def cli(*words: object) -> str:
    """Run the command line and return what it prints."""
    command = [sys.executable, "-m", "napari_depth_interp", *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"FORCE_COLOR": "1"})
    return done.stdout


def sagittal_mri(folder: Path) -> tuple[Path, Path]:
    """Write the MRI cut into 128 sagittal sections, and every 4th of them; return the two files."""
    first = folder / "first_volume.nii.gz"
    io.write(first, example_mri())
    return _thinned(io.read(first, axis="x"), folder, ".nii.gz")


def organoid(folder: Path) -> tuple[Path, Path]:
    """Write a simulated organoid, and every 4th of its sections; return the two files."""
    return _thinned(simulate("organoid").observed, folder, ".tif")


def _thinned(truth: Dataset, folder: Path, suffix: str) -> tuple[Path, Path]:
    sparse = replace(keep_every(truth, KEPT)[0].visible, source=truth.source)
    paths = folder / f"truth{suffix}", folder / f"sparse{suffix}"
    for path, dataset in zip(paths, (truth, sparse), strict=True):
        io.write(path, dataset)
    return paths


# The figure: sparse | linear | ours | truth


def figure() -> None:
    """Write xz.png: XZ planes of two stacks, thinned out, filled in two ways on the command line, and the truth."""
    rows = {"simulated organoid": _filled(organoid), "real MRI, sagittal": _filled(sagittal_mri, "--axis", "x")}
    _draw(rows)


def _filled(make: Callable[[Path], tuple[Path, Path]], *options: str) -> dict[str, Any]:
    """Return one XZ plane of a stack: sparse, linear, auto, truth; and the proportions of its pixels."""
    axis: Any = options[1] if options else "auto"
    with tempfile.TemporaryDirectory() as name:
        truth, sparse = make(Path(name))
        files = {"sparse": sparse, "truth": truth}
        for method in ("linear", "auto"):
            files[method] = sparse.with_name(sparse.name.replace("sparse", method))
            words = ["--factor", KEPT, "--method", method, "--preset", "fast", *options]
            cli("run", sparse, files[method], *words)
        stacks = {method: io.read(path, axis=axis) for method, path in files.items()}
    grid = stacks["truth"].grid
    planes = {method: _xz_plane(stacks[method]) for method in ("sparse", "linear", "auto", "truth")}
    return planes | {"aspect": (grid.spacing or 1.0) / (grid.pixel_size or (1.0, 1.0))[1]}


def _xz_plane(dataset: Dataset) -> NDArray[Any]:
    """Return the middle plane along z and the longer of the two image axes, sections as rows."""
    volume = dataset.voxels[0, 0]
    across = 1 if volume.shape[2] >= volume.shape[1] else 2
    plane: NDArray[Any] = np.take(volume, volume.shape[across] // 2, axis=across).astype(float)
    return plane


def _psnr(plane: NDArray[Any], truth: NDArray[Any], top: float) -> float:
    """Return the PSNR in dB of the hidden rows of a plane, over the range from 0 to ``top``."""
    hidden = np.arange(len(plane)) % KEPT > 0
    return float(10 * np.log10(top**2 / np.mean((plane[hidden] - truth[: len(plane)][hidden]) ** 2)))


def _draw(rows: dict[str, dict[str, Any]]) -> None:
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(12.8, 6.0), dpi=100, facecolor="#15161b")
    grid = drawn.subplots(len(rows), 4)
    for line, (name, found) in zip(grid, rows.items(), strict=True):
        truth, length = found["truth"], len(found["auto"])
        top = float(np.percentile(truth, 99.9))
        shown = np.zeros_like(found["auto"])
        shown[::KEPT] = found["sparse"]
        scores = {method: _psnr(found[method], truth, top) for method in ("linear", "auto")}
        panels = {
            f"{name}: every {KEPT}th section": shown,
            f"linear: {scores['linear']:.1f} dB": found["linear"],
            f"auto (this program): {scores['auto']:.1f} dB": found["auto"],
            "truth": truth[:length],
        }
        inside = _foreground(truth[:length], top)
        for axes, (title, plane) in zip(line, panels.items(), strict=True):
            axes.imshow(plane[inside], cmap="gray", vmin=0, vmax=top, interpolation="nearest", aspect=found["aspect"])
            axes.set_title(title, color="white", fontsize=11)
            axes.set_axis_off()
    drawn.subplots_adjust(left=0.005, right=0.995, top=0.95, bottom=0.005, wspace=0.02, hspace=0.08)
    drawn.savefig(IMAGES / "xz.png", facecolor=drawn.get_facecolor())
    _tell("xz.png")


def _foreground(plane: NDArray[Any], top: float) -> tuple[slice, slice]:
    """Return the rows and columns in which there is something to see, with a margin."""
    bright = plane > 0.15 * top
    spans = []
    for axis in (1, 0):
        found = np.flatnonzero(bright.any(axis=axis))
        spans.append(slice(max(0, int(found[0]) - 6), int(found[-1]) + 7))
    return spans[0], spans[1]


# The recording


class Recorder:
    """Collects pictures of a window, with a ring where the mouse would be."""

    def __init__(self, window: Any, width: int = 896) -> None:
        self._window, self._width = window, width
        self.frames: list[Any] = []
        self.milliseconds: list[int] = []

    def shoot(self, milliseconds: int, at: Any = None) -> None:
        """Take the window as it is, to be shown for some time; ``at`` is a widget to mark."""
        from PIL import Image, ImageDraw
        from qtpy.QtCore import QPoint
        from qtpy.QtGui import QImage

        shot = self._window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        bits = shot.constBits()
        if hasattr(bits, "setsize"):
            bits.setsize(shot.sizeInBytes())
        rows = np.frombuffer(bits, np.uint8).reshape(shot.height(), shot.bytesPerLine())
        picture = Image.fromarray(rows[:, : shot.width() * 3].reshape(shot.height(), shot.width(), 3).copy())
        if at is not None:
            centre = at.mapTo(self._window, QPoint(at.width() // 2, at.height() // 2))
            box = (centre.x() - 13, centre.y() - 13, centre.x() + 13, centre.y() + 13)
            ImageDraw.Draw(picture).ellipse(box, outline=(255, 177, 78), width=4)
        height = round(picture.height * self._width / picture.width)
        self.frames.append(picture.resize((self._width, height), Image.Resampling.LANCZOS))
        self.milliseconds.append(milliseconds)

    def thin(self, first: int, most: int) -> None:
        """Keep some of the pictures since the ``first`` one, evenly spread: on a slow machine a run takes longer."""
        count = len(self.frames) - first
        kept = [first + i * count // most for i in range(most)] if count > most else range(first, first + count)
        self.frames[first:] = [self.frames[i] for i in kept]
        self.milliseconds[first:] = [self.milliseconds[i] for i in kept]

    def save(self, path: Path) -> None:
        """Write an animated GIF with one palette for all frames, so that only what changes is stored."""
        from PIL import Image

        step = max(1, len(self.frames) // 8)
        sample = Image.new("RGB", (self._width, self.frames[0].height * len(self.frames[::step])))
        for number, frame in enumerate(self.frames[::step]):
            sample.paste(frame, (0, number * frame.height))
        palette = sample.quantize(128, method=Image.Quantize.MAXCOVERAGE)  # keeps the few colours of the plots
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames]
        frames[0].save(
            path,
            save_all=True,
            append_images=frames[1:],
            duration=self.milliseconds,
            loop=0,
            optimize=False,
            disposal=1,
        )


def recording() -> None:
    """Write recording.gif: a sample is opened, filled, scored and looked at, in the real window."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=False)
    viewer.theme = "dark"
    window = viewer.window._qt_window
    window.resize(1280, 800)
    window.show()
    recorder = Recorder(window)
    viewer.open_sample("napari-depth-interp", "organoid")
    settle()
    viewer.reset_view()
    settle()
    recorder.shoot(1200)
    _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Depth interpolation")
    settle()
    viewer.reset_view()
    settle()
    recorder.shoot(1600)
    widget.compute.set_scoring(2)
    widget.method.set_values(widget.settings().model_copy(update={"method": "linear"}))
    _run(widget, recorder, every=1.0)
    widget.tabs.setCurrentIndex(0)
    widget.method.set_values(widget.settings().model_copy(update={"method": "flow"}))  # seconds anywhere
    settle()
    recorder.shoot(1400, widget.method._methods)
    _run(widget, recorder, every=1.0)
    result = next(layer for layer in viewer.layers if layer.name == "organoid flow")
    for section in range(24, 37):
        viewer.dims.set_point(0, result.translate[0] + section * result.scale[0])
        QApplication.processEvents()
        settle(0.25)
        recorder.shoot(1400 if section == 36 else 280)
    recorder.save(IMAGES / "recording.gif")
    _tell("recording.gif")
    viewer.close()


def _run(widget: Any, recorder: Recorder, every: float) -> None:
    """Press Run and take a picture every few seconds until it is done."""
    import time

    settle()
    recorder.shoot(900, widget.bar._run)
    widget.bar._run.click()
    first = len(recorder.frames)
    while widget.job is not None:
        end = time.monotonic() + every
        while widget.job is not None and time.monotonic() < end:
            settle(0.1)
        if widget.job is not None:
            recorder.shoot(350)
    recorder.thin(first, 12)
    settle()
    recorder.shoot(1800)


# The report and the terminal


def report() -> None:
    """Write report.png: the top of the HTML report, in a browser; and terminal.svg: the same scores as text."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth, _ = sagittal_mri(folder)
        words = ["evaluate", truth, "--axis", "x", "--keep-every", KEPT, "--methods", "linear,cubic,flow"]
        printed = cli(*words, "--report", folder / "report")
        shown = "depth-interp evaluate brain.nii.gz --axis x --keep-every 4 --methods linear,cubic,flow"
        _terminal(shown, printed.replace("truth.nii.gz", "brain.nii.gz"), "terminal.svg")
        page = (folder / "report" / "report.html").resolve().as_uri()
        _photograph(page, IMAGES / "report.png")


def _terminal(command: str, printed: str, name: str) -> None:
    from rich.console import Console
    from rich.text import Text

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=140, file=nowhere, force_terminal=True)
        console.print(f"$ {command}", highlight=False)
        for line in printed.splitlines():
            if "report is" not in line:
                console.print(Text.from_ansi(line))
        # One id, or every making would change the file.
        console.save_svg(str(IMAGES / name), title="depth-interp", unique_id="depth-interp")
    _tell(name)


def _photograph(address: str, path: Path) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.screenshot(path=str(path))
        browser.close()
    _tell(path.name)


def _tell(name: str) -> None:
    path = IMAGES / name
    print(f"docs/images/{name}, {path.stat().st_size / 1e6:.2f} MB")


ASSETS: dict[str, Callable[[], None]] = {
    "figure": figure, "labels": label_figure, "recording": recording, "repair": repair_figure, "report": report
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make pictures for README and docs.")
    parser.add_argument("assets", nargs="*", choices=[*ASSETS, []], help="default: all")
    chosen = parser.parse_args(arguments).assets or list(ASSETS)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        if name == "recording" and "DEPTH_INTERP_CLEAN" not in os.environ:
            with tempfile.TemporaryDirectory() as config:  # the user's own settings stay out of the pictures
                environment = os.environ | {"XDG_CONFIG_HOME": config, "DEPTH_INTERP_CLEAN": "1"}
                subprocess.run([sys.executable, __file__, name], check=True, env=environment)
        else:
            ASSETS[name]()


if __name__ == "__main__":
    main()
