"""The documentation names all there is; its tables come from the code. `make docs` builds and checks the pages."""

import re
from pathlib import Path

import pytest
from PIL import Image
from pydantic import Field

import docs_tables as tables
from napari_depth_interp.damage.kinds import KINDS
from napari_depth_interp.damage.settings import RepairSettings
from napari_depth_interp.fusion.configs import CONFIGS
from napari_depth_interp.fusion.settings import FuseSettings
from napari_depth_interp.labels.methods import registry as label_registry
from napari_depth_interp.labels.settings import LabelSettings
from napari_depth_interp.method import MethodConfig, MethodSpec
from napari_depth_interp.methods import registry
from napari_depth_interp.metrics import CATALOGUE
from napari_depth_interp.run.settings import Settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
METHODS = DOCS / "reference" / "methods"
EVERY_METHOD = pytest.mark.parametrize("name", registry.names())
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


class TestMethods:
    @EVERY_METHOD
    def test_has_a_page_with_its_parameters(self, name):
        spec = registry.get(name)
        page = METHODS / tables.page_of(spec, METHODS)
        assert page.is_file(), f"write docs/reference/methods/{name}.md"
        text = page.read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert re.search(r"^## When (not )?to use|^## What to expect|^## How good it is", text, re.MULTILINE), page
        shown = tables.parameters([spec])
        for parameter, field in spec.config.model_fields.items():
            assert f"`{parameter}`" in shown
            assert tables._cell(field.description) in shown
        for preset in spec.presets:
            assert f"`{preset}`" in shown

    @EVERY_METHOD
    def test_its_page_names_the_source(self, name):
        text = (METHODS / tables.page_of(registry.get(name), METHODS)).read_text(encoding="utf-8")
        assert re.search(r"^Source: .+", text, re.MULTILINE), "say which paper to cite, or that none is needed"

    def test_the_tables_of_the_readme_name_methods(self):
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        for heading, fewest in (("Methods", 16), ("How to cite", 16)):
            rows = re.findall(r"^\|(.*?)\|", readme.split(f"## {heading}\n")[1].split("\n## ")[0], re.MULTILINE)
            named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
            assert len(named) >= fewest
            assert set(named) <= set(registry.names())

    def test_a_new_method_gets_its_tables(self, tmp_path):
        class Config(MethodConfig):
            level: float = Field(0.5, gt=0, le=1, title="Level", description="Share | of it.")
            model: Path | None = Field(None, title="Model", description="A folder.")

        spec = MethodSpec(
            "brightest", "Brightest", "Maximum.", Config, lambda c, r: None, "none", None, gives_uncertainty=True
        )
        assert tables.page_of(spec, tmp_path) == "brightest.md"
        shown = tables.parameters([spec])
        assert "| `level` | `0.5` | number > 0, ≤ 1 | **Level.** Share \\| of it. |" in shown
        assert "| `model` | `none` | path or none | **Model.** A folder. |" in shown
        facts = tables.facts([spec])
        assert "| uncertainty | yes |" in facts
        assert "| training data | none, or a trained model |" in facts

    def test_methods_of_one_module_share_its_page(self):
        pages = tables.specs_of_pages(METHODS)
        assert [spec.name for spec in pages["classical.md"]] == ["nearest", "linear", "cubic"]
        assert {path.name for path in METHODS.glob("*.md")} - {"index.md"} <= set(pages), "a page about no method"

    def test_the_overview_links_every_page(self):
        assert "<!-- table: methods_overview -->" in (METHODS / "index.md").read_text(encoding="utf-8")
        text = tables.methods_overview()
        assert set(re.findall(r"\]\((\w+\.md)\)", text)) == set(tables.specs_of_pages(METHODS))


