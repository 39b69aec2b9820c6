"""Hiding sections: which, at which depths, and that no method can see them."""

import gc
import tracemalloc
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from napari_depth_interp.errors import MissingSpacingError, RequestError
from napari_depth_interp.evaluation.holdout import Protocol, keep_every, leave_one_out, make_trials, pooled, projections
from napari_depth_interp.method import MethodConfig, MethodSpec, Sections
from napari_depth_interp.methods import registry
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset, Grid, Source
from quick import quick

PROTOCOLS = {
    "keep_every": Protocol("keep_every", every=3),
    "hold_out": Protocol("hold_out", sections=(2, 3, 5)),
    "leave_one_out": Protocol("leave_one_out"),
}


def make(count=8, *, shape=(1, 1), gap=2.0, first=10.0, seed=0, **grid):
    voxels = np.random.default_rng(seed).random((*shape, count, 4, 5)).astype(np.float32)
    return Dataset(voxels, Grid(first + gap * np.arange(count), (0.5, 0.5), "um", **grid), axes="TCZYX")


def at(dataset, indices):
    return dataset.voxels[:, :, list(indices)]


# Which sections


@pytest.mark.parametrize(
    ("count", "k", "kept", "hidden"),
    [
        (9, 4, [0, 4, 8], [1, 2, 3, 5, 6, 7]),
        (8, 3, [0, 3, 6], [1, 2, 4, 5]),  # section 7 lies after the last kept one
        (3, 2, [0, 2], [1]),
        (5, 3, [0, 3], [1, 2]),
        (5, 4, [0, 4], [1, 2, 3]),
    ],
)
def test_keep_every(count, k, kept, hidden):
    data = make(count)
    (trial,) = make_trials(data, Protocol("keep_every", every=k))
    np.testing.assert_array_equal(trial.visible.voxels, at(data, kept))
    np.testing.assert_array_equal(trial.visible.grid.depths, data.grid.depths[kept])
    np.testing.assert_array_equal(trial.depths, data.grid.depths[: kept[-1] + 1])
    assert trial.reference.tolist() == [i if i in hidden else -1 for i in range(kept[-1] + 1)]
    assert trial.reference[trial.reference >= 0].tolist() == hidden


def test_hold_out():
    data = make(7)
    (trial,) = make_trials(data, Protocol("hold_out", sections=(5, 2, 2)))
    np.testing.assert_array_equal(trial.visible.voxels, at(data, [0, 1, 3, 4, 6]))
    assert trial.visible.grid.depths.tolist() == [10, 12, 16, 18, 22]
    np.testing.assert_array_equal(trial.depths, data.grid.depths)
    assert trial.reference.tolist() == [-1, -1, 2, -1, -1, 5, -1]


def test_leave_one_out():
    data = make(5)
    trials = make_trials(data, Protocol("leave_one_out"))
    assert len(trials) == 3
    for hidden, trial in enumerate(trials, start=1):
        kept = [i for i in range(5) if i != hidden]
        np.testing.assert_array_equal(trial.visible.voxels, at(data, kept))
        np.testing.assert_array_equal(trial.visible.grid.depths, data.grid.depths[kept])
        assert trial.depths.tolist() == [data.grid.depths[hidden]]
        assert trial.reference.tolist() == [hidden]
    assert [int(t.reference[0]) for t in trials[1:]] == [2, 3]
    assert trials[-1].reference.tolist() == [3]


def test_leave_one_out_holds_one_copy_at_a_time():
    data = make(40)
    data = Dataset(np.zeros((1, 1, 40, 64, 64), np.float32), data.grid)
    gc.collect()
    tracemalloc.start()
    for trial in leave_one_out(data):
        assert len(trial.visible.grid.depths) == 39
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * data.voxels.nbytes


def test_uneven_depths_stay_with_their_sections():
    depths = np.array([0.0, 1.0, 5.0, 6.0, 10.0])
    data = Dataset(make(5).voxels, Grid(depths))
    (trial,) = keep_every(data, 2)
    assert trial.visible.grid.depths.tolist() == [0, 5, 10]
    assert trial.depths.tolist() == depths.tolist()


def test_projections_are_means_at_the_middle_of_their_sections():
    data = make(11, shape=(2, 1))
    (trial,) = make_trials(data, Protocol("projection", every=3))
    expected = np.stack([data.voxels[:, :, i : i + 3].astype(np.float64).mean(axis=2) for i in (0, 3, 6)], axis=2)
    np.testing.assert_allclose(trial.visible.voxels, expected, rtol=1e-6)
    assert trial.visible.acquisition == Acquisition(3)
    assert trial.visible.grid.depths.tolist() == [12, 18, 24]
    np.testing.assert_array_equal(trial.depths, data.grid.depths[:9])
    assert trial.reference.tolist() == list(range(9))
    np.testing.assert_allclose(trial.visible.stack().fine_depths().ravel(), trial.depths)


