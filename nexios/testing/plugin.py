"""The pytest plugin that installing Nexios registers."""
