"""The defaults of the Preferences page."""

from types import SimpleNamespace

from npe2 import PluginManager, PluginManifest

from napari_depth_interp.plugin import preferences


def test_defaults_are_those_of_the_manifest_also_where_npe2_knows_no_pages(monkeypatch):
    manifest = PluginManifest.from_distribution(preferences.PLUGIN)
    written = preferences._as_written()
    assert {"device", "preset"} <= set(written)
    pages = getattr(manifest.contributions, "configurations", None)  # npe2 0.9 and newer
    without = SimpleNamespace(contributions=SimpleNamespace())
    monkeypatch.setattr(PluginManager, "get_manifest", lambda *_: without)
    found = {name: preferences._default(name) for name in written}
    assert found == {name: each["default"] for name, each in written.items()}
    if pages is not None:
        assert found == {name: pages["defaults"].properties[name].default for name in written}
