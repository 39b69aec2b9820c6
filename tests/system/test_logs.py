"""The log: off until asked for, one line per record, never a reason to fail."""

import logging

import pytest

from command_line import depth_interp, fail, noise, succeed, write_imagej
from napari_depth_interp.errors import OutputError, RequestError
from napari_depth_interp.system.logs import attached, is_on, log_file, logging_to

LOG = logging.getLogger("napari_depth_interp.something")


class TestLoggingTo:
    def test_nothing_by_default(self, capsys):
        with logging_to():
            assert not is_on()
            LOG.info("hidden")
        assert capsys.readouterr() == ("", "")

    def test_a_file_gets_what_is_important_enough(self, tmp_path):
        before = logging.getLogger("napari_depth_interp").level
        with logging_to("warning", tmp_path / "log"):
            assert is_on()
            LOG.info("hidden")
            LOG.warning("shown")
        assert (tmp_path / "log").read_text().splitlines()[0].endswith(" WARNING shown")
        with logging_to(None, tmp_path / "log"):
            LOG.debug("hidden")
            LOG.info("appended")
        assert [line.split()[-1] for line in (tmp_path / "log").read_text().splitlines()] == ["shown", "appended"]
        assert not is_on()
        assert logging.getLogger("napari_depth_interp").level == before

    def test_standard_error(self, capsys):
        with logging_to("DEBUG"):
            LOG.debug("shown")
        assert capsys.readouterr().err.endswith(" DEBUG   shown\n")

    def test_two_logs_at_once_each_with_its_level(self, tmp_path):
        with logging_to("error", tmp_path / "outer"), attached(log_file(tmp_path / "inner")):
            LOG.info("inner only")
        assert (tmp_path / "outer").read_text() == ""
        assert "inner only" in (tmp_path / "inner").read_text()

    def test_names_that_would_break_the_line(self, tmp_path):
        with logging_to("info", tmp_path / "log"):
            LOG.info("%s: done", "line\nbreak \udce9.tif")
        assert (tmp_path / "log").read_text().count("\n") == 1
        assert "line\\nbreak \\udce9.tif: done" in (tmp_path / "log").read_text()

    def test_tracebacks_keep_their_lines(self, tmp_path):
        with logging_to("info", tmp_path / "log"):
            try:
                raise ValueError("wrong")
            except ValueError:
                LOG.exception("it failed")
        lines = (tmp_path / "log").read_text().splitlines()
        assert lines[0].endswith("it failed")
        assert lines[1] == "Traceback (most recent call last):"
        assert lines[-1] == "ValueError: wrong"

    def test_what_cannot_be(self, tmp_path):
        with (
            pytest.raises(RequestError, match="'loud' is not known; use one of debug, info, warning, error"),
            logging_to("loud"),
        ):
            pass
        with pytest.raises(OutputError, match=r"the log .* cannot be written"), logging_to("info", tmp_path):
            pass


class TestCommandLine:
    @pytest.fixture
    def source(self, tmp_path):
        return write_imagej(tmp_path / "in.tif", noise((5, 12, 14)))

    @pytest.mark.parametrize("before", [True, False])
    def test_options_before_or_after_the_command(self, source, tmp_path, before):
        options = ["--log-level=debug", "--log-file", tmp_path / "log"]
        command = ["run", source, tmp_path / "out.tif", "--factor", 2, "--method", "linear"]
        done = succeed(*(options + command if before else command + options))
        assert done.stderr == ""
        log = (tmp_path / "log").read_text()
        for words in ("depth-interp ", "read ", "linear", "computed in", "wrote ", "exit status 0"):
            assert words in log, words

    def test_failures_are_logged(self, tmp_path):
        fail(1, "run", tmp_path / "none.tif", tmp_path / "out.tif", "--factor", 2, "--log-file", tmp_path / "log")
        log = (tmp_path / "log").read_text()
        assert "ERROR   there is no file" in log
        assert log.endswith("exit status 1\n")

    def test_standard_error_and_the_environment(self, source, tmp_path, monkeypatch):
        import command_line

        monkeypatch.setitem(command_line.ENVIRONMENT, "DEPTH_INTERP_LOG_LEVEL", "info")
        done = succeed("run", source, tmp_path / "out.tif", "--factor", 2)
        assert "INFO    linear" in done.stderr

    def test_wrong_values(self, tmp_path):
        assert "log level 'loud' is not known" in fail(2, "methods", "--log-level", "loud")
        assert depth_interp("methods", "--log-level").returncode == 2
        assert "cannot be written" in fail(1, "methods", "--log-file", tmp_path)
