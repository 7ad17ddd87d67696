"""The Ditto system: motion-space diffusion for talking heads."""
