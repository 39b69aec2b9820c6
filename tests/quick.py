"""Settings under which slow methods take a moment."""

QUICK = {
    "section_sr": {"iterations": 30, "channels": 8, "blocks": 1},
    "auto": {"training_steps": 30},
    "msdsr": {"iterations": 20, "channels": 8, "levels": 2, "steps": 2},
    "msdsr_kplanes": {"training_steps": 20},
    "inr": {"iterations": 20, "features": 4},
    "microdiffusion": {
        "prior_steps": 30,
        "iterations": 15,
        "channels": 8,
        "levels": 2,
        "steps": 2,
        "samples": 2,
        "batch": 4,
        "window": 16,
    },
}
"""Parameters under which methods that train on the stack take a moment."""
