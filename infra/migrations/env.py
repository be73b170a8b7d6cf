"""Alembic's entry: runs migrations on the connection that nightdesk hands over, or prints them as SQL."""

from alembic import context

from nightdesk.store.schema import metadata

if context.is_offline_mode():
    context.configure(dialect_name=context.get_x_argument(as_dictionary=True)["dialect"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
else:
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
