"""Applications that show Nexios; each runs from the repository root."""
