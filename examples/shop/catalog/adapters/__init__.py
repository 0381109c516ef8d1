"""Where the catalog touches the outside."""
