"""The context that takes orders and follows them until they are decided."""
