"""Which methods have a preset that is the recipe of their paper, and what such a preset has to keep."""

import re
from pathlib import Path

import pytest

from napari_depth_interp.methods import registry

PUBLISHED = {"kplanes", "msdsr", "msdsr_kplanes", "inr", "microdiffusion", "rrdb_gan", "srcnn", "cae"}
"""Methods of a paper; each has a test of its recipe piece by piece, named after what is published."""

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "methods"


def test_these_methods_have_it_and_no_others():
    assert {spec.name for spec in registry.specs() if "published" in spec.presets} == PUBLISHED


@pytest.mark.parametrize("name", sorted(PUBLISHED))
class TestEach:
    def test_its_values_are_valid_and_not_our_defaults(self, name):
        spec = registry.get(name)
        config = spec.config(**spec.presets["published"])
        assert config != spec.config()

    def test_its_page_has_the_one_table(self, name):
        text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        columns = r"paper[^|]*\| *preset `published` *\| *our default and why"
        assert len(re.findall(rf"^\|(?:[^|]*\|)? *{columns} *\|$", text, re.MULTILINE)) == 1
