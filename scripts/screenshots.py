"""Take the pictures that README and docs show, from the real window at 1280 x 800, in both themes.

Run by ``make screenshots``; writes docs/images/. One process per theme, so that each starts clean.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent.parent / "docs" / "images"


def wait_until(condition: Callable[[], bool], seconds: float = 900.0) -> None:
    """Run the event loop until the condition holds; a picture of half a run is worse than none."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing to take a picture of after {seconds:g} s")
        QApplication.processEvents()
        time.sleep(0.01)


def settle(seconds: float = 1.5) -> None:
    """Let the window draw itself."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def save(viewer: Any, name: str) -> None:
    """Write the whole window, without what it was just notified of."""
    from napari._qt.dialogs.qt_notification import NapariQtNotification

    settle()
    for each in viewer.window._qt_window.findChildren(NapariQtNotification):
        each.close()
    settle(0.3)
    path = IMAGES / f"{name}.png"
    viewer.window._qt_window.grab().save(str(path))
    print(path.relative_to(IMAGES.parent.parent))


def run(widget: Any, method: str) -> None:
    """Run and score a method as a user would."""
    widget.method.set_values(widget.settings().model_copy(update={"method": method, "parameters": {}}))
    widget.run()
    wait_until(lambda: widget.job is None)


def take(theme: str) -> None:
    """Show a sparse organoid before the run, three methods on the MRI, their error, and a comparison."""
    import napari

    viewer = napari.Viewer(show=False)
    viewer.theme = theme
    window = viewer.window._qt_window
    window.resize(1280, 800)
    window.show()
    viewer.open_sample("napari-depth-interp", "organoid")
    _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Depth interpolation")
    settle()
    viewer.reset_view()
    save(viewer, f"setup-{theme}")
    viewer.layers.clear()
    viewer.open_sample("napari-depth-interp", "mri")
    viewer.reset_view()
    widget.compute.set_scoring(2)
    for method in ("linear", "cubic", "flow"):
        run(widget, method)
    result = viewer.layers["MRI head flow"]
    viewer.dims.set_point(0, result.translate[0] + 50.5 * result.scale[0])
    viewer.reset_view()  # the dock has taken its room
    save(viewer, f"runs-{theme}")
    widget.runs.show_part("absolute error")
    error = viewer.layers["MRI head flow absolute error"]
    viewer.dims.set_point(0, error.translate[0] + 13 * error.scale[0])
    save(viewer, f"error-{theme}")
    viewer.window.remove_dock_widget(widget)
    viewer.layers.clear()
    compare(viewer, theme)
    viewer.layers.clear()
    labels(viewer, theme)
    viewer.layers.clear()
    repair(viewer, theme)
    viewer.layers.clear()
    fuse(viewer, theme)
    viewer.layers.clear()
    batch(viewer, theme)
    train(viewer, theme)
    viewer.close()


def compare(viewer: Any, theme: str) -> None:
    """Compare four methods on the MRI, and show three of them beside the truth."""
    viewer.open_sample("napari-depth-interp", "mri")
    viewer.reset_view()
    _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Compare methods")
    widget.methods.set_methods(["linear", "cubic", "nearest", "flow"])
    widget.run()
    wait_until(lambda: widget.job is None)
    for name in ("linear", "cubic", "flow"):
        widget.scores.table.choose_too(name)
    source = viewer.layers["MRI head"]
    viewer.dims.set_point(0, source.translate[0] + 13 * source.scale[0])
    widget.scores.show_side_by_side(True)
    save(viewer, f"compare-{theme}")
    widget.scores.show_side_by_side(False)
    viewer.window.remove_dock_widget(widget)


def labels(viewer: Any, theme: str) -> None:
    """Label the nuclei of an organoid on every fourth section, fill those between, and correct one."""
    import numpy as np
    from skimage.filters import gaussian, threshold_otsu
    from skimage.measure import label

    from napari_depth_interp.simulate import simulate

    tissue = simulate("organoid", shape=(33, 128, 128), voxel_size=(1.0, 0.5, 0.5)).truth
    voxels = tissue.voxels[0, 0].astype(float)
    brighter = gaussian(voxels, (0.5, 1, 1)) - gaussian(voxels, (4, 8, 8))
    objects = label(brighter > threshold_otsu(brighter[brighter > 0])).astype(np.uint8)
    objects[np.arange(33) % 4 != 0] = 0
    place = {"scale": (1.0, 0.5, 0.5), "units": ("um",) * 3, "axis_labels": ("z", "y", "x")}
    viewer.add_image(tissue.voxels[0, 0], name="organoid", **place)
    layer = viewer.add_labels(objects, name="nuclei", **place)
    viewer.reset_view()
    _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Interpolate labels")
    wait_until(lambda: not widget.watch.busy)
    widget.run()
    wait_until(lambda: widget.job is None)
    layer.paint((14, 64, 64), int(objects.max()))
    viewer.dims.set_point(0, 18.0)
    wait_until(lambda: not widget.watch.busy)
    save(viewer, f"labels-{theme}")
    viewer.window.remove_dock_widget(widget)


def repair(viewer: Any, theme: str) -> None:
    """Find damaged sections of an organoid, and look at a torn one."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    from napari_depth_interp.simulate import simulate

    voxels = np.array(simulate("organoid").observed.voxels[0, 0, 8:40])
    voxels[11] = voxels[10]
    voxels[17, 20:70, 30:90] = 0
    voxels[23] = gaussian_filter(voxels[23].astype(float), 3)
    voxels[27] = np.clip(voxels[27] * 1.6, 0, np.iinfo(voxels.dtype).max)
    voxels[29] = 0
    viewer.add_image(voxels, name="organoid", scale=(1.0, 0.5, 0.5), units=("um",) * 3, axis_labels=("z", "y", "x"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Repair sections")
    widget.find_damage()
    wait_until(lambda: widget.job is None)
    viewer.reset_view()
    viewer.dims.set_point(0, 17.0)
    save(viewer, f"repair-{theme}")
    viewer.window.remove_dock_widget(widget)


def fuse(viewer: Any, theme: str) -> None:
    """Fuse two thick stacks of an organoid, one of them displaced, and look at a chessboard."""
    import nibabel
    import numpy as np
    from scipy.ndimage import shift

    from napari_depth_interp.fusion.settings import make_fuse_settings
    from napari_depth_interp.simulate import simulate

    truth = simulate("organoid", shape=(64, 64, 64), voxel_size=(1.0, 1.0, 1.0)).truth.voxels[0, 0].astype(float)
    axial = truth.reshape(16, 4, 64, 64).mean(axis=1)
    coronal = shift(truth, (1.5, -2.0, 2.5), order=1, mode="nearest").reshape(64, 16, 4, 64).mean(axis=2)
    noise = np.random.default_rng(0)
    axial, coronal = (each + noise.normal(0, 30, each.shape) for each in (axial, coronal))
    sizes = {"axial": (axial, (1.0, 1.0, 4.0)), "coronal": (coronal, (1.0, 4.0, 1.0))}
    _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Fuse stacks")
    with tempfile.TemporaryDirectory(prefix="fuse-") as name:
        for title, (voxels, size) in sizes.items():
            affine = np.diag([*size, 1.0])
            affine[:3, 3] = (np.array(size) - 1) / 2
            image = nibabel.Nifti1Image(np.rint(voxels).astype(np.int16).T, affine)
            image.header.set_xyzt_units("mm")
            nibabel.save(image, Path(name, f"{title}.nii.gz"))
            viewer.open(Path(name, f"{title}.nii.gz"), plugin="napari-depth-interp")
        widget.options.set_values(make_fuse_settings(profile="box"))
        widget.run()
        wait_until(lambda: widget.job is None)
    widget.show_chessboard(1)
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 32.0)
    viewer.layers["axial fused"].contrast_limits = (0, 3000)
    viewer.layers.selection.active.contrast_limits = (0, 3000)
    viewer.reset_view()
    viewer.scene.camera.zoom *= 1.25
    save(viewer, f"fuse-{theme}")
    viewer.dims.order = (0, 1, 2)
    viewer.window.remove_dock_widget(widget)


def batch(viewer: Any, theme: str) -> None:
    """Run a folder of simulated stacks, one of them damaged, and open one with its result."""
    import napari_depth_interp as ndi
    from napari_depth_interp.run.settings import make_settings
    from napari_depth_interp.simulate import simulate

    _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Batch folder")
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):  # the window shows paths as they are given
        source, target = Path("stacks"), Path("dense")
        for number in range(6):
            path = source / f"day{number // 3 + 1}" / f"organoid_{number % 3 + 1}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tissue = simulate("organoid", shape=(16, 128, 128), voxel_size=(2.0, 0.5, 0.5), seed=number)
            ndi.write(path, tissue.observed)
        (source / "day2" / "organoid_2.tif").write_bytes(b"II*\0")
        widget.set_settings(make_settings(method="flow", factor=4))
        widget.compute.set_scoring(2)
        widget.folders.set_choice(source, target, recursive=True)
        wait_until(lambda: len(widget.files.table.files.rows) == 6)
        widget.run()
        wait_until(lambda: widget.job is None)
        widget.files.open(widget.files.table.files.rows[0])
        viewer.reset_view()
        save(viewer, f"batch-{theme}")
    viewer.window.remove_dock_widget(widget)


