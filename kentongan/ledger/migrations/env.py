"""Runs the ledger's migrations on the connection that `kentongan.ledger.opening` hands over."""

from alembic import context

from kentongan.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
