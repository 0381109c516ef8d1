"""The ASGI wire that HTTP and WebSocket share: headers, cookies, addresses, the connection."""
