"""Settings under which slow methods take a moment."""

QUICK = {"section_sr": {"iterations": 30, "channels": 8, "blocks": 1}, "auto": {"training_steps": 30}}
"""Parameters under which methods that train on the stack take a moment."""
