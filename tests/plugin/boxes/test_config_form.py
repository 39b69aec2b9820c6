"""Config -> form -> config, exactly, for every kind of field and every method."""

from pathlib import Path
from typing import Literal

import pytest
from controls import find
from pydantic import BaseModel, ConfigDict, Field
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFileDialog, QLineEdit, QPushButton, QSpinBox

from napari_depth_interp.method import MethodConfig
from napari_depth_interp.methods import registry
from napari_depth_interp.plugin.boxes.config_form import ConfigForm


class Everything(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    flag: bool = Field(True, title="A flag", description="Turns it on.")
    count: int = Field(3, ge=1, le=20, title="Count", description="How many.")
    free: int = Field(-7, title="Any number")
    rate: float = Field(1e-4, ge=0.0, le=1.0, title="Rate", description="A small number.")
    zero: float = Field(0.0, ge=-5.0, le=5.0, title="Zero")
    tiny: float = Field(3e-7, gt=0.0, title="Tiny")
    large: float = Field(123456.75, title="Large")
    name: str = Field("µ-name", title="Name")
    kind: Literal["one", "two", "three"] = Field("two", title="Kind")
    folder: Path = Field(Path("some/folder"), title="Folder")
    limit: int | None = Field(None, ge=2, le=9, title="Limit", description="At most.")
    weight: float | None = Field(0.25, ge=0.0, title="Weight")


OTHERS = [
    {},
    {"flag": False, "count": 20, "free": 2**31 - 1, "rate": 0.0, "zero": -4.999, "tiny": 1.0},
    {"rate": 1.0, "tiny": 1e-17, "large": -0.1, "name": "", "kind": "three", "folder": Path("/"), "limit": 2},
    {"limit": 9, "weight": None, "count": 1, "rate": 0.123456789, "zero": 1 / 3, "tiny": 2.5e-8},
    {"weight": 0.0, "large": 1e11, "zero": 5.0},
]


@pytest.fixture
def form(qtbot):
    form = ConfigForm(Everything())
    qtbot.addWidget(form)
    return form


def editor(form, name):
    return find(form, type(form.config()).model_fields[name].title or name.replace("_", " ").capitalize())


def child(form, name, kind):
    widget = editor(form, name)
    return widget if isinstance(widget, kind) else widget.findChild(kind)


@pytest.mark.parametrize("changes", OTHERS)
def test_round_trip(form, changes):
    config = Everything(**changes)
    form.set_config(config)
    shown = form.config()
    for name in Everything.model_fields:
        assert getattr(shown, name) == getattr(config, name), name
        assert type(getattr(shown, name)) is type(getattr(config, name)), name


def test_shows_the_defaults_first(form):
    assert form.config() == Everything()


def test_a_later_config_leaves_nothing_of_an_earlier_one(form):
    form.set_config(Everything(**OTHERS[2]))
    form.set_config(Everything())
    assert form.config() == Everything()


def test_bounds_are_those_of_the_model(form):
    count, rate, tiny = child(form, "count", QSpinBox), child(form, "rate", QDoubleSpinBox), editor(form, "tiny")
    assert (count.minimum(), count.maximum()) == (1, 20)
    assert (rate.minimum(), rate.maximum()) == (0.0, 1.0)
    assert tiny.minimum() == 0.0  # 0 itself is refused by the model
    count.setValue(99)
    assert form.config().count == 20
    rate.setValue(-1.0)
    assert form.config().rate == 0.0
    assert (child(form, "limit", QSpinBox).minimum(), child(form, "limit", QSpinBox).maximum()) == (2, 9)


def test_bounds_outlast_a_value_with_few_decimals(qtbot):
    class Bounded(BaseModel):
        step: float = Field(0.5, ge=1e-4, le=0.9999)
        number: int = Field(3, gt=0, lt=10)

    form = ConfigForm(Bounded())
    qtbot.addWidget(form)
    step, number = child(form, "step", QDoubleSpinBox), child(form, "number", QSpinBox)
    assert (step.minimum(), step.maximum()) == (1e-4, 0.9999)
    assert (number.minimum(), number.maximum()) == (1, 9)
    for value in (-1, 99):
        step.setValue(value)
        number.setValue(value)
        form.config()  # refuses what does not fit


def test_labels_and_help_come_from_the_model(form):
    layout = form.layout()
    assert layout.labelForField(editor(form, "count")).text() == "Count"
    for widget in (editor(form, "count"), layout.labelForField(editor(form, "count"))):
        assert "How many." in widget.toolTip()
    assert editor(form, "count").accessibleName() == "Count"
    assert editor(form, "free").toolTip() == ""


def test_each_editor_tells_of_a_change(form, qtbot):
    changes = {
        "flag": lambda: editor(form, "flag").setChecked(False),
        "count": lambda: editor(form, "count").setValue(4),
        "rate": lambda: editor(form, "rate").setValue(0.5),
        "name": lambda: editor(form, "name").setText("new"),
        "kind": lambda: child(form, "kind", QComboBox).setCurrentText("three"),
        "folder": lambda: child(form, "folder", QLineEdit).setText("/tmp"),
        "limit": lambda: child(form, "limit", QCheckBox).setChecked(True),
        "weight": lambda: child(form, "weight", QDoubleSpinBox).setValue(0.75),
    }
    for name, change in changes.items():
        with qtbot.waitSignal(form.changed, timeout=500):
            change()
        assert getattr(form.config(), name) != getattr(Everything(), name)


def test_an_unchecked_optional_field_is_none_and_cannot_be_edited(form):
    box, check = child(form, "weight", QDoubleSpinBox), child(form, "weight", QCheckBox)
    assert box.isEnabled()
    check.setChecked(False)
    assert not box.isEnabled()
    assert form.config().weight is None


def test_a_file_is_asked_for_as_one(qtbot, monkeypatch):
    class Files(BaseModel):
        weights: Path = Field(Path("a.pth"), json_schema_extra={"files": "Weights (*.pth)"})

    form = ConfigForm(Files())
    qtbot.addWidget(form)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *words: ("/b.pth", words[-1]))
    child(form, "weights", QPushButton).click()
    assert form.config().weights == Path("/b.pth")


def test_a_type_without_an_editor_is_refused(qtbot):
    class Odd(BaseModel):
        parts: list[int] = [1]

    with pytest.raises(TypeError, match=r"no form for a field of type list\[int\]"):
        ConfigForm(Odd())


@pytest.mark.parametrize("name", registry.names())
def test_every_method(qtbot, name):
    spec = registry.get(name)
    for values in ({}, *spec.presets.values()):
        config = spec.config(**values)
        form = ConfigForm(config)
        qtbot.addWidget(form)
        assert form.config() == config
        assert isinstance(form.config(), MethodConfig)
