"""The registry: the truth about villages, servers, sites, releases and runs."""

from siappakai.models.accounts import AuditEntry, AuditHead, Role, Setting, User
from siappakai.models.alerts import Alert, Channel, Delivery
from siappakai.models.backups import Backup, BackupCopy, RegistryCopy, Store
from siappakai.models.base import Base, db, registry_now, utc_now
from siappakai.models.fleet import Server, Site
from siappakai.models.gabungan import Consent, Gabungan, Member
from siappakai.models.places import District, ImportDraft, OfficialVillage, Regency, Village
from siappakai.models.releases import Release
from siappakai.models.runs import LogChunk, Run, RunLock, Step, Target
from siappakai.models.schedules import Occurrence, Schedule
from siappakai.models.sessions import LoginSession, RecoveryCode
from siappakai.models.tokens import ApiToken, KeptAnswer

__all__ = [
    "Alert",
    "ApiToken",
    "AuditEntry",
    "AuditHead",
    "Backup",
    "BackupCopy",
    "Base",
    "Channel",
    "Consent",
    "Delivery",
    "District",
    "Gabungan",
    "ImportDraft",
    "KeptAnswer",
    "LogChunk",
    "LoginSession",
    "Member",
    "Occurrence",
    "OfficialVillage",
    "RecoveryCode",
    "Regency",
    "RegistryCopy",
    "Release",
    "Role",
    "Run",
    "RunLock",
    "Schedule",
    "Server",
    "Setting",
    "Site",
    "Step",
    "Store",
    "Target",
    "User",
    "Village",
    "db",
    "registry_now",
    "utc_now",
]
