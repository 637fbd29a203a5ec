"""The compiler of the US population model; tools/compile_us.py runs it."""
