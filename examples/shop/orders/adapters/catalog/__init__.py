"""What ordering asks of the catalog."""
