"""``depth-interp evaluate`` with several stacks, contenders with presets, and LPIPS; never over the internet."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backbones import drawn
from command_line import ENVIRONMENT, check_failure, fail, many, noise, run_json, succeed, write_imagej

KEYS = ["input", "stack", "protocol", "data_range", "device", "settings", "lpips", "methods"]
ALEXNET = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"


@pytest.fixture
def stacks(tmp_path):
    """Two stacks of 5 sections of 32 x 34 pixels."""
    return [write_imagej(tmp_path / f"{name}.tif", noise((5, 32, 34), seed=i)) for i, name in enumerate("ab")]


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """All of the internet stands behind a proxy that does not answer; the cache is empty."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setitem(ENVIRONMENT, name, "http://127.0.0.1:9")
    monkeypatch.setitem(ENVIRONMENT, "NO_PROXY", "")
    monkeypatch.setitem(ENVIRONMENT, "no_proxy", "")
    monkeypatch.setitem(ENVIRONMENT, "XDG_CACHE_HOME", str(tmp_path / "cache"))


def scores_of(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, parse_constant=pytest.fail)  # NaN and Infinity are no JSON


def without_measurements(scores):
    """Leave out what differs from run to run."""
    for method in scores["methods"]:
        del method["seconds"], method["peak_memory_mb"]
    return scores


def test_one_stack_gives_its_scores_and_two_give_both_and_a_summary(stacks):
    options = ["--methods", "linear,cubic", "--keep-every", 2]
    *single, both = (scores_of(done) for done in many([["evaluate", *paths, *options] for paths in (
        stacks[:1], stacks[1:], stacks,
    )]))  # fmt: skip
    assert [list(scores) for scores in single] == [KEYS, KEYS]
    assert list(both) == ["stacks", "summary"]
    assert [without_measurements(each) for each in both["stacks"]] == [without_measurements(each) for each in single]
    assert [each["input"] for each in both["stacks"]] == ["a.tif", "b.tif"]
    cubic = both["summary"]["cubic"]["psnr"]
    psnr = [[method["volume"]["psnr"] for method in scores["methods"]] for scores in single]
    assert cubic["mean"] == pytest.approx((psnr[0][1] + psnr[1][1]) / 2)
    assert cubic["difference"] == pytest.approx((psnr[0][1] - psnr[0][0] + psnr[1][1] - psnr[1][0]) / 2)
    assert (cubic["n"], cubic["p_value"]) == (2, None)
    assert set(both["summary"]["linear"]["psnr"]) == {"mean", "std", "stacks"}


def test_two_stacks_give_two_tables(stacks):
    done = succeed("evaluate", *stacks, "--keep-every", 2)
    headings = [line for line in done.stdout.splitlines() if "one section in 2 kept" in line]
    assert [heading.split(":")[0] for heading in headings] == ["a.tif", "b.tif"]
    assert "LPIPS" not in done.stdout
    assert done.stderr == ""


def test_protocols_and_contenders(stacks):
    sr4 = write_imagej(stacks[0].parent / "sr4.tif", noise((9, 18, 21)))
    names = ["linear", "cubic:fast", "cubic:kind=spline"]
    first, second = many(
        [
            ["evaluate", sr4, "--methods", "linear", "--protocol", "sr4"],
            ["evaluate", stacks[0], "--methods", ",".join(names), "--leave-one-out", "--seed", 3],
        ]
    )
    pooled = scores_of(first)
    assert pooled["protocol"]["kind"] == "sr4"
    assert "4 x 4 x 4 voxels" in pooled["protocol"]["description"]
    assert pooled["stack"]["shape"] == [1, 1, 9, 18, 21]
    assert [row["index"] for row in pooled["methods"][0]["sections"]] == list(range(8))
    contenders = scores_of(second)
    assert [each["method"] for each in contenders["methods"]] == names
    assert [each["config"].get("kind") for each in contenders["methods"]] == [None, "catmull-rom", "spline"]
    assert contenders["settings"] == {"seed": 3}


def test_usage(stacks, tmp_path):
    a, b = stacks
    cases = [
        ([a, b, "--reference", a], "--reference is the truth of one stack, got 2"),
        ([a, "--leave-one-out", "--lpips-weights", tmp_path / "w.pth"], "add --lpips alex, vgg or squeeze"),
        ([a, "--leave-one-out", "--lpips", "resnet"], "LPIPS knows the networks alex, vgg, squeeze, not 'resnet'"),
        (
            [a, "--leave-one-out", "--methods", "cubic:fst"],
            "preset: input should be 'fast', 'balanced', 'best', 'sharp' or 'published'",
        ),
        ([a, "--leave-one-out", "--methods", "cubic:kind=x"], "cubic: kind: input should be"),
        ([a, "--protocol", "sr4"], "at least 2n sections"),
        ([a, "--protocol", "sr5"], "projection:6, or sr4"),
        ([a, "--protocol", "sr4", "--leave-one-out"], "choose one protocol"),
    ]
    for done, (options, words) in zip(many(["evaluate", *options] for options, _ in cases), cases, strict=True):
        assert words in check_failure(done, 2), options


