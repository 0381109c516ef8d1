"""The mechanics of HTTP: from the ASGI scope to the handler and back.

Light on purpose: people import from ``nexios`` and ``nexios.http``, the house from the files.
"""
