"""The store: rows in SQLite or PostgreSQL, frames in Parquet, and the ledger of what a night has finished."""
