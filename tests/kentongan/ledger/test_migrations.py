"""What the migrations make is what the tables are said to be."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from kentongan.ledger import opening, schema
from tests.kentongan.ledger.scenes import open_at


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(opening.__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config)


def test_migrated_tables_are_the_tables_of_the_schema(tmp_path: Path) -> None:
    open_at(tmp_path / "ledger.db").close()
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []
        migrated = described(connection)
    engine.dispose()
    fresh = sqlalchemy.create_engine("sqlite://")
    with fresh.connect() as connection:
        schema.metadata.create_all(connection)
        assert described(connection) == migrated
    fresh.dispose()


def described(connection: sqlalchemy.Connection) -> dict[str, object]:
    """What autogenerate does not compare: keys, uniqueness, and the conditions of indices."""
    inspector = sqlalchemy.inspect(connection)
    conditions = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql LIKE '% WHERE %'").all()
    return {"conditions": sorted(map(tuple, conditions))} | {
        name: (
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted(key["constrained_columns"] for key in inspector.get_foreign_keys(name)),
            sorted(unique["column_names"] for unique in inspector.get_unique_constraints(name)),
            sorted((i["name"], i["column_names"], i["unique"]) for i in inspector.get_indexes(name)),
        )
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }


def test_the_newest_migration_is_the_one_that_the_program_wants() -> None:
    assert scripts().get_heads() == [opening.HEAD]


def test_versions_are_ordered_as_their_names_are() -> None:
    """A ledger of a newer version is told by comparing names."""
    versions = [script.revision for script in scripts().walk_revisions()][::-1]
    assert versions == sorted(versions)


def test_a_migration_can_be_taken_back(tmp_path: Path) -> None:
    from alembic import command

    open_at(tmp_path / "ledger.db").close()
    config = Config()
    config.set_main_option("script_location", str(Path(opening.__file__).parent / "migrations"))
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with engine.connect() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_an_interrupted_migration_leaves_nothing_behind(tmp_path: Path) -> None:
    """All tables come in one transaction: whoever opens next finds none or all."""
    path = tmp_path / "ledger.db"
    path.touch()
    engine = opening._engine(path, "BEGIN IMMEDIATE")
    try:
        with engine.connect() as connection, connection.begin():
            from alembic import command

            config = Config()
            config.set_main_option("script_location", str(Path(opening.__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            raise InterruptedError
    except InterruptedError:
        pass
    with engine.connect() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == []
    engine.dispose()
    open_at(path).close()
