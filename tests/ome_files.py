"""OME-TIFF sets of several files, written by hand: a section per file, described in each or in a companion."""

import numpy as np
import tifffile

SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
PIXELS = (
    'ID="Pixels:{n}" DimensionOrder="XYZCT" Type="uint16" SizeX="7" SizeY="5" SizeC="1" SizeT="1" '
    'PhysicalSizeX="0.5" PhysicalSizeY="0.5"'
)


def plane(number):
    """Return the section of a number: 5 x 7, all values different from those of the others."""
    return np.arange(35, dtype="uint16").reshape(5, 7) + 100 * number


def data(names, *, ifd=0, uuid="urn:uuid:{name}"):
    """Return one TiffData per section, in the order of the names of their files."""
    return "".join(
        f'<TiffData FirstZ="{z}" IFD="{ifd}" PlaneCount="1"><UUID FileName="{name}">{uuid.format(name=name)}</UUID>'
        "</TiffData>"
        for z, name in enumerate(names)
    )


def image(inner, sections, *, n=0, spacing=3):
    """Return an Image of an OME-XML."""
    size = f'SizeZ="{sections}" PhysicalSizeZ="{spacing}"'
    return f'<Image ID="Image:{n}"><Pixels {PIXELS.format(n=n)} {size}>{inner}</Pixels></Image>'


def ome(inner, uuid=None):
    """Return an OME-XML."""
    own = f' UUID="{uuid}"' if uuid else ""
    return f'<OME xmlns="{SCHEMA}"{own}>{inner}</OME>'


def tiff(path, xml, *planes):
    """Write sections with a description."""
    with tifffile.TiffWriter(path) as writer:
        for number, each in enumerate(planes):
            description = xml.encode() if xml and number == 0 else None
            writer.write(each, photometric="minisblack", description=description, metadata=None)
    return path


def one_per_file(folder, names):
    """Write a set in which every file tells of all files."""
    xml = image(data(names), len(names))
    for number, name in enumerate(names):
        tiff(folder / name, ome(xml, f"urn:uuid:{name}"), plane(number))
    return folder / names[0]


def with_companion(folder, names, *, companion="set.companion.ome"):
    """Write a set that a companion describes; the TIFFs only name it."""
    (folder / companion).write_text(ome(image(data(names), len(names)), "urn:uuid:companion"), encoding="utf-8")
    for number, name in enumerate(names):
        only = ome(f'<BinaryOnly MetadataFile="{companion}" UUID="urn:uuid:companion"/>', f"urn:uuid:{name}")
        tiff(folder / name, only, plane(number))
    return folder / companion
