"""Files of microscopes made by the book: LIF, OIF, Imaris and CZI, small and with known contents."""

import struct
from pathlib import Path

import h5py
import numpy as np
import tifffile
from pylibCZIrw import czi

CHANNEL = (
    '<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" Min="0" Max="65535" Unit="" LUTName="{lut}" '
    'BytesInc="{inc}" BitInc="0" NameOfMeasuredQuantity="" IsLUTInverted="0"/>'
)
DIMENSION = (
    '<DimensionDescription DimID="{id}" NumberOfElements="{n}" Origin="{first}" Length="{length}" Unit="{unit}" '
    'BytesInc="{inc}" BitInc="0"/>'
)
IDS = {"X": 1, "Y": 2, "Z": 3, "T": 4}


def lif(path: Path, images: dict, *, steps: dict | None = None, luts: tuple = ("Green", "Red")) -> Path:
    """Write uint16 images (t, c, z, y, x) by their names; steps in m or s from one voxel to the next."""
    steps = {"X": 1e-7, "Y": 1e-7, "Z": 5e-7, "T": 3.0} | (steps or {})
    elements, blocks = [], []
    for index, (name, voxels) in enumerate(images.items()):
        times, channels, sections, height, width = voxels.shape
        sizes = {"X": (width, 2), "Y": (height, 2 * width), "Z": (sections, 2 * width * height * channels)}
        sizes["T"] = times, 2 * width * height * channels * sections
        plane = 2 * width * height
        words = "".join(CHANNEL.format(lut=luts[c % 2], inc=c * plane) for c in range(channels))
        sides = "".join(
            DIMENSION.format(id=IDS[a], n=n, first=0, length=steps[a] * (n - 1), unit="s" if a == "T" else "m", inc=inc)
            for a, (n, inc) in sizes.items()
            if n > 1 or a in "XY"
        )
        elements.append(
            f'<Element Name="{name}" UniqueID="id{index}"><Data><Image><ImageDescription><Channels>{words}</Channels>'
            f"<Dimensions>{sides}</Dimensions></ImageDescription></Image></Data>"
            f'<Memory Size="{voxels.nbytes}" MemoryBlockID="MemBlock_{index}"/></Element>'
        )
        blocks.append(voxels.transpose(0, 2, 1, 3, 4).astype("<u2").tobytes())
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="project" UniqueID="id"><Memory Size="0" '
        f'MemoryBlockID="MemBlock_x"/><Children>{"".join(elements)}</Children></Element></LMSDataContainerHeader>'
    )
    path.write_bytes(_block(xml) + b"".join(_memory(f"MemBlock_{i}", data) for i, data in enumerate(blocks)))
    return path


def _block(text: str) -> bytes:
    words = text.encode("utf-16-le")
    return struct.pack("<iiBi", 0x70, 5 + len(words), 0x2A, len(text)) + words


def _memory(name: str, data: bytes) -> bytes:
    words = name.encode("utf-16-le")
    head = struct.pack("<BQBi", 0x2A, len(data), 0x2A, len(name)) + words
    return struct.pack("<ii", 0x70, len(head)) + head + data


def oif(path: Path, voxels: np.ndarray) -> Path:
    """Write (c, z, y, x) uint16 as an OIF file with its folder."""
    folder = path.with_name(f"{path.name}.files")
    folder.mkdir()
    channels, sections, height, width = voxels.shape
    for c, z in np.ndindex(channels, sections):
        tifffile.imwrite(folder / f"s_C{c + 1:03d}Z{z + 1:03d}.tif", voxels[c, z])
    axes = {0: ("X", width, 0, width * 0.2, "um"), 1: ("Y", height, 0, height * 0.2, "um"),
            2: ("C", channels, 0, 0, ""), 3: ("Z", sections, 1000, 1000 + (sections - 1) * 750, "nm")}  # fmt: skip
    lines = ["[Version Info]", "FileVersion=1.2.6.0", "[ProfileSaveInfo]", f'Name="{path.name}"', 'Version="1.2.6.0"']
    for index, (name, count, first, last, unit) in axes.items():
        lines += [f"[Axis {index} Parameters Common]", f'AxisCode="{name}"', f"MaxSize={count}",
                  f"StartPosition={first}", f"EndPosition={last}", f'UnitName="{unit}"']  # fmt: skip
    lines += ["[Axis Parameter Common]", 'AxisOrder="XYCZ"', "[Reference Image Parameter]", "ImageDepth=2",
              "WidthConvertValue=0.2", "HeightConvertValue=0.2", 'WidthUnit="um"', 'HeightUnit="um"']  # fmt: skip
    dyes = [("DAPI", "CH1"), ("None", "GFP")]  # the second without a dye, as transmitted light is
    for title, listed in (("Channel", dyes[:channels]), ("GUI Channel", [("", "OFF"), *dyes])):
        for index, (dye, detector) in enumerate(listed, 1):
            lines += [f"[{title} {index} Parameters]", f'DyeName="{dye}"', f'CH Name="{detector}"']
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-16")
    return path


