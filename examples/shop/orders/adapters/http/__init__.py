"""Ordering over HTTP."""
