"""Security: what keeps secrets out of all output, and connections, terminals and logins safe."""
