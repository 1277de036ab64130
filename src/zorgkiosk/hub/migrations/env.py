"""Alembic's entry: runs on the connection that `schema.upgrade` hands over, inside its transaction."""

from alembic import context

from zorgkiosk.hub.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
