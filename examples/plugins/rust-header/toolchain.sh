#!/bin/sh
# Unpacks the Rust toolchain of build.sh into a folder (default: .toolchain);
# nothing is installed. Needs Debian 12 (amd64) with its security archive, which
# has Rust 1.96 with its sources, so that std can be compiled for WebAssembly.
set -e
folder=${1:-$(dirname "$0")/.toolchain}
rust=1.96.0+dfsg1-1~deb12u2
llvm=1:22.1.8-1~deb12u1
mkdir -p "$folder" && cd "$folder"
[ -x usr/bin/cargo ] && exit 0
apt-get download "rustc-web=$rust" "cargo-web=$rust" "libstd-rust-web-1.96=$rust" "libstd-rust-web-dev=$rust" \
  "rust-web-src=$rust" "libllvm22=$llvm" "lld-22=$llvm" \
  libgit2-1.5 libhttp-parser2.9 libmbedcrypto7 libmbedtls14 libmbedx509-1
for package in *.deb; do dpkg -x "$package" .; done
rm ./*.deb
