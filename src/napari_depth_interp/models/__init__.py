"""Trained models on disk: folders, names, cards, the library of them, hub and downloaded weights.

Nothing is trained here.
"""
