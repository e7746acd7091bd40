#!/bin/sh
# Builds c-heavy.wasm. Needs clang and lld (Debian: apt-get install clang lld);
# the committed file was built with clang 14.
set -e
cd "$(dirname "$0")"
${CC:-clang} --target=wasm32 -O2 -Wall -Wextra -ffreestanding -nostdlib \
  -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=16384 -o c-heavy.wasm main.c
chmod 644 c-heavy.wasm
