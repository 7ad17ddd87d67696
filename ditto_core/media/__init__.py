"""Reads and writes pictures, sound and video."""
