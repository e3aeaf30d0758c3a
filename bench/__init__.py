"""The project's benchmark: ``python -m bench``."""
