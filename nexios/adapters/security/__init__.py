"""Tokens and keys: the doors of the libraries that make and check them."""
