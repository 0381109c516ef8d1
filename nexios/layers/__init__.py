"""Who may know whom: one table, used by the container, the command line and the tests."""

from nexios.layers.rules import Finding, Layer, LayerMap, may_ask

__all__ = ["Finding", "Layer", "LayerMap", "may_ask"]
