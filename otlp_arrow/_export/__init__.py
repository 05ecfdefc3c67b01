"""Objects of the OpenTelemetry SDK -> bodies of OTLP requests -> a library, or a helper process."""