def train(viewer: Any, theme: str) -> None:
    """Train a small model on two simulated stacks for a while, and show its curves."""
    from napari_depth_interp import io
    from napari_depth_interp.run.settings import make_settings
    from napari_depth_interp.simulate import simulate

    viewer.layers.clear()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(2):
            dense = simulate("organoid", shape=(33, 96, 96), voxel_size=(1.0, 1.0, 1.0), seed=number).truth
            io.write(Path(folder) / f"organoid_{number}.tif", dense)
        _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Train a model")
        widget.data.show_folder(folder)
        small = {"training_steps": 400, "channels": 16, "levels": 2, "steps": 1}
        widget.method.set_values(make_settings(method="msdsr", preset="fast", parameters=small))
        widget.model.set_name("organoids")
        widget.run()
        wait_until(lambda: len(widget.curves.validations) >= 12)
        save(viewer, f"train-{theme}")
        widget.stop_training()
        wait_until(lambda: widget.job is None)
        viewer.window.remove_dock_widget(widget)


def main() -> None:
    if len(sys.argv) == 2:
        take(sys.argv[1])
        return
    IMAGES.mkdir(parents=True, exist_ok=True)
    for theme in ("dark", "light"):
        with tempfile.TemporaryDirectory() as config:  # the user's own settings stay out of the pictures
            environment = os.environ | {"XDG_CONFIG_HOME": config, "DEPTH_INTERP_MODELS": f"{config}/models"}
            subprocess.run([sys.executable, __file__, theme], check=True, env=environment)


if __name__ == "__main__":
    main()
