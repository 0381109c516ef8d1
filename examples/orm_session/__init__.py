"""SQLAlchemy's ORM session instead of mappers."""
