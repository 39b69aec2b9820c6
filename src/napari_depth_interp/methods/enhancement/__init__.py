"""Slice enhancement: one noisy section in, the quality of the mean of many frames out, on the same grid.

Yamashita (University of Aizu; OCT). What the networks share stands here: their configs, what they are trained on,
and the method around them; a network is a module that turns (B, 1, Y, X) images into images of the same shape.
"""
