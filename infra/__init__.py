"""What surrounds streams and inference: command line, local servers, schemas of the servers."""
