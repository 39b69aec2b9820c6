"""Damaged sections of a stack: found, judged, and made anew or corrected; nothing else changes.

Nothing here knows files' formats, windows or commands; new sections come from ``run``.
"""
