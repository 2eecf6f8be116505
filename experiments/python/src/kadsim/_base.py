"""The exception from which all others of this package come. It knows no folders, so that these can raise it."""


class KadsimError(Exception):
    """Base of all exceptions of this package."""
