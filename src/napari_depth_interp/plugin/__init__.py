"""The napari plugin: the only code that imports napari or Qt."""
