"""What this machine has: Debian 12 and 13 bring different versions of PHP."""

import re
from pathlib import Path


def newest_php() -> str:
    """Return the newest version PHP-FPM is installed in here; raises LookupError without any."""
    found = [re.fullmatch(r"php-fpm(\d+)\.(\d+)", one.name) for one in Path("/usr/sbin").iterdir()]
    versions = [(int(one[1]), int(one[2])) for one in found if one]
    if not versions:
        raise LookupError("No PHP-FPM is installed on this machine: make testbed")
    return "{}.{}".format(*max(versions))
