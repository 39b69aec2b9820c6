"""The dock widget "Repair sections": damaged sections are found, looked at, and made anew or corrected."""

from .widget import RepairSections

__all__ = ["RepairSections"]
