"""Content-addressed bytes: the same CIDv1 from every store, and no read that was not re-hashed."""
