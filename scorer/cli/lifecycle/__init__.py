"""How every command starts and ends: its options, its imports, signals, and exit codes."""