def test_a_missing_stack_among_several_is_named(stacks, tmp_path):
    assert f"there is no file '{tmp_path / 'c.tif'}'" in fail(
        1, "evaluate", stacks[0], tmp_path / "c.tif", "--leave-one-out"
    )


@pytest.mark.usefixtures("offline")
class TestLpips:
    def test_without_internet_everything_else_is_computed(self, stacks):
        done = succeed("evaluate", *stacks, "--keep-every", 2, "--lpips", "alex", "--json")
        found = json.loads(done.stdout)
        for scores in found["stacks"]:
            assert scores["lpips"]["weights"] is None
            assert ALEXNET in scores["lpips"]["problem"]
            for method in scores["methods"]:
                assert method["mean"]["psnr"] > 0
                assert (method["mean"]["lpips"], method["volume"]["lpips_planes"]) == (None, None)
        announced, problem = done.stderr.splitlines()
        assert announced == f"warning: loading the weights of alexnet once, 244 MB, from {ALEXNET}"
        assert problem.startswith(f"warning: LPIPS is n/a: {ALEXNET} cannot be loaded: ")
        assert problem.endswith("give it with --lpips-weights FILE; everything else was computed")

    def test_the_table_says_that_it_is_not_available(self, stacks):
        done = succeed("evaluate", stacks[0], "--keep-every", 2, "--lpips", "vgg")
        assert "LPIPS: n/a, the weights of the network vgg cannot be had" in done.stdout.splitlines()
        assert "553 MB" in done.stderr
        assert "LPIPS is n/a: https://" in done.stderr
        rows = [line for line in done.stdout.splitlines() if line.startswith("│ linear ")]
        assert "-" in [cell.strip() for cell in rows[0].split("│")]

    def test_weights_from_a_file(self, stacks, tmp_path):
        save_file(drawn("squeeze"), tmp_path / "w.safetensors")
        torch.save(drawn("squeeze"), tmp_path / "w.pth")
        small = write_imagej(tmp_path / "small.tif", noise((5, 12, 14)))
        options = ["--methods", "linear", "--keep-every", 2, "--lpips", "squeeze", "--lpips-weights"]
        found = [scores_of(done) for done in many(
            ["evaluate", path, *options, tmp_path / name]
            for path, name in [(stacks[0], "w.safetensors"), (stacks[0], "w.pth"), (small, "w.pth")]
        )]  # fmt: skip
        first, second, tiny = (scores["methods"][0] for scores in found)
        assert first["mean"]["lpips"] > 0
        assert first["mean"]["lpips_fg"] > 0
        assert second["mean"]["lpips"] == pytest.approx(first["mean"]["lpips"], rel=1e-5)
        assert first["volume"]["lpips_planes"] is None  # 5 sections are too few
        assert tiny["mean"]["lpips"] is None
        assert found[0]["lpips"]["problem"] is None
        assert found[0]["lpips"]["weights"] != found[1]["lpips"]["weights"]  # two files
        assert not (tmp_path / "cache").exists()
        said = succeed("evaluate", small, *options, tmp_path / "w.pth")
        assert "LPIPS: n/a, the sections are too small for the network squeeze" in said.stdout
        assert said.stderr == ""

    def test_a_file_that_cannot_be_used_is_said_in_one_line(self, stacks, tmp_path):
        (tmp_path / "w.pth").write_text("hello, not found")
        scores = run_json(
            "evaluate", stacks[0], "--keep-every", 2, "--lpips", "alex", "--lpips-weights", tmp_path / "w.pth"
        )
        assert f"'{tmp_path / 'w.pth'}' cannot be read as weights" in scores["lpips"]["problem"]
        assert "\n" not in scores["lpips"]["problem"]
        assert scores["methods"][0]["mean"]["psnr"] > 0


def test_labels_add_segmentations_to_table_report_and_json(tmp_path):
    voxels = np.zeros((9, 32, 34), np.uint16)
    voxels[2:7, 8:20, 8:20] = 200
    stack = write_imagej(tmp_path / "stack.tif", voxels)
    labels = write_imagej(tmp_path / "labels.tif", (voxels > 0).astype(np.uint8))
    options = ["--labels", labels, "--keep-every", 2, "--methods", "nearest"]
    done = succeed("evaluate", stack, *options, "--report", tmp_path / "report")
    assert "watershed, on all sections" in done.stdout
    assert "Segmenting (otsu): filling" in done.stdout
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "compared with the 1 objects drawn in labels.tif" in page
    found = run_json("evaluate", stack, *options)["downstream"]
    rows = (tmp_path / "report" / "segmentations.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + len(found["rows"])
    for row in found["rows"]:
        assert f'data-score="downstream.{row["segmenter"]}.{row["grid"]}.f1" data-value="{row["f1"]!r}"' in page
    assert "write --as-labels" in fail(2, "evaluate", stack, "--labels", "--keep-every", 2)
    assert "add --labels FILE" in fail(2, "evaluate", stack, "--keep-every", 2, "--segment", "a {in} {out}")
