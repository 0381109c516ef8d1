"""Where the chat meets sockets and HTTP."""
