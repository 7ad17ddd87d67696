"""Finds faces, their landmarks and crops."""