class TestReference:
    def test_every_command_and_option(self):
        text = tables.command_line()
        found = dict(tables.commands())
        assert {"depth-interp run", "depth-interp evaluate", "depth-interp train"} <= set(found)
        for name, command in found.items():
            section = text.split(f"## {name}\n")[1].split("\n## ")[0]
            for parameter in command.params:
                option = parameter.param_type_name == "option"
                for word in parameter.opts if option else [tables._placeholder(parameter)]:
                    assert word in section, (name, word)
            assert command.help in section

    def test_every_setting_and_score(self):
        assert all(f"| `{name}` |" in tables.settings() for name in Settings.model_fields)
        assert all(f"| `{name}` |" in tables.label_settings() for name in LabelSettings.model_fields)
        assert all(f"| `{name}` |" in tables.repair_settings() for name in RepairSettings.model_fields)
        assert all(f"| `{name}` |" in tables.fuse_settings() for name in FuseSettings.model_fields)
        assert all(f"| `{name}` |" in tables.fuse_methods() for kind in CONFIGS.values() for name in kind.model_fields)
        assert all(f"| `{name}` |" in tables.damage_kinds() for name in KINDS)
        assert all(f"| `{name}` |" in tables.label_methods() for name in label_registry.SPECS)
        assert all(f"| `{name}` |" in tables.metrics() for name in CATALOGUE)

    def test_the_manifest(self):
        text = tables.manifest()
        for words in (
            "Compare methods",
            "Plugins, Layers > transform",
            "`*.nii.gz`",
            "`.tif`",
            "Colour of new sections",
        ):
            assert words in text

    def test_markers_name_tables(self):
        used = {
            name for page in PAGES for name in re.findall(r"<!-- table: (\w+) -->", page.read_text(encoding="utf-8"))
        }
        assert {"command_line", "settings", "metrics", "manifest", "label_settings", "label_methods"} <= used
        assert all(callable(getattr(tables, name)) for name in used)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_pictures_are_there(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"src(?:set)?=\"([^\"]+)\"", text)
    for target in targets:
        path = target.partition("#")[0]
        generated = {"explanation/benchmarks.md", "contributing.md", "changelog.md"}
        if path and "://" not in path:
            found = (page.parent / path).resolve()
            assert found.exists() or found.relative_to(DOCS).as_posix() in generated, f"{page.name}: {target}"


def test_pictures_are_used_and_modest():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (DOCS / "images").iterdir():
        assert picture.name in text, f"nobody shows {picture.name}"
        assert picture.stat().st_size < 3e6
    with Image.open(DOCS / "images" / "recording.gif") as recording:
        assert recording.n_frames > 20
        assert recording.width >= 800


def test_the_tutorials_name_what_is_in_the_window():
    """Words in italics or bold that name a menu, a box or a button of the widgets."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("plugin/**/*.py"))
    code += (ROOT / "src" / "napari_depth_interp" / "napari.yaml").read_text(encoding="utf-8")
    code += "".join(spec.title for spec in registry.specs())
    for words in (
        "Runs and scores",
        "Copy as command",
        "Leave one out",
        "Depth of each section",
        "Optical flow",
        "Preview",
    ):
        assert words in code
        assert any(words in page.read_text(encoding="utf-8") for page in PAGES), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_shown_are_there(page):
    """`ruff format` takes the marker of a shown file for code, unless the block says ``{.python}``."""
    for line in re.findall(r"^.*8 ?<.*\.(?:py|toml).*$", page.read_text(encoding="utf-8"), re.MULTILINE):
        shown = re.fullmatch(r'--8<-- "(.+)"', line)
        assert shown, line
        assert (ROOT / shown[1]).is_file(), line


def test_every_cell_of_the_comparison_says_where_it_comes_from():
    """Run here, or from its documentation: each statement of a cell that names two is marked, too."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Compared with what people use today")[2]
    head, _, *rows = re.findall(r"^\|(.*)\|$", text.partition("\n## ")[0], re.MULTILINE)
    assert "CAFI" in head
    assert len(rows) > 8
    for row in rows:
        title, *cells = row.split("|")
        for cell in cells:
            assert re.search(r"\*\*[rd]\*\*\s*$", cell), f"{title}: {cell}"
