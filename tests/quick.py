"""Settings under which slow methods take a moment."""

QUICK = {
    "section_sr": {"iterations": 30, "channels": 8, "blocks": 1},
    "auto": {"training_steps": 30},
    "msdsr": {"iterations": 20, "channels": 8, "levels": 2, "steps": 2},
    "msdsr_kplanes": {"training_steps": 20},
    "srcnn": {"iterations": 20, "filters": 8, "mapped": 8, "batch": 4},
    "cae": {"iterations": 20, "filters": 8, "code": 8, "batch": 4},
}
"""Parameters under which methods that train on the stack take a moment."""