def test_projections_of_integers_are_not_rounded():
    voxels = np.arange(4, dtype=np.uint8).reshape(1, 1, 4, 1, 1)
    (trial,) = projections(Dataset(voxels, Grid(np.arange(4.0))), 2)
    assert trial.visible.voxels.ravel().tolist() == [0.5, 2.5]


def test_a_reference_is_scored_between_the_observed_sections_only():
    truth = make(12, gap=1.0, first=9.0)  # 9 ... 20
    sparse = Dataset(truth.voxels[:, :, 1:10:4], Grid(np.array([10.0, 14.0, 18.0]), unit="um"))
    (trial,) = make_trials(sparse, Protocol("reference"), truth)
    assert trial.depths.tolist() == list(range(10, 19))
    np.testing.assert_array_equal(truth.grid.depths[trial.truth_at], trial.depths)
    scored = trial.reference >= 0
    assert trial.depths[scored].tolist() == [11, 12, 13, 15, 16, 17]
    np.testing.assert_array_equal(trial.reference[scored], trial.truth_at[scored])
    np.testing.assert_array_equal(trial.visible.voxels, sparse.voxels)
    assert not np.shares_memory(trial.visible.voxels, truth.voxels)


def test_a_reference_in_another_unit_is_compared_by_its_length():
    truth = make(5, gap=1.0, first=0.0)
    in_mm = Dataset(truth.voxels, Grid(truth.grid.depths / 1000, unit="mm"))
    sparse = Dataset(truth.voxels[:, :, ::2], Grid(truth.grid.depths[::2], unit="um"))
    (trial,) = make_trials(sparse, Protocol("reference"), in_mm)
    assert trial.depths == pytest.approx([0, 1, 2, 3, 4])
    assert trial.reference.tolist() == [-1, 1, -1, 3, -1]


def test_a_reference_of_projections_reaches_over_their_ends():
    truth = make(6, gap=1.0, first=0.0)
    images = truth.voxels.reshape(1, 1, 2, 3, 4, 5).mean(axis=3)
    recorded = Dataset(images, Grid(np.array([1.0, 4.0]), unit="um"), Acquisition(3))
    (trial,) = make_trials(recorded, Protocol("reference"), truth)
    assert trial.reference.tolist() == list(range(6))


def test_the_truth_of_visible_sections_is_known_too():
    data = make(8)
    (trial,) = make_trials(data, Protocol("keep_every", every=3))
    assert trial.truth_at.tolist() == list(range(7))
    (trial,) = make_trials(data, Protocol("hold_out", sections=(2,)))
    assert trial.truth_at.tolist() == list(range(8))
    assert [t.truth_at.tolist() for t in make_trials(data, Protocol("leave_one_out"))] == [[i] for i in range(1, 7)]
    (trial,) = projections(data, 3)
    assert trial.truth_at.tolist() == list(range(6))


# What cannot be hidden


@pytest.mark.parametrize(
    ("count", "protocol", "message"),
    [
        (8, Protocol("keep_every"), "keep-every must be 2 or more, got 0"),
        (8, Protocol("keep_every", every=1), "got 1"),
        (8, Protocol("keep_every", every=-3), "got -3"),
        (8, Protocol("keep_every", every=8), "choose 7 or less"),
        (2, Protocol("keep_every", every=2), "3 sections or more, got 2"),
        (8, Protocol("hold_out"), "got none"),
        (8, Protocol("hold_out", sections=(0, 3)), r"between the first \(0\) and the last \(7\), got \[0\]"),
        (8, Protocol("hold_out", sections=(3, 7)), r"got \[7\]"),
        (8, Protocol("hold_out", sections=(-1,)), r"got \[-1\]"),
        (2, Protocol("leave_one_out"), "3 sections or more, got 2"),
        (8, Protocol("projection", every=1), "n = 1 for 8 sections"),
        (8, Protocol("projection", every=5), "n = 5 for 8 sections"),
        (8, Protocol("projection", every=-2), "n = -2"),
        (8, Protocol("reference"), "needs a reference file"),
    ],
)
def test_what_hides_nothing_or_too_much_is_refused(count, protocol, message):
    with pytest.raises(RequestError, match=message):
        make_trials(make(count), protocol)


def test_unknown_depths_are_refused():
    data = Dataset(make(5).voxels, Grid(None))
    for protocol in PROTOCOLS.values():
        with pytest.raises(MissingSpacingError):
            make_trials(data, protocol)


