"""A calendar on an axis: which dates get a tick, and what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta


def calendar_ticks(first: date, last: date) -> list[date]:
    """Choose at most nine round dates (month starts, or every so many days) from first to last."""
    n_months = 12 * (last.year - first.year) + last.month - first.month
    if n_months < 3:
        step = max(1, math.ceil((last - first).days / 7))
        return [first + timedelta(days=day) for day in range(0, (last - first).days + 1, step)]
    step = next((months for months in (1, 2, 3, 6) if n_months / months <= 8), 12)
    starts = [
        date(year, month, 1)
        for year in range(first.year, last.year + 1)
        for month in range(1, 13, min(step, 12))
    ]
    return [day for day in starts if first <= day <= last]


def date_labels(days: Sequence[date]) -> list[str]:
    """Name dates briefly: the year only where it changes, the day only where it is not the 1st."""
    monthly = len(days) > 1 and all(day.day == 1 for day in days)
    labels, year = [], None
    for day in days:
        label = f"{day:%b}" if monthly else f"{day:%b} {day.day}"
        labels.append(label if day.year == year else f"{label}\n{day.year}")
        year = day.year
    return labels
