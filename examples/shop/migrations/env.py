"""Runs the migrations in ``versions``; made by ``nexios db init``.

``handed_over`` gives the database and the tables of the application the command was called for.
"""

from nexios.adapters.persistence.revisions import handed_over, migrate_env

database, metadata = handed_over()
migrate_env(database, *metadata)
