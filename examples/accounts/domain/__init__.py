"""Members and what their names and passwords may be."""
