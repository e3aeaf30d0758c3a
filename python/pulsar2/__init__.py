"""An open compiler and bit-exact emulator for Axera-class NPUs."""
