"""What everything stands on: errors, exact numbers, execution, memory, files, the version."""
