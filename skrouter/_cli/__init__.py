"""The command `skrouter`: arguments to calls of the public interface, and results to text.

May import everything; nothing imports it. Heavy packages are imported by the commands that need
them, so that `--help` answers at once.
"""
