#!/bin/sh
# Builds as-header.wasm. Needs Node and npm; the lock file pins the compiler,
# AssemblyScript 0.14, which is the line @solo-io/proxy-runtime was written for.
set -e
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --ignore-scripts --silent
npm run --silent build
