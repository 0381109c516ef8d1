"""What a chat is about."""
