"""Formats of microscopes; they are read only. Nothing here knows how gaps are filled."""
