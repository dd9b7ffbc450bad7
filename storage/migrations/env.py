"""What Alembic runs: with the connection that storage/database.py gives it, or with
RADD_STORAGE_URL by hand.
"""

import os

from alembic import context
from alembic.util import CommandError

from radd.errors import RaddError
from storage.database import Database
from storage.tables import METADATA


def migrate(connection):
    whole = connection.dialect.name == "sqlite"  # MySQL commits each statement by itself
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=whole)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
elif "RADD_STORAGE_URL" not in os.environ:
    raise CommandError("RADD_STORAGE_URL is not set: set it to the url of the database to migrate")
else:
    try:
        database = Database(os.environ["RADD_STORAGE_URL"])
        with database.transaction() as connection:
            migrate(connection)
        database.close()
    except RaddError as error:
        raise CommandError(str(error)) from None
