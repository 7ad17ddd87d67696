"""ComfyUI nodes: each is a schema and one call into `ditto_core`; one module per stage."""
