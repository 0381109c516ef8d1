"""A chat: rooms, who is there, history, and clients that come back where they left."""
