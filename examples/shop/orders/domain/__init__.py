"""What ordering is about: orders, their lines, their status."""
