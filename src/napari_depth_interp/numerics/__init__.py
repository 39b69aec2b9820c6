"""Array arithmetic that several methods use. No torch, no files."""
