"""DICOM series made by the book, of a patient whose name must not be seen again."""

import numpy as np
from pydicom.dataset import Dataset as Header
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

NAME = "Doe^Jane"
IMAGE = np.arange(30, dtype=np.uint16).reshape(5, 6)


def header(**fields):
    made = Header()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = CTImageStorage
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, generate_uid()
    made.PatientName, made.PatientID = NAME, "4711"
    made.Modality, made.SeriesDescription, made.SeriesInstanceUID = "CT", "Body 3.0", "1.2.3"
    made.Rows, made.Columns, made.SamplesPerPixel = 5, 6, 1
    made.PhotometricInterpretation, made.PixelRepresentation = "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit = 15
    made.PixelSpacing, made.ImageOrientationPatient, made.SliceThickness = [0.5, 0.7], [1, 0, 0, 0, 1, 0], 3
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def dicom_series(folder, positions, images=None, **fields):
    """Write one file for each position, in an order that says nothing."""
    folder.mkdir(exist_ok=True)
    for number, place in enumerate(positions):
        made = header(ImagePositionPatient=list(map(float, place)), InstanceNumber=number + 1, **fields)
        made.PixelData = (IMAGE + 100 * number if images is None else images[number]).tobytes()
        made.save_as(
            folder / f"{(7 * number) % 11}-{number}{fields.get('SeriesInstanceUID', '')}", enforce_file_format=True
        )
    return folder
