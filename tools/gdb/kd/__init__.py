"""The GDB commands for the Metronome kernel, by subject; metronome.py loads them."""
