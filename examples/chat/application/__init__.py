"""What can be done in a chat."""
