"""What members and those who look after them can do."""
