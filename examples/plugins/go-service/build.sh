#!/bin/sh
# Builds go-service.wasm. Needs Go 1.24 or newer; the committed file was built
# with the version below, and the same version gives the same bytes.
set -e
cd "$(dirname "$0")"
GOTOOLCHAIN=${GOTOOLCHAIN:-go1.26.8} GOFLAGS=-mod=readonly GOWORK=off GOOS=wasip1 GOARCH=wasm \
  go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w -buildid=' -o go-service.wasm .
