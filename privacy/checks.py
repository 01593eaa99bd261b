"""The system check that keeps the registry of personal columns complete."""

from typing import Any

from django.core import checks

from privacy.registry import undeclared


def every_column_is_declared(**kwargs: Any) -> list[checks.CheckMessage]:
    """Fail for each column of ours that says neither why it holds personal data nor that it holds none."""
    return [
        checks.Error(
            f"{name} is in neither `personal` nor `not_personal` of its model.",
            hint="Give it a privacy.registry.Rule (purpose and date of deletion), or list it in `not_personal`.",
            id="privacy.E001",
        )
        for name in undeclared()
    ]
