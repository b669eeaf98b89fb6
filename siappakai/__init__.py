"""SiapPakai: fleet orchestrator for OpenSID, the village information system."""

__version__ = "0.1.0"
