"""The `nexios` command."""
