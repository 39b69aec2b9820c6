"""Training: the one loop, checkpoints that a run resumes from exactly, and folders with finished models."""
