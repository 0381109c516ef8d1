"""The context that knows products and how many of each are on hand."""
