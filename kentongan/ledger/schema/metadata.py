"""What the ledger's tables have in common: one metadata, their row id, and indexes over a part of a table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.compiler import DDLCompiler

metadata = MetaData()

# An alias of the row id on SQLite, which only INTEGER PRIMARY KEY is.
ROW_ID = BigInteger().with_variant(Integer, "sqlite")


@compiles(CreateIndex, "postgresql")
def _on_postgres(create: CreateIndex, compiler: DDLCompiler, **options: Any) -> str:
    """An index over a part of a table is one on Postgres too, by the condition that stands there for SQLite."""
    index = create.element
    partial = index.dialect_options["postgresql"]
    if partial["where"] is None:
        partial["where"] = index.dialect_options["sqlite"]["where"]
    return str(compiler.visit_create_index(create, **options))  # type: ignore[no-untyped-call]
