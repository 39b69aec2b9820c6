"""The machine: devices, memory, logs. Nothing of images."""
