"""Who is told what a client does: the user's function, and OpenTelemetry by way of one."""