def test_projections_of_uneven_sections_are_refused():
    with pytest.raises(RequestError, match="not defined"):
        projections(Dataset(make(4).voxels, Grid(np.array([0.0, 1, 2, 5]))), 2)


@pytest.mark.parametrize("protocol", [*PROTOCOLS.values(), Protocol("projection", every=2), Protocol("sr4")])
def test_a_stack_of_projections_has_no_section_to_hide(protocol):
    """A method gives single sections there; the recorded image is the mean of several."""
    data = make(8)
    recorded = Dataset(data.voxels, data.grid, Acquisition(6))
    with pytest.raises(RequestError, match="no section is known"):
        make_trials(recorded, protocol)


def test_a_reference_of_another_scene_is_refused():
    data = make(4)
    with pytest.raises(RequestError, match="all but z must agree"):
        make_trials(data, Protocol("reference"), Dataset(np.zeros((1, 1, 4, 9, 9)), data.grid))
    far = Dataset(data.voxels, Grid(1000 + np.arange(4.0)))
    with pytest.raises(RequestError, match="check spacing and origin"):
        make_trials(data, Protocol("reference"), far)


def test_every_protocol_says_in_words_what_it_measures():
    assert "measured at 4 times your gap" in Protocol("keep_every", every=4).describe()
    assert "sections 3, 7 hidden" in Protocol("hold_out", sections=(3, 7)).describe()
    assert "twice your gap" in Protocol("leave_one_out").describe()
    assert "reference" in Protocol("reference").describe()
    assert "means of 6 sections" in Protocol("projection", every=6).describe()
    assert "means of 4 x 4 x 4 voxels" in Protocol("sr4").describe()


# No method can see them


class _SpyConfig(MethodConfig):
    pass


class _Spy:
    """A method that keeps every stack it is shown and everything it was created with."""

    def __init__(self, config, runtime):
        self.reached = [config, runtime]

    def prepare(self, stack, *, report):
        self.reached.append(stack)

    def sections_at(self, stack, z, *, report):
        self.reached += [stack, z]
        return Sections(np.zeros((len(z), *stack.voxels.shape[1:]), np.float32))


@pytest.fixture
def spies(monkeypatch):
    """All spies that runs of the method 'spy' have made."""
    made = []

    def create(config, runtime):
        made.append(_Spy(config, runtime))
        return made[-1]

    spec = MethodSpec("spy", "Spy", "Looks at everything.", _SpyConfig, create, "none", training=None)
    get = registry.get
    monkeypatch.setattr(registry, "get", lambda name: spec if name == "spy" else get(name))
    return made


def reachable(root):
    """Yield all that can be reached from an object through attributes, items and array bases."""
    seen, queue = set(), [root]
    while queue:
        thing = queue.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, np.ndarray):
            queue += [thing.base] if thing.base is not None else []
        elif isinstance(thing, dict):
            queue += [*thing, *thing.values()]
        elif isinstance(thing, (list, tuple, set, frozenset)):
            queue += thing
        elif is_dataclass(thing):
            queue += [getattr(thing, field.name) for field in fields(thing)]
        elif hasattr(thing, "__dict__"):
            queue += vars(thing).values()


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2)])
def test_no_hidden_value_can_be_reached_from_what_a_method_gets(spies, protocol, shape):
    """Every voxel of the input has its own value, so a leak of one can be told from all others."""
    count = 8
    voxels = np.arange(np.prod([*shape, count, 4, 5]), dtype=np.float64).reshape(*shape, count, 4, 5) + 1e6
    source = Source(Path("secret.tif"), "tiff", header={"pixels": voxels})
    data = Dataset(voxels, make(count).grid, source=source, record={"old": voxels}, notes=("secret",))
    for trial in make_trials(data, protocol):
        hidden = np.setdiff1d(voxels, trial.visible.voxels)
        assert set(voxels[:, :, trial.reference[trial.reference >= 0]].ravel()) <= set(hidden)
        execute(resolve(trial.visible, make_settings(method="spy"), depths=trial.depths.tolist()))
        assert spies
        for thing in reachable([spy.reached for spy in spies] + [trial.visible]):
            if isinstance(thing, np.ndarray):
                assert not np.isin(thing, hidden).any()
                assert not np.shares_memory(thing, voxels)
            assert not isinstance(thing, (Source, Path))
            assert "secret" not in str(thing) or isinstance(thing, np.ndarray)
        spies.clear()


