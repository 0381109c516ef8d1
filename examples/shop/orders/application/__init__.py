"""Use cases of ordering and the ports they need."""
