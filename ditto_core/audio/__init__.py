"""Resampling and speech encoders."""
