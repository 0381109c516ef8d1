"""Tables and HTTP."""
