"""The store does what it promises, on SQLite and on PostgreSQL alike."""
