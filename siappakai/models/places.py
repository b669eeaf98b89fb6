"""Regency, districts, villages, and the official list they are checked against."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
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
    """The tenant. `code` is its kode desa, ten plain digits."""

    __tablename__ = "villages"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(10), unique=True)
    name: Mapped[str] = mapped_column(String(100), index=True)
    district_code: Mapped[str] = mapped_column(ForeignKey("districts.code"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)

    district: Mapped[District] = relationship()
