"""Where ordering touches the outside."""
