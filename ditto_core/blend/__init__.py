"""Puts rendered faces back on the source."""
