"""Recipes of other places say what pyproject.toml says."""

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import yaml

from command_line import depth_interp
from napari_depth_interp import io

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ON_CONDA = {"huggingface-hub": "huggingface_hub", "opencv-python-headless": "py-opencv", "torch": "pytorch"}
OPENCV = "py-opencv >=4.10.0.84"  # the fourth number counts builds for PyPI, which conda-forge does not have


def test_the_conda_recipe_asks_for_the_same_packages():
    recipe = yaml.safe_load((PACKAGING / "conda-forge" / "recipe.yaml").read_text(encoding="utf-8"))
    asked = [re.fullmatch(r"([\w-]+)(>=.*)", line).groups() for line in PROJECT["dependencies"]]
    python, *run = recipe["requirements"]["run"]
    there = [f"{ON_CONDA.get(name, name)} {bound}" for name, bound in asked]
    assert sorted(run) == sorted(line.removesuffix(".84") if line == OPENCV else line for line in there)
    assert PROJECT["requires-python"] == f">={recipe['context']['python_min']}"
    assert python == "python >=${{ python_min }}"


def test_the_galaxy_tool_uses_options_and_methods_that_there_are():
    tool = ElementTree.parse(PACKAGING / "galaxy" / "depth_interp.xml").getroot()
    [stack] = tool.findall("tests/test/param[@name='stack']")
    assert io.read(PACKAGING / "galaxy" / "test-data" / stack.get("value")).voxels.shape == (1, 1, 9, 40, 36)
    command = tool.findtext("command")
    help_text = depth_interp("run", "--help").stdout
    assert all(option in help_text for option in re.findall(r"--[a-z-]+", command))
    methods = {option.get("value") for option in tool.find("./inputs/param[@name='method']")}
    assert methods <= set(re.findall(r"^(\w+):", depth_interp("methods").stdout, re.MULTILINE))


def test_the_workflows_use_options_that_there_are():
    help_text = depth_interp("run", "--help").stdout + depth_interp("evaluate", "--help").stdout
    for name in ("snakemake/Snakefile", "nextflow/main.nf"):
        text = (PACKAGING / name).read_text(encoding="utf-8")
        commands = re.findall(r'[" ](depth-interp [\s\S]*?)(?:"""|2>|\n\n)', text)
        used = re.findall(r"--[a-z-]+", "".join(commands))
        assert used, name
        assert set(used) <= set(re.findall(r"--[a-z-]+", help_text)), name
