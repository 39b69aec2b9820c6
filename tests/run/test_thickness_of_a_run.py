"""What a run takes the thickness of sections to be, and which methods use it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import correlate1d, gaussian_filter

from napari_depth_interp import io
from napari_depth_interp.errors import RequestError
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.inputs import prepare_dataset
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset
from napari_depth_interp.stack.profile import Profile

THICK = "thick (gaussian profile), and new ones are made as thick"


def stack(thickness=None, **options):
    voxels = np.random.default_rng(0).integers(0, 255, (5, 20, 20), dtype=np.uint8)
    made = Dataset.from_array(voxels, z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um", **options)
    return replace(made, grid=replace(made.grid, thickness=thickness))


def asked(dataset, **settings):
    return resolve(dataset, make_settings(factor=2, **{"method": "section_sr", **settings}))


class TestWhatItIs:
    @pytest.mark.parametrize(
        ("there", "settings", "profile"),
        [
            (None, {}, None),
            (1.5, {}, Profile("gaussian", 1.5)),
            (1.5, {"profile": "box"}, Profile("box", 1.5)),
            (1.5, {"thickness": "3000nm"}, Profile("gaussian", 3.0)),
            (None, {"thickness": "3"}, Profile("gaussian", 3.0)),
            (1.5, {"thickness": "none"}, None),
            (400.0, {}, None),  # no section is thicker than the stack
            (None, {"profile": "box"}, None),
        ],
    )
    def test_from_the_settings_or_the_file(self, there, settings, profile):
        request = asked(stack(there), **settings)
        assert request.dataset.acquisition == Acquisition(profile=profile)
        assert any(THICK in note for note in request.notes) == (profile == Profile("gaussian", 1.5) or
                                                                profile == Profile("gaussian", 3.0))  # fmt: skip
        assert request.record()["acquisition"] == ("slice" if profile is None else f"slice, {profile}")

    @pytest.mark.parametrize("settings", [{"thickness": "3um", "profile": "box"}, {"thickness": "none"}, {}])
    def test_saying_so_twice_is_saying_so_once(self, settings):
        once = prepare_dataset(stack(1.5), make_settings(**settings))
        twice = prepare_dataset(once, make_settings(**settings))
        assert (twice.acquisition, twice.thickness) == (once.acquisition, once.thickness)

    def test_the_profile_of_an_acquisition_stays(self):
        once = prepare_dataset(stack(1.5), make_settings(profile="box"))
        assert prepare_dataset(once, make_settings()).acquisition == once.acquisition

    def test_a_given_one_is_kept_with_the_result(self, tmp_path):
        result = execute(asked(stack(), thickness="3um", method="linear"))
        io.write(tmp_path / "a.ome.tif", result.dataset)
        assert io.read(tmp_path / "a.ome.tif").thickness == pytest.approx(3.0)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"thickness": "3px"}, "unit 'px'"),
            ({"thickness": "-3"}, "is not a length"),
            ({"thickness": "11um"}, "thicker than the whole stack; correct --thickness"),
            ({"thickness": "3um", "acquisition": "projection:2"}, "is as thick as its sections together"),
        ],
    )
    def test_refusals(self, settings, message):
        with pytest.raises(RequestError, match=message):
            asked(stack(), **settings)

    def test_a_projection_is_as_thick_as_its_sections(self):
        assert asked(stack(1.5), acquisition="projection:2").dataset.acquisition == Acquisition(2)


class TestWhoUsesIt:
    def test_a_method_that_does_not_says_so_and_takes_sections_to_be_thin(self):
        thin, thick = (asked(stack(), method="cubic", **given) for given in ({}, {"thickness": "3um"}))
        assert thick.notes == ("cubic makes no use of the thickness: it takes sections to be thin",)
        assert thin.notes == asked(stack(1.5), method="cubic").notes == ()  # nobody asked for it
        np.testing.assert_array_equal(execute(thin).dataset.voxels, execute(thick).dataset.voxels)

    def test_observed_sections_come_back_unchanged(self):
        few = {"training_steps": 10, "channels": 4, "blocks": 1}
        result = execute(asked(stack(), thickness="3um", parameters=few))
        np.testing.assert_array_equal(result.dataset.voxels[0, 0, ::2], stack().voxels[0, 0])
        thin = execute(asked(stack(), parameters=few))
        assert (result.dataset.voxels != thin.dataset.voxels).any()


def grains(thickness):
    """Grains alike along all axes, averaged along z over so many micrometres; every 6th section is kept."""
    made = gaussian_filter(np.random.default_rng(0).standard_normal((121, 64, 64)), 1.5)
    if thickness:
        made = correlate1d(made, Profile("gaussian", thickness).kernel(0.5), axis=0)
    return Dataset.from_array(made[::6], z_spacing=3.0, pixel_size=(0.5, 0.5), unit="um")


class TestOverlap:
    @staticmethod
    def noisy(sigma):
        """Noise on large grains, smoothed along z by ``sigma`` sections."""
        rng = np.random.default_rng(0)
        grains = gaussian_filter(rng.standard_normal((13, 64, 64)), (2, 4, 4))
        made = gaussian_filter(grains / grains.std() + rng.standard_normal((13, 64, 64)), (sigma, 0, 0))
        return Dataset.from_array(made, z_spacing=3.0, pixel_size=(0.5, 0.5), unit="um")

    def test_sections_that_share_their_noise_are_thick(self):
        request = asked(self.noisy(0.6))
        assert request.dataset.acquisition.profile.thickness == pytest.approx(3 * 2.355 * 0.6, rel=0.2)
        assert request.notes[0].startswith("the sections seem to be ")
        assert request.dataset.grid.thickness is None
        again = resolve(request.dataset, make_settings(factor=2, method="section_sr"))
        assert again.dataset.acquisition == request.dataset.acquisition

    @pytest.mark.parametrize("settings", [{"thickness": "none"}, {"method": "cubic"}])
    def test_not_where_it_is_refused_or_of_no_use(self, settings):
        request = asked(self.noisy(0.6), **settings)
        assert request.dataset.acquisition == Acquisition()
        assert request.notes == ()

    def test_sections_with_noise_of_their_own_are_thin(self):
        assert asked(self.noisy(0.0)).dataset.acquisition == Acquisition()

    def test_new_sections_are_nearer_to_the_truth(self):
        dense, few = self.noisy(1.2), {"training_steps": 60, "channels": 8, "blocks": 1}
        kept = replace(dense, voxels=dense.voxels[:, :, ::2], grid=replace(dense.grid, depths=dense.grid.depths[::2]))

        def error(method, **settings):
            made = execute(asked(kept, method=method, **settings)).dataset.voxels[0, 0, 1::2]
            return float(np.mean((made - dense.voxels[0, 0, 1::2]) ** 2))

        thick, thin = (error("section_sr", parameters=few, **told) for told in ({}, {"thickness": "none"}))
        assert thick < error("linear") < thin


class TestEstimate:
    def test_a_thickness_is_found_and_said(self):
        request = asked(grains(4.0), thickness="estimate")
        assert request.dataset.acquisition.profile.thickness == pytest.approx(4.0, rel=0.1)
        assert request.dataset.thickness is None
        assert request.notes[0].startswith("the sections seem to be ")
        assert request.notes[0].endswith(THICK)
        box = asked(grains(4.0), thickness="estimate", profile="box").dataset.acquisition.profile
        assert box.sigma == pytest.approx(request.dataset.acquisition.profile.sigma, rel=0.2)

    def test_nothing_is_found_where_nothing_is(self):
        request = asked(grains(None), thickness="estimate")
        assert request.dataset.acquisition == Acquisition()
        assert "taken to be thin" in request.notes[0]

    def test_other_methods_are_not_asked(self):
        request = asked(grains(4.0), thickness="estimate", method="cubic")
        assert request.dataset.acquisition == Acquisition()
        assert "makes no use of the thickness" in request.notes[0]

    def test_refusals(self):
        voxels = stack().voxels[0, 0]
        for known, why in (({"z_spacing": 2.0}, "no pixel size is known"),
                           ({"depths": [0, 1, 2, 4, 5], "pixel_size": (0.5, 0.5)}, "unevenly spaced")):  # fmt: skip
            with pytest.raises(RequestError, match=why):
                asked(Dataset.from_array(voxels, **known), thickness="estimate")
