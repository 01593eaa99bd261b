#!/usr/bin/env python
"""Django's command line for Solidarity."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        settings.INSTALLED_APPS  # noqa: B018 - reads the settings
    except ImproperlyConfigured as error:
        sys.exit(f"The settings are not complete: {error}")
    except OSError as error:
        sys.exit(f"The settings cannot be read: {error.filename}: {error.strerror}.")
    except ValueError as error:
        sys.exit(f"A setting makes no sense: {error}")
    execute_from_command_line(sys.argv)
