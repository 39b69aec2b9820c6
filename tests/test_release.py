"""What a release checks and writes, without making one."""

from xml.etree import ElementTree

import pytest
import yaml

import release

LOG = "# Changelog\n\n## Unreleased\n\n### Added\n\n- A method.\n\n## 0.1.0 - 2026-01-01\n\n- The first one.\n"


def test_the_version_follows_the_last_tag():
    known = ["0.9.0", "0.10.0", "1.0.0rc1"]
    assert [release.next_version(word, known) for word in ("patch", "minor", "major")] == ["0.10.1", "0.11.0", "1.0.0"]
    assert release.next_version("2.0.0rc1", known) == "2.0.0rc1"


@pytest.mark.parametrize(
    ("wanted", "known", "said"),
    [("0.9.0", ["0.9.0"], "there already"), ("patch", [], "no tag yet"), ("1.0", [], "is no version")],
)
def test_what_is_no_new_version_is_refused(wanted, known, said):
    with pytest.raises(release.Refused, match=said):
        release.next_version(wanted, known)


def test_the_changelog_moves_under_the_version_and_must_tell_something():
    moved = release.released(LOG, "0.2.0", "2026-02-02")
    assert moved.startswith("# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-02-02\n\n### Added")
    assert release.notes_of(moved, "0.2.0") == "### Added\n\n- A method.\n"
    assert release.notes_of(moved, "0.1.0") == "- The first one.\n"
    with pytest.raises(release.Refused, match="tells nothing"):
        release.released(moved, "0.3.0", "2026-03-03")


def test_the_version_is_written_where_it_stands(tmp_path, monkeypatch):
    release_root = release.ROOT
    monkeypatch.setattr(release, "ROOT", tmp_path)
    (tmp_path / release.SOURCE).parent.mkdir(parents=True)
    (tmp_path / release.SOURCE).write_text('a = 1\n__version__ = "0.1.0.dev0"\n')
    for name in (release.RECIPE, release.GALAXY):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text((release_root / name).read_text())
    (tmp_path / release.CITATION).write_text("cff-version: 1.2.0\nversion: 0.1.0.dev0\ntitle: x\n")
    for version in ("0.1.0", "0.2.0"):
        release.write_version(version, "the changelog")
        assert f'__version__ = "{version}"' in release.read(release.SOURCE)
        cited = release.read(release.CITATION)
        assert cited == f"cff-version: 1.2.0\nversion: {version}\ndate-released: {release.today()}\ntitle: x\n"
        assert yaml.safe_load(release.read(release.RECIPE))["context"]["version"] == version
        assert ElementTree.fromstring(release.read(release.GALAXY)).findtext("macros/token") == version
    assert release.read(release.CHANGELOG) == "the changelog"


def test_the_recipe_for_conda_forge_gets_the_hash_of_the_sdist():
    filled = release.recipe_of(release.read(release.RECIPE), "0a" * 32)
    assert yaml.safe_load(filled)["source"]["sha256"] == "0a" * 32
    with pytest.raises(release.Refused, match="64 zeros"):
        release.recipe_of(filled, "0b" * 32)
