"""The methods: one file or folder each, and one line in the registry."""
