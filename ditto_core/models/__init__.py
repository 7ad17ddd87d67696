"""Model files and the runners that execute them."""
