"""Whole batches in this process: what is made, what is skipped, what is refused, how it is stopped."""

import csv
import os
import threading
from dataclasses import replace

import numpy as np
import pytest
import tifffile

import napari_depth_interp as ndi
from batches import fill, plan, stack, states, tree
from napari_depth_interp import batch as batch_module
from napari_depth_interp.batch import Processes, Stop, run_batch
from napari_depth_interp.batch import task as task_module
from napari_depth_interp.batch.record import COLUMNS, FileRecord, State, write_summary
from napari_depth_interp.batch.runner import Tally
from napari_depth_interp.batch.workspace import FOLDER, opened
from napari_depth_interp.errors import DepthInterpError, OutputError, RequestError
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run.result import Result
from ome_files import plane, with_companion
from quick import QUICK

ALL = {"recursive": True}


def run(source, target, stop=None, **options):
    return run_batch(plan(source, target, **ALL, **options), stop=stop)


def table(target):
    with (target / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


class TestResults:
    def test_mirror_the_tree_and_equal_single_runs(self, source, target, tmp_path):
        summary = run(source, target)
        assert set(states(summary).values()) == {"done"}
        assert set(tree(target)) == {"a.tif", "b.tif", "c.tif", "sub/d.tif", "sub/deep/e.tif"}
        ndi.interpolate(source / "sub/d.tif", method="linear", factor=2, threads=1).save(tmp_path / "alone.tif")
        assert (target / "sub/d.tif").read_bytes() == (tmp_path / "alone.tif").read_bytes()

    def test_a_set_of_files_gives_one_result_and_any_of_them_counts(self, tmp_path, target):
        source = tmp_path / "sets"
        source.mkdir()
        with_companion(source, ["s0.ome.tif", "s1.ome.tif", "s2.ome.tif"])
        assert states(run(source, target)) == {"set.companion.ome": "done"}
        assert set(tree(target)) == {"set.ome.tif"}
        np.testing.assert_array_equal(Result.load(target / "set.ome.tif").values[::2], [plane(z) for z in range(3)])
        assert states(run(source, target, resume=True)) == {"set.companion.ome": "skipped"}
        content = bytearray((source / "s2.ome.tif").read_bytes())
        content[-1] ^= 1
        (source / "s2.ome.tif").write_bytes(content)
        assert states(run(source, target, resume=True)) == {"set.companion.ome": "done"}

    def test_same_bytes_again(self, source, target, tmp_path):
        run(source, target, method="flow")
        run(source, tmp_path / "again", method="flow")
        assert tree(target) == tree(tmp_path / "again")

    def test_one_bad_file_ends_nothing(self, source, target):
        (source / "b.tif").write_bytes(b"II*\0nothing")
        (source / "bb.tif").write_bytes(b"")
        tifffile.imwrite(source / "plain.tif", stack(7), photometric="minisblack")  # no spacing
        (source / "series.tif").mkdir()
        pipes = ["pipe.tif"] if hasattr(os, "mkfifo") else []  # Windows has none
        for name in pipes:
            os.mkfifo(source / name)
        (source / "lost.tif").symlink_to("nowhere.tif")
        summary = run(source, target)
        failed = {row.file: row.reason for row in summary.rows if row.state == "failed"}
        assert set(failed) == {"b.tif", "bb.tif", "plain.tif", "series.tif", "lost.tif", *pipes}
        assert "empty" in failed["bb.tif"]
        assert "--z-spacing" in failed["plain.tif"]
        assert "is a folder" in failed["series.tif"]
        assert all("no ordinary file" in failed[name] for name in pipes)
        assert "there is no file" in failed["lost.tif"]
        assert summary.describe() == f"4 done, {5 + len(pipes)} failed"
        assert set(tree(target)) == {"a.tif", "c.tif", "sub/d.tif", "sub/deep/e.tif"}
        assert failed["plain.tif"] in (target / "summary.csv").read_text()
        assert failed["bb.tif"] in summary.log.read_text()

    def test_an_unforeseen_error_is_told_with_its_traceback_in_the_log(self, source, target, trouble):
        summary = run(source, target, method="trouble", parameters={"victim": 1001, "what": "error"})
        assert states(summary)["b.tif"] == "failed"
        assert summary.count("done") == 4
        assert "RuntimeError: the fit went wrong" in summary.rows[1].reason
        assert "Traceback" in summary.log.read_text()
        assert "Traceback" not in (target / "summary.csv").read_text()

    @pytest.mark.parametrize(
        ("what", "words"),
        [
            ("memory", "not enough memory; use a smaller factor"),
            ("gpu", r"the memory of the GPU is full .*--device cpu"),
        ],
    )
    def test_out_of_memory_costs_one_file(self, source, target, trouble, what, words):
        summary = run(source, target, method="trouble", parameters={"victim": 1002, "what": what, "steps": 1})
        assert summary.describe() == "4 done, 1 failed"
        with pytest.raises(AssertionError, match=words):
            raise AssertionError(summary.rows[2].reason)
        again = run(source, target, resume=True, method="trouble", parameters={"what": "slow", "steps": 1, "victim": 0})
        assert again.describe() == "5 done"

    def test_scores_are_those_of_evaluate(self, source, target):
        fill(source, ["a.tif"], shape=(9, 16, 16))
        run(source, target, method="cubic", keep_every=2, data_range=(0.0, 200.0))
        row = table(target)["a.tif"]
        scores = ndi.evaluate(source / "a.tif", ["linear", "cubic"], keep_every=2, data_range=(0.0, 200.0))
        linear, cubic = scores.methods
        assert float(row["psnr"]) == cubic.volume["psnr"]
        assert float(row["ssim"]) == cubic.mean["ssim"]
        assert float(row["gain_over_linear_db"]) == cubic.volume["psnr"] - linear.volume["psnr"]
        record = Result.load(target / "a.tif").record
        assert record["scores"]["gain_db"] == float(row["gain_over_linear_db"])

    def test_uncertainty_beside_the_result(self, source, target):
        options = {"method": "auto", "parameters": {"candidates": "cubic"}, "uncertainty": True}
        summary = run_batch(plan(source, target, patterns=("a.tif",), **options))
        assert set(tree(target)) == {"a.tif", "a_uncertainty.tif"}
        assert tifffile.imread(target / "a_uncertainty.tif").dtype == np.float32
        assert summary.rows[0].uncertainty_sha256
        again = run_batch(plan(source, target, patterns=("a.tif",), resume=True, **options))
        assert states(again) == {"a.tif": "skipped"}
        (target / "a_uncertainty.tif").unlink()
        assert run_batch(plan(source, target, patterns=("a.tif",), resume=True, **options)).count("done") == 1

    def test_odd_names(self, source, target):
        names = ["Gewebe µm – 組織 [1].tif", "line\nbreak.tif", "=1+1.tif", "x" * 240 + ".tif"]
        fill(source, names)
        if os.name == "posix":
            names.append(os.fsdecode(b"caf\xe9.tif"))
            (source / "a.tif").rename(source / names[-1])
        summary = run(source, target)
        assert {states(summary)[name] for name in names} == {"done"}
        assert set(names) <= set(tree(target))
        assert "line\nbreak.tif" in table(target)
        assert run(source, target, resume=True).count("skipped") == len(summary.rows)

    def test_a_link_out_of_the_output_folder_is_not_followed(self, source, target, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        target.mkdir()
        (target / "sub").symlink_to(tmp_path / "elsewhere")
        summary = run(source, target)
        assert states(summary)["sub/d.tif"] == "failed"
        assert "link out of the output folder" in summary.rows[3].reason
        assert list((tmp_path / "elsewhere").iterdir()) == []
        assert summary.count("done") == 3

    def test_the_table_and_the_log(self, source, target):
        summary = run(source, target)
        rows = table(target)
        assert list(rows) == [row.file for row in summary.rows]
        assert list(rows["a.tif"]) == list(COLUMNS)
        assert rows["a.tif"]["sections"] == "7"
        assert (rows["a.tif"]["spacing"], rows["a.tif"]["unit"]) == ("1.0", "um")
        log = summary.log.read_text()
        assert "sub/d.tif: begun" in log
        assert "5 done" in log
        assert '"factor":2' in log
        run(source, target, resume=True)
        assert len(list(target.glob("batch-*.log"))) == 2

    def test_nothing_else_is_left_in_the_output_folder(self, source, target):
        run(source, target)
        hidden = {path.relative_to(target / FOLDER).parts[0] for path in (target / FOLDER).rglob("*")}
        assert hidden == {"records", "lock"}
        assert not list(target.rglob(".depth-interp-?*.*"))

    def test_a_file_that_is_still_being_copied(self, source, target, monkeypatch):
        real = task_module.execute

        def copied_meanwhile(request, *others):
            with (source / "a.tif").open("ab") as file:
                file.write(b"more")
            return real(request, *others)

        monkeypatch.setattr(task_module, "execute", copied_meanwhile)
        summary = run_batch(plan(source, target, patterns=("a.tif",)))
        assert "was changed while it was being read" in summary.rows[0].reason
        assert tree(target) == {}


def test_images_in_folders(source, target):
    """OME-Zarr in, OME-Zarr out, streamed; resumed by the content of the folder."""
    dataset = ndi.read(source / "a.tif")
    ndi.write(source / "z.ome.zarr", dataset)
    options = {"patterns": ("z*",), "keep_every": 2}
    assert run(source, target, **options).describe() == "1 done"
    result = ndi.read(target / "z.ome.zarr")
    np.testing.assert_array_equal(result.voxels, ndi.interpolate(dataset, method="linear", factor=2).dataset.voxels)
    assert Result.load(target / "z.ome.zarr").record["scores"]["protocol"].startswith("one section in 2")
    assert run(source, target, resume=True, **options).describe() == "1 skipped"
    chunk = max((path for path in (target / "z.ome.zarr").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)
    chunk.write_bytes(b"")
    assert run(source, target, resume=True, **options).describe() == "1 done"
    np.testing.assert_array_equal(ndi.read(target / "z.ome.zarr").voxels, result.voxels)


def test_a_folder_of_somebody_else_is_not_replaced(source, target):
    (target / "a.tif").mkdir(parents=True)
    (target / "a.tif" / "precious").write_bytes(b"x")
    summary = run(source, target, overwrite=True)
    assert "is a folder" in summary.rows[0].reason
    assert (target / "a.tif" / "precious").exists()
    assert summary.count("done") == 4


class TestEnhancement:
    def test_the_score_is_that_of_enhanced_sections(self, source, target):
        first = {"enhance": "srcnn", "enhance_parameters": QUICK["srcnn"]}
        fill(source, ["large.tif"], (5, 40, 44))
        run(source, target, patterns=("large.tif",), keep_every=2, **first)
        settings = {"z_spacing": "2um", "threads": 1, **first}
        scores = ndi.evaluate(source / "large.tif", ["linear", "linear:enhance=srcnn"], keep_every=2, **settings)
        plain, enhanced = (each.volume["psnr"] for each in scores.methods)
        assert float(table(target)["large.tif"]["psnr"]) == pytest.approx(enhanced)
        assert enhanced != pytest.approx(plain)

    @pytest.mark.parametrize("method", ["srcnn", "enlarge"])
    def test_methods_that_know_their_grid_need_no_target(self, source, target, method):
        options = {"method": method, "factor": None, "parameters": QUICK.get(method, {})}
        assert run(source, target, patterns=("a.tif",), **options).describe() == "1 done"


class TestResume:
    def test_skips_what_is_complete_and_redoes_what_is_not(self, source, target):
        run(source, target, keep_every=2)
        before = tree(target)
        (target / "a.tif").write_bytes(b"damaged")
        (target / "b.tif").unlink()
        (source / "new.tif").write_bytes((source / "a.tif").read_bytes())
        summary = run(source, target, resume=True, keep_every=2)
        assert states(summary) == {
            "a.tif": "done", "b.tif": "done", "c.tif": "skipped", "new.tif": "done", "sub/d.tif": "skipped",
            "sub/deep/e.tif": "skipped",
        }  # fmt: skip
        after = tree(target)
        del after["new.tif"]
        assert after == before
        row = table(target)["c.tif"]
        assert row["reason"] == "complete already"
        assert float(row["rmse"]) > 0, "scores of skipped files stay in the table"

    def test_another_input_is_done_again(self, source, target):
        run(source, target)
        fill(source, ["x.tif", "a.tif"])  # number 1 is not number 0
        summary = run(source, target, resume=True)
        assert states(summary)["a.tif"] == "done"
        assert states(summary)["b.tif"] == "skipped"

    @pytest.mark.parametrize(
        "change", [{"factor": 3}, {"method": "nearest"}, {"seed": 1}, {"dtype": "float32"}, {"keep_every": 2}]
    )
    def test_other_settings_are_done_again(self, source, target, change):
        run(source, target)
        assert run(source, target, resume=True, **change).count("done") == 5

    def test_device_and_threads_make_no_other_result(self, source, target):
        run(source, target)
        assert run(source, target, resume=True, threads=2, device="cpu").count("skipped") == 5

    def test_a_preset_is_what_it_stands_for(self, source, target):
        run(source, target, method="flow", preset="fast")
        written_out = ndi.api.make_settings(method="flow", preset="fast")
        spec = task_module.resolve_method("flow", "fast", {})[1]
        assert written_out.preset == "fast"
        again = run(source, target, resume=True, method="flow", parameters=spec.model_dump(mode="json"))
        assert again.count("skipped") == 5

    def test_a_model_counts_with_its_content(self, tmp_path):
        settings = plan(tmp_path, tmp_path, method="msdsr", parameters={"model": str(tmp_path / "model")}).settings
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "config.json").write_text("1")
        before = task_module.fingerprint(settings)
        assert task_module.fingerprint(settings) == before
        (tmp_path / "model" / "config.json").write_text("2")
        assert task_module.fingerprint(settings) != before

    def test_the_model_of_an_enhancing_method_counts_with_its_content(self, tmp_path):
        first = {"enhance": "srcnn", "enhance_parameters": {"model": str(tmp_path / "model")}}
        settings = plan(tmp_path, tmp_path, **first).settings
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "config.json").write_text("1")
        before = task_module.fingerprint(settings)
        (tmp_path / "model" / "config.json").write_text("2")
        assert task_module.fingerprint(settings) != before

    def test_failed_files_are_tried_again(self, source, target):
        good = (source / "a.tif").read_bytes()
        (source / "a.tif").write_bytes(b"II*\0")
        run(source, target)
        (source / "a.tif").write_bytes(good)
        assert states(run(source, target, resume=True))["a.tif"] == "done"

    def test_a_fresh_folder_may_be_resumed(self, source, target):
        assert run(source, target, resume=True).count("done") == 5


class TestRefused:
    def test_results_of_an_earlier_batch(self, source, target):
        run(source, target)
        before = tree(target)
        with pytest.raises(OutputError, match="holds results of an earlier batch; add --resume"):
            run(source, target, factor=3)
        assert tree(target) == before
        assert run(source, target, factor=3, overwrite=True).count("done") == 5
        assert tree(target)["a.tif"] != before["a.tif"]

    def test_files_that_no_batch_made(self, source, target):
        target.mkdir()
        (target / "a.tif").write_bytes(b"precious")
        with pytest.raises(OutputError, match=r"a\.tif' exists already; add --overwrite"):
            run(source, target)
        summary = run(source, target, resume=True)
        assert states(summary)["a.tif"] == "failed"
        assert "move it away, or add --overwrite" in summary.rows[0].reason
        assert (target / "a.tif").read_bytes() == b"precious"
        assert run(source, target, resume=True, overwrite=True).count("done") == 1

    def test_a_folder_that_cannot_be_written(self, source, tmp_path):
        (tmp_path / "file").write_bytes(b"x")
        with pytest.raises(DepthInterpError, match=r"cannot be used|is a file"):
            run(source, tmp_path / "file" / "out")

    def test_a_second_batch_in_the_same_folder(self, source, target, trouble):
        begun, stop, ended = threading.Event(), Stop(), []

        def first():
            try:
                run_batch(
                    plan(source, target, method="trouble"), stop=stop, on_change=lambda row, fraction: begun.set()
                )
            except Cancelled:
                ended.append("cancelled")

        thread = threading.Thread(target=first)
        thread.start()
        try:
            assert begun.wait(10)
            with pytest.raises(
                OutputError, match=rf"another batch \(process {os.getpid()} on .*\) is at work"
            ) as caught:
                run(source, target, resume=True)
            assert "choose another output folder" in str(caught.value)
        finally:
            stop.discard()
            thread.join(10)
        assert ended == ["cancelled"]
        assert run(source, target, resume=True).count("done") == 5

    def test_where(self):
        with pytest.raises(RequestError, match="exclude each other"):
            Processes(2, "tcp://there:1")
        with pytest.raises(RequestError, match="1 or more, got -1"):
            Processes(-1)


class TestStopping:
    def stopped(self, source, target, trouble, how):
        stop, seen = Stop(), []

        def changed(row, fraction):
            seen.append((row.file, str(row.state)))
            if row.file == "b.tif" and fraction > 0:
                how(stop)

        slow = plan(source, target, recursive=True, method="trouble", parameters={"steps": 3})
        return run_batch(slow, stop=stop, on_change=changed)

    def test_finish_ends_the_file_in_work_and_begins_no_other(self, source, target, trouble):
        summary = self.stopped(source, target, trouble, Stop.finish)
        assert summary.stopped
        assert summary.describe() == "2 done, 3 waiting"
        assert set(tree(target)) == {"a.tif", "b.tif"}
        assert table(target)["c.tif"]["state"] == "waiting"

    def test_discard_leaves_nothing_of_the_file_in_work(self, source, target, trouble):
        with pytest.raises(Cancelled):
            self.stopped(source, target, trouble, Stop.discard)
        assert set(tree(target)) == {"a.tif"}
        assert table(target)["b.tif"]["state"] == "waiting"
        assert not (target / FOLDER / "work").exists()
        rest = run(source, target, resume=True, method="trouble", parameters={"steps": 3})
        assert rest.describe() == "4 done, 1 skipped"

    def test_a_report_that_cancels(self, source, target, trouble):
        calls = []

        def report(progress):
            calls.append(progress.fraction)
            if progress.fraction > 0.25:
                raise Cancelled

        with pytest.raises(Cancelled):
            run_batch(plan(source, target, recursive=True, method="trouble", parameters={"steps": 3}), report=report)
        assert calls == sorted(calls)
        assert set(tree(target)) == {"a.tif"}

    def test_an_interrupt(self, source, target, trouble):
        def interrupt(row, fraction):
            if row.file == "c.tif" and fraction > 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_batch(plan(source, target, method="trouble", parameters={"steps": 2}), on_change=interrupt)
        assert set(tree(target)) == {"a.tif", "b.tif"}
        assert table(target)["c.tif"]["state"] == "waiting"
        with opened(target):
            pass  # the lock is free

    def test_a_given_up_worker_does_not_write_over_its_successor(self, source, target, trouble):
        """What a worker of a killed batch still computes is dropped: another batch has the folder."""
        target.mkdir()
        with opened(target) as first:
            late = task_module.Task(
                "a.tif", source / "a.tif", target / "a.tif", None, plan(source, target).settings, target, "old-run", "x"
            )
            with pytest.raises(Cancelled):
                task_module.Guard(target, "old-run").check_now()
            assert task_module.run_file(late, lambda _: None).state == State.WAITING
            assert task_module.run_file(replace(late, run=first.run), lambda _: None).state == State.DONE


class TestTally:
    def test_counts_bytes_and_leaves_out_what_is_skipped(self):
        tally = Tally([99, 99, 799])
        assert tally.progress().fraction == 0
        tally.ended(0, State.SKIPPED)
        tally.progressed(1, 0.5)
        assert tally.progress().fraction == pytest.approx(50 / 900)
        tally.ended(1, State.FAILED)
        assert tally.progress().fraction == pytest.approx(100 / 900)
        assert tally.progress().message == "2 of 3 files, 1 failed"
        tally.progressed(2, 7)
        tally.ended(2, State.DONE)
        assert tally.progress().fraction == 1

    def test_a_file_whose_worker_died_begins_again(self):
        tally = Tally([9])
        tally.progressed(0, 0.9)
        tally.progressed(0, 0.1)
        assert tally.progress().fraction == pytest.approx(0.1)

    def test_all_skipped_is_all_done(self):
        tally = Tally([5, 5])
        tally.ended(0, State.SKIPPED)
        tally.ended(1, State.SKIPPED)
        assert tally.progress().fraction == 1


def test_a_row_survives_json():
    row = FileRecord("a\nb.tif", State.DONE, psnr=1.5, warnings=("one", "two"))
    assert FileRecord.from_json(row.as_json() | {"of a later version": 1}) == row


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path):
    write_summary(tmp_path / "s.csv", [FileRecord("a")])
    before = (tmp_path / "s.csv").read_bytes()
    with pytest.raises(ZeroDivisionError):
        write_summary(tmp_path / "s.csv", (FileRecord(str(1 // n)) for n in (1, 0)))
    assert (tmp_path / "s.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


def test_the_package_offers_what_it_says():
    assert all(hasattr(batch_module, name) for name in batch_module.__all__)


def test_a_file_that_a_dead_worker_had_finished_is_not_refused(source, target):
    """Its result is there, but nobody has heard of it."""
    target.mkdir()
    with opened(target) as workspace:
        task = task_module.Task(
            "a.tif", source / "a.tif", target / "a.tif", None, plan(source, target).settings, target, workspace.run, "x"
        )
        first, second = (task_module.run_file(task, lambda _: None) for _ in range(2))
    assert first.state == second.state == State.DONE
    assert second.output_sha256 == first.output_sha256


def test_a_worker_of_another_version_is_refused(source, target):
    target.mkdir()
    with opened(target) as workspace:
        task = task_module.Task(
            "a.tif", source / "a.tif", target / "a.tif", None, plan(source, target).settings, target, workspace.run,
            "x", version="0.0.1",
        )  # fmt: skip
        row = task_module.run_file(task, lambda _: None)
    assert row.state == State.FAILED
    assert row.reason.endswith("the batch 0.0.1; install the same version")
