"""States, control topics and releases of a region, kept at a URL and brought back by joining."""
