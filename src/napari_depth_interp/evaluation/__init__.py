"""How good a method is on sections it has not seen: hiding them, running on the rest, scoring.

Draws and prints nothing.
"""
