#!/bin/sh
# Builds rust-header.wasm exactly as it is committed: Rust 1.96 and LLVM 22 from
# toolchain.sh, std compiled with the plugin.
#
# For plugins of your own a rustup toolchain does as well (other bytes, same behaviour):
#   rustup target add wasm32-unknown-unknown
#   cargo build --release --target wasm32-unknown-unknown
set -e
cd "$(dirname "$0")"
toolchain=${RUST_TOOLCHAIN:-$PWD/.toolchain}
./toolchain.sh "$toolchain"
target=wasm32-unknown-unknown
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
cargo_home=${CARGO_HOME:-$HOME/.cargo}

# RUSTC_BOOTSTRAP opens -Zbuild-std, which a release compiler keeps closed;
# the remapped prefixes keep this machine's paths out of the module.
export RUSTC="$toolchain/usr/bin/rustc" RUSTC_BOOTSTRAP=1 LD_LIBRARY_PATH="$toolchain/usr/lib/x86_64-linux-gnu"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$toolchain/usr/bin/wasm-ld-22" CARGO_TARGET_DIR="$target_dir"
export RUSTFLAGS="-Clinker-flavor=wasm-ld --remap-path-prefix=$toolchain=/rust --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$PWD=/plugin"
"$toolchain/usr/bin/cargo" build --release --locked --target "$target" -Zbuild-std=std,panic_abort
cp "$target_dir/$target/release/rust_header.wasm" rust-header.wasm
chmod 644 rust-header.wasm
