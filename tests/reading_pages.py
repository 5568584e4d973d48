"""What a written page holds, as plain values."""

from __future__ import annotations

import json
import re
from typing import Any

from eigentrail.report.packing import unsqueeze


def pieces(html: str) -> dict[str, Any]:
    """Unpack all pieces of a page, by their keys."""
    chunks = re.findall(r'<script type="text/plain" id="chunk-\d+">([^<]*)</script>', html)
    return {k: v for c in chunks for k, v in json.loads(unsqueeze(c)).items()}
