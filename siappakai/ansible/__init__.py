"""Driving Ansible: the catalogue of plays, their inventory, their events, and the one runner."""
