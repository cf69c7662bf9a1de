"""What tables are made of, on both engines: moments, numbers, and columns that follow from a record's fields."""

from __future__ import annotations

from datetime import datetime
from types import UnionType
from typing import Any, get_args

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

from gateway.store.rows import from_stored_time, to_stored_time


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC: timestamptz, or 27 characters of ISO text on SQLite.  A naive datetime is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        text_form = to_stored_time(value)  # also refuses naive values, on both engines
        return text_form if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return from_stored_time(value) if isinstance(value, str) else value


metadata = MetaData(naming_convention={"ix": "ix_%(column_0_N_label)s"})
"""Of all tables."""

BIGINT = BigInteger().with_variant(Integer(), "sqlite")  # SQLite: only INTEGER can be the row id


def words(*names: str, nullable: bool = False) -> list[Column[Any]]:
    return [Column(name, Text, nullable=nullable) for name in names]


def _column(name: str, type_: Any, *, primary: bool = False) -> Column[Any]:
    """The column of one record field: its Python type decides; `X | None` may be null."""
    options = get_args(type_) if isinstance(type_, UnionType) else (type_,)
    nullable = type(None) in options
    kind = next(option for option in options if option is not type(None))
    types: dict[Any, Any] = {
        str: Text,
        bool: Boolean,
        int: BigInteger if name in ("lane", "journal_id") else Integer,
        datetime: UtcDateTime,
        bytes: LargeBinary,
    }
    return Column(name, types[kind], primary_key=primary, nullable=nullable and not primary, autoincrement=False)


def record_columns(record: type[msgspec.Struct], key: tuple[str, ...] = ()) -> list[Column[Any]]:
    return [_column(field.name, field.type, primary=field.name in key) for field in msgspec.structs.fields(record)]
