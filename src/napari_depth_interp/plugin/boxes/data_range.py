"""The full range of intensities, for scores that need one."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QLineEdit, QWidget

from ...errors import RequestError


class DataRangeEdit(QLineEdit):
    """Edits two numbers, low and high; empty means automatic."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText("auto: percentiles 0.1 to 99.9")
        self.setToolTip("<qt>Full range of intensities for PSNR and SSIM, such as -1000 1000 for CT.</qt>")

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Ask for the width of what stands for empty, so that a form puts the field below its label if need be."""
        hint = super().minimumSizeHint()
        return QSize(self.fontMetrics().horizontalAdvance(self.placeholderText()) + hint.height(), hint.height())

    def value(self) -> tuple[float, float] | None:
        """Return low and high, or None.

        Raises
        ------
        RequestError
            If the text is no pair of numbers.
        """
        words = self.text().replace(",", " ").split()
        if not words:
            return None
        try:
            low, high = map(float, words)
        except ValueError:
            raise RequestError(f"the data range must be two numbers, low and high, got '{self.text()}'") from None
        return low, high