def test_projections_show_their_means_and_nothing_else(spies):
    voxels = 2.0 ** np.arange(6).reshape(1, 1, 6, 1, 1) * np.ones((1, 1, 6, 3, 3))
    source = Source(Path("secret.tif"), "tiff", header=voxels)
    (trial,) = projections(Dataset(voxels, Grid(np.arange(6.0)), source=source, record={"old": voxels}), 3)
    execute(resolve(trial.visible, make_settings(method="spy"), depths=trial.depths.tolist()))
    arrays = [t for t in reachable(spies[0].reached) if isinstance(t, np.ndarray) and t.ndim > 1]
    assert arrays
    for array in arrays:
        np.testing.assert_allclose(np.unique(array), [7 / 3, 56 / 3], rtol=1e-6)
    assert trial.visible.source is None
    assert trial.visible.record == {}


def test_sr4_shows_its_means_and_nothing_else(spies):
    voxels = np.random.default_rng(3).random((1, 1, 8, 8, 12))
    data = Dataset(voxels, Grid(np.arange(8.0)), source=Source(Path("secret.tif"), "tiff"), record={"old": voxels})
    (trial,) = pooled(data)
    execute(resolve(trial.visible, make_settings(method="spy"), depths=trial.depths.tolist()))
    arrays = [t for spy in spies for t in reachable(spy.reached) if isinstance(t, np.ndarray) and t.ndim > 2]
    assert arrays
    for array in arrays:
        assert np.isin(array, trial.visible.voxels).all()
        assert not np.shares_memory(array, voxels)
    assert trial.visible.source is None
    assert trial.visible.record == {}


@pytest.mark.parametrize("method", [spec.name for spec in registry.specs() if not (spec.needs_model or spec.enhances)])
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_garbage_in_the_hidden_sections_changes_no_output(method, protocol):
    data = make(9)
    settings = make_settings(method=method, preset="fast", device="cpu", threads=1, parameters=quick(method))
    for index, trial in enumerate(make_trials(data, protocol)[:2]):
        garbage = data.voxels.copy()
        garbage[:, :, trial.reference[trial.reference >= 0]] = 1e9
        other = make_trials(Dataset(garbage, data.grid, axes=data.axes), protocol)[index]
        results = [execute(resolve(t.visible, settings, depths=t.depths.tolist())) for t in (trial, other)]
        np.testing.assert_array_equal(*(result.dataset.voxels for result in results))


@pytest.mark.parametrize("method", ["auto", "section_sr"])
@pytest.mark.parametrize("protocol", [Protocol("keep_every", every=2), Protocol("leave_one_out")])
def test_methods_that_learn_from_the_stack_learn_nothing_from_hidden_sections(tissue, method, protocol):
    """On a stack that is large enough for what they try: neither a voxel nor a prediction changes."""
    settings = make_settings(method=method, preset="fast", device="cpu", threads=1, parameters=quick(method))
    trial = make_trials(tissue, protocol)[0]
    garbage = tissue.voxels.copy()
    garbage[:, :, trial.reference[trial.reference >= 0]] = 65535
    other = make_trials(replace(tissue, voxels=garbage), protocol)[0]
    honest, changed = (execute(resolve(t.visible, settings, depths=t.depths.tolist())) for t in (trial, other))
    np.testing.assert_array_equal(honest.dataset.voxels, changed.dataset.voxels)
    assert honest.record["findings"] == changed.record["findings"]
    assert honest.warnings == changed.warnings
    if method == "auto":  # has really tried what learns
        assert honest.record["findings"][0]["shares"]["section_sr"] > 0


@pytest.mark.parametrize("method", ["auto", "section_sr"])
def test_a_method_that_is_shown_a_hidden_section_is_found_out(tissue, method):
    """The test above can fail: a hundredth of a hidden section in a visible one changes what comes out."""
    settings = make_settings(method=method, preset="fast", device="cpu", threads=1, parameters=quick(method))
    results = []
    for hidden in (0, 65535):
        voxels = tissue.voxels.copy()
        voxels[:, :, 1::2] = np.where(hidden, hidden, voxels[:, :, 1::2])
        trial = make_trials(replace(tissue, voxels=voxels), Protocol("keep_every", every=2))[0]
        shown = trial.visible.voxels.copy()
        shown[:, :, 0] = shown[:, :, 0] * 0.99 + voxels[:, :, 1] * 0.01
        leaking = replace(trial.visible, voxels=shown)
        results.append(execute(resolve(leaking, settings, depths=trial.depths.tolist())).dataset.voxels)
    assert not np.array_equal(*results)


def test_changing_the_result_of_a_trial_leaves_the_input_alone():
    data = make(5)
    before = data.voxels.copy()
    for protocol in (*PROTOCOLS.values(), Protocol("projection", every=2)):
        for trial in make_trials(make(7) if protocol.kind == "hold_out" else data, protocol):
            trial.visible.voxels[:] = -1
    (trial,) = make_trials(data, Protocol("reference"), make(9, gap=1.0))
    trial.visible.voxels[:] = -1
    np.testing.assert_array_equal(data.voxels, before)
