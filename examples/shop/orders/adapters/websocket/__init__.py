"""Orders over WebSocket."""
