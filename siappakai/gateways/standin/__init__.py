"""The stand-in app: a small PHP application that behaves like OpenSID for the orchestrator.

Used, behind a banner, where the public OpenSID repository cannot be reached, and by the tests.
`build_repository` writes it as a Git repository with release tags named as OpenSID names them;
`RELEASES` lists them. What a release does beyond OpenSID's own manners:

- v2409.0.0 logs one harmless SQL error (`Unknown column 'jenis'` of `komentar`) on the first
  seeding and none when it is updated.
- v2410.1.0 is a hotfix of v2410.0.0; v2411.0.0 adds a table and a column.
- v2412.0.0 is the bad release: its migration fails in every village.

A test makes a release misbehave for one village by a file `desa/standin.json` in that village:

    {"fail_migration": true,          the migration of the release breaks
     "slow_seconds": 2.5,             every request waits first
     "slow_statement_seconds": 0.5,   every statement of a migration waits first
     "answer_500": true,              every page answers 500 (after seeding and migrating)
     "releases": ["2411", "2412.0"]}  only in versions that begin so; default: in all

or, from v2411.0.0 on, by a row `standin_break_migration` in its table `setting_aplikasi`.
The first login is OpenSID's published one, admin / sid304.
"""

from siappakai.gateways.standin.repository import RELEASES, Release, build_repository

__all__ = ["RELEASES", "Release", "build_repository"]
