"""The real viewer with a configuration folder of its own, a slow method, and a watch over threads."""

import threading
import time
from types import FunctionType

import napari.settings
import numpy as np
import platformdirs
import pytest
from napari.utils.events import EventEmitter
from napari.utils.notifications import notification_manager
from pydantic import Field
from qtpy.QtCore import QThreadPool
from shared_viewer import SharedViewer

from napari_depth_interp.method import MethodConfig, MethodSpec, Sections
from napari_depth_interp.methods import registry
from napari_depth_interp.plugin import preferences
from napari_depth_interp.plugin.interpolate import DepthInterpolation
from napari_depth_interp.progress import Progress

PLUGIN = "napari-depth-interp"
STEP = 0.05
"""Seconds between two reports of the slow method."""


def pytest_collection_modifyitems(items):
    """Within a file, leave those that share a dock, with a window on the screen and with their own viewer to the end.

    Each change to and fro opens another dock or another viewer.
    """
    order = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}

    def place(item):
        names = set(getattr(item, "fixturenames", ()))
        return order[item.path], "make_napari_viewer" in names, "shown_viewer" in names, "finished" in names

    items.sort(key=place)


@pytest.fixture(autouse=True, scope="session")
def _napari_settings(tmp_path_factory):
    """Keep napari's and the plugins' settings out of the user's folder."""
    folder = tmp_path_factory.mktemp("napari")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(napari.settings, "_CFG_PATH", str(folder / "settings.yaml"), raising=False)  # not in 0.7
        patch.setattr(napari.settings, "_SETTINGS", None)
        napari.settings.get_settings(None)  # written to no file: each dock that opens would take a while for that
        yield


@pytest.fixture(autouse=True, scope="session")
def _callbacks_are_looked_at_once():
    """Look once for each function at what it takes, not at each of the thousands of connections of a layer."""
    look, known = EventEmitter._check_signature, {}

    def remembered(function):
        plain = getattr(function, "__func__", function)
        if isinstance(function, EventEmitter):
            key = type(function)
        elif isinstance(plain, FunctionType) and not plain.__dict__:  # what is wrapped has the code of its wrapper
            key = plain.__code__, plain.__defaults__ is None, plain is function
        else:
            return look(function)
        if key not in known:
            known[key] = look(function)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventEmitter, "_check_signature", staticmethod(remembered))
        yield


@pytest.fixture(autouse=True)
def config_folder(tmp_path_factory, monkeypatch):
    """A fresh folder for what the widget remembers."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setattr(platformdirs, "user_config_dir", lambda *_args, **_kwargs: str(folder))
    return folder


@pytest.fixture(autouse=True)
def _linear_by_default(monkeypatch):
    """Open widgets with linear interpolation: the real default trains on the stack for a minute."""
    defaults = preferences.default_settings

    def linear():
        return defaults().model_copy(update={"method": "linear"})

    monkeypatch.setattr(preferences, "default_settings", linear)


@pytest.fixture(autouse=True)
def _clean_notifications():
    notification_manager.records.clear()


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    """Every test ends with as many Python threads as it began with, and with an idle thread pool."""
    before = set(threading.enumerate())
    yield
    assert QThreadPool.globalInstance().waitForDone(30_000)  # a loaded machine imports torch for long
    limit = time.monotonic() + 30
    while (left := _running(before)) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not left


def _running(before):
    """Return new threads, less those of Qt's pool, and of Dask, zarr and fsspec, which wait for what comes next."""
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before
        and not isinstance(thread, threading._DummyThread)
        and not thread.name.startswith(("Dask-", "zarr", "asyncio_", "fsspec"))
    ]


@pytest.fixture(scope="session")
def _shared_viewer():
    shared = SharedViewer()
    yield shared
    shared.close()


@pytest.fixture(autouse=True)
def _one_viewer_at_a_time(request, _shared_viewer):
    """A test that opens and closes a viewer of its own finds none."""
    if "make_napari_viewer" in request.fixturenames:
        _shared_viewer.close()


@pytest.fixture
def viewer(request, qtbot, _shared_viewer):
    """The viewer as a plugin sees it, without layers and docks."""
    yield _shared_viewer.get()
    _leave(request, _shared_viewer)


@pytest.fixture
def shown_viewer(request, qtbot, _shared_viewer):
    """The same on the screen."""
    yield _shared_viewer.get(show=True)
    _leave(request, _shared_viewer)


def _leave(request, shared):
    if request.node.rep_call.failed:
        shared.close()
    else:
        shared.tidy()


@pytest.fixture
def open_widget(viewer):
    """A function that docks a new widget through the plugin's manifest and returns it."""

    def make() -> DepthInterpolation:
        _dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
        return widget

    return make


@pytest.fixture
def widget(open_widget):
    return open_widget()


class StepConfig(MethodConfig):
    """Parameters of the methods for tests."""

    steps: int = Field(3, ge=1, le=1000, title="Steps", description="How many reports.")
    outcome: str = Field("done", title="Outcome", description="How it ends.")


class Stepwise:
    """Reports every 50 ms, then ends as its config says."""

    def __init__(self, config, _runtime):
        self.config = config

    def prepare(self, stack, *, report):
        for step in range(self.config.steps):
            report(Progress(step / self.config.steps, "fitting"))
            time.sleep(STEP)
        if self.config.outcome == "error":
            raise RuntimeError("the fit went wrong")
        if self.config.outcome == "memory":
            raise MemoryError("no room")

    def sections_at(self, stack, z, *, report):
        values = np.full((len(z), *stack.voxels.shape[1:]), 7.0)
        return Sections(values, values / 7)


@pytest.fixture
def slow(monkeypatch):
    """Register the method ``slow``, which also gives an uncertainty and has presets."""
    spec = MethodSpec(
        "slow", "Slow", "For tests.", StepConfig, Stepwise, "as long as you like", None,
        presets={"fast": {"steps": 1}, "balanced": {"steps": 3}, "best": {"steps": 200}},
        gives_uncertainty=True, acquisitions=frozenset({"slice"}),
    )  # fmt: skip
    real_get, real_names = registry.get, registry.names()
    monkeypatch.setattr(registry, "names", lambda: [*real_names, "slow"])
    monkeypatch.setattr(registry, "get", lambda name: spec if name == "slow" else real_get(name))
    return spec
