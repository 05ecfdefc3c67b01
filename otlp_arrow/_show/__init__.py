"""What notebooks show: a library at a glance, and a trace as bars over time."""
