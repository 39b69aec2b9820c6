"""Lossless JPEG and JPEG-LS in DICOM files, for pydicom, which has no decoder of its own; imagecodecs decodes them."""

from __future__ import annotations

import struct
import threading
from typing import Any

import numpy as np

_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_FRAME_HEADS = (0xC3, 0xF7)
"""Markers of the head of a frame: of lossless JPEG, and of JPEG-LS."""
_LABEL = "imagecodecs"
_lock = threading.Lock()

DECODER_DEPENDENCIES = dict.fromkeys((*_LOSSLESS, *_LS), ("imagecodecs",))
"""What pydicom asks of a plugin."""


def is_available(uid: str) -> bool:
    """Return whether a transfer syntax is decoded here, as pydicom asks of a plugin."""
    return uid in DECODER_DEPENDENCIES


def add_decoders() -> None:
    """Let pydicom decode these syntaxes, where nothing else that is installed does."""
    from pydicom.pixels.decoders.base import get_decoder

    with _lock:
        for uid in DECODER_DEPENDENCIES:
            decoder = get_decoder(uid)
            if not decoder.is_available:
                decoder.add_plugin(_LABEL, (__name__, "decode_frame"))


def decode_frame(source: bytes, runner: Any) -> bytes:
    """Decode one frame.

    Parameters
    ----------
    source : bytes
    runner : pydicom.pixels.decoders.base.DecodeRunner
        Says of which size the frame has to be, and is told of how many bits the values are.

    Returns
    -------
    bytes
        Little-endian values, row by row.

    Raises
    ------
    ValueError
        If the frame has another size, or cannot be decoded.
    """
    import imagecodecs

    size = _size(source)
    if size != (runner.rows, runner.columns):  # before anything is allocated
        raise ValueError(f"a frame says it has {size[0]} x {size[1]} pixels, not {runner.rows} x {runner.columns}")
    decode = imagecodecs.ljpeg_decode if str(runner.transfer_syntax) in _LOSSLESS else imagecodecs.jpegls_decode
    values = np.asarray(decode(source))
    if values.shape != size or values.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a frame has the shape {values.shape} and the type {values.dtype}")
    bits = 8 * values.dtype.itemsize
    runner.set_option("bits_allocated", bits)
    if runner.pixel_representation == 1 and runner.bits_stored < bits:  # the sign stands in the highest bit stored
        shift = bits - runner.bits_stored
        values = (values << shift).view(f"i{values.dtype.itemsize}") >> shift
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _size(source: bytes) -> tuple[int, int]:
    """Return rows and columns from the head of a frame; (0, 0) if there is none."""
    place = 2
    while place + 9 <= len(source) and source[place] == 0xFF:
        marker, length = source[place + 1], struct.unpack_from(">H", source, place + 2)[0]
        if marker in _FRAME_HEADS:
            rows, columns = struct.unpack_from(">HH", source, place + 5)
            return rows, columns
        place += 2 + length
    return 0, 0
