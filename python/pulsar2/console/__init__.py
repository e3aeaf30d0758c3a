"""What a user sees: log lines, tables, progress bars. Plain text when not on a terminal."""
