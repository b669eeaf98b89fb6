"""Regency, districts, villages, and the official list they are checked against."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from siappakai.models.base import Base, utc_now


class Regency(Base):
    """The kabupaten this panel serves, with the words its people use."""

    __tablename__ = "regencies"

    code: Mapped[str] = mapped_column(String(4), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    province_code: Mapped[str] = mapped_column(String(2))
    province_name: Mapped[str] = mapped_column(String(100))
    village_word: Mapped[str] = mapped_column(String(30), default="desa")
    hamlet_word: Mapped[str] = mapped_column(String(30), default="dusun")


class District(Base):
    __tablename__ = "districts"

    code: Mapped[str] = mapped_column(String(6), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    regency_code: Mapped[str] = mapped_column(ForeignKey("regencies.code"))

    regency: Mapped[Regency] = relationship()


class OfficialVillage(Base):
    """One line of the regency's official list (Kemendagri); empty when none was loaded."""

    __tablename__ = "official_villages"

    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    district_code: Mapped[str] = mapped_column(String(6))
    district_name: Mapped[str] = mapped_column(String(100))


class Village(Base):
    """The tenant. `code` is its kode desa, ten plain digits.

    `copy_of`: it is nobody's, and what is installed for it a copy of the village with that code, to
    train on. Registered as one it stays one.
    """

    __tablename__ = "villages"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(10), unique=True)
    name: Mapped[str] = mapped_column(String(100), index=True)
    district_code: Mapped[str] = mapped_column(ForeignKey("districts.code"), index=True)
    copy_of: Mapped[str] = mapped_column(String(10), default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)

    district: Mapped[District] = relationship()


class ImportDraft(Base):
    """A list of villages that was read and checked, waiting for its sender to confirm it.

    `rows` and `problems` are those of `domain.imports`, as JSON.
    """

    __tablename__ = "import_drafts"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    filename: Mapped[str] = mapped_column(String(255))
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
