"""Synthetic speech with known sounds, to train the speech network and to measure with."""
