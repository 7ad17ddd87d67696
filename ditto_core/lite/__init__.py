"""The Lite engine: draft lip sync on a CPU, no downloads."""
