"""Path matching for HTTP and WebSocket: templates, converters, one table per app."""
