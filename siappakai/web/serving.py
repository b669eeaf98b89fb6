"""The panel as a server loads it, once per process that answers people."""

from __future__ import annotations

import gc

from flask import Flask

from siappakai.web import create_app


def panel() -> Flask:
    """Return the panel, with what was loaded so far left out of garbage collection.

    It lives as long as the process; to look through its 200,000 objects again and again for what
    can go held up whoever waited for a page, for 120 ms and more.
    """
    app = create_app()
    gc.collect()
    gc.freeze()
    return app
