"""The six snippets of the public page, each as a small application."""
