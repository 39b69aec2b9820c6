"""The full range of intensities, for scores that need one."""

from __future__ import annotations

from qtpy.QtWidgets import QLineEdit, QWidget

from ...errors import RequestError


class DataRangeEdit(QLineEdit):
    """Edits two numbers, low and high; empty means automatic."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText("automatic: percentiles 0.1 to 99.9")
        self.setToolTip("<qt>Full range of intensities for PSNR and SSIM, such as -1000 1000 for CT.</qt>")

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
