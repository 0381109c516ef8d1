"""What is seen from outside: logs, traces, metrics and tracked errors."""
