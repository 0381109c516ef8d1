"""Driving and driven adapters: what speaks to the world outside."""