def ims(path: Path, voxels: np.ndarray, *, padded: int = 8, unit: str = "um") -> Path:
    """Write (t, c, z, y, x), padded to whole chunks, 0.25 um x 0.25 um x 1.5 um, the first edge at 10 um."""
    times, channels, *sizes = voxels.shape
    extent = [n * step for n, step in zip(sizes, (1.5, 0.25, 0.25), strict=True)]
    full = [-(-n // padded) * padded for n in sizes]

    def letters(group, **words):
        for key, value in words.items():
            group.attrs[key] = np.array([each.encode() for each in str(value)], "S1")

    with h5py.File(path, "w") as file:
        info = file.create_group("DataSetInfo/Image")
        letters(info, X=sizes[2], Y=sizes[1], Z=sizes[0], Unit=unit)
        letters(info, **{f"ExtMin{i}": 10 for i in range(3)})
        letters(info, **{f"ExtMax{i}": 10 + extent[2 - i] for i in range(3)})
        for t, c in np.ndindex(times, channels):
            block = np.zeros(full, voxels.dtype)
            block[: sizes[0], : sizes[1], : sizes[2]] = voxels[t, c]
            file.create_dataset(
                f"DataSet/ResolutionLevel 0/TimePoint {t}/Channel {c}/Data", data=block, chunks=(4, 4, 4),
                compression="gzip",
            )  # fmt: skip
            if t == 0:
                group = file.create_group(f"DataSetInfo/Channel {c}")
                letters(group, Name=("DAPI", "GFP")[c], Color=("0.000 0.000 1.000", "0.000 1.000 0.000")[c])
    return path


def czi_file(path: Path, scenes: list) -> Path:
    """Write scenes (t, c, z, y, x) uint16, 0.2 um x 0.2 um x 0.9 um."""
    with czi.create_czi(str(path), exist_ok=True) as file:
        offset = 0
        for scene, voxels in enumerate(scenes):
            for t, c, z in np.ndindex(voxels.shape[:3]):
                where = {"T": t, "C": c, "Z": z}
                file.write(voxels[t, c, z][..., None], plane=where, scene=scene, location=(offset, 0))
            offset += voxels.shape[4] + 10
        file.write_metadata(
            path.name, channel_names=dict(enumerate(("DAPI", "GFP"))), scale_x=0.2e-6, scale_y=0.2e-6, scale_z=0.9e-6
        )
    return path


def with_time_stamps(path: Path, seconds: list) -> Path:
    """Append an attachment with the times at which time points were recorded, as ZEN does."""
    data = bytearray(path.read_bytes())
    content = struct.pack("<ii", 8 + 8 * len(seconds), len(seconds)) + struct.pack(f"<{len(seconds)}d", *seconds)
    place = len(data)

    def entry(name: bytes) -> bytes:
        return struct.pack("<2s10xqi16s8s80s", b"A1", place, 0, bytes(16), b"CZTIMS", name)

    head = struct.pack("<i12x", len(content)) + entry(b"TimeStamps") + bytes(112)
    data += struct.pack("<16sqq", b"ZISRAWATTACH", len(head) + len(content), len(head) + len(content)) + head + content
    struct.pack_into("<q", data, 104, len(data))
    directory = struct.pack("<i252x", 1) + entry(b"TimeStamps")
    data += struct.pack("<16sqq", b"ZISRAWATTDIR", len(directory), len(directory)) + directory
    path.write_bytes(data)
    return path
