"""Prefect tasks: one file a stage; a body reads refs, calls the library, returns a ref."""
