"""The methods for labels: one file and one line of the registry each."""
