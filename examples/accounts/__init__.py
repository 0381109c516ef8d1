"""Accounts: sign-up, passwords, tokens, roles and a login at somebody else's."""
