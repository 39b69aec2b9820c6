"""Formats of medical scanners and their tools, all with a world orientation. Nothing here knows how gaps are filled."""
