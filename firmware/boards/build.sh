#!/bin/sh
# Builds the images of the emulated and of the real board into target/firmware/images, with an installed rustup target or,
# where there is none, with Debian's toolchain (see debian.toml). Shows that no panic path of ours is left, and holds the
# images to their budget of flash and RAM.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target_dir="${CARGO_TARGET_DIR:-$root/target}/firmware"
target=thumbv7em-none-eabi
cd "$here" # .cargo/config.toml is found from here

if rustc --print sysroot >/dev/null 2>&1 && [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    echo "firmware: building with the rustup target $target"
    cross() { cargo "$@"; }
elif [ -d /usr/src/rustc-"$(/usr/bin/rustc --version 2>/dev/null | cut -d' ' -f2)" ]; then
    echo "firmware: building with Debian's $(/usr/bin/rustc --version)"
    target_dir="$target_dir/debian"
    cross() { RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 /usr/bin/cargo --config debian.toml "$@"; }
else
    echo "firmware: no compiler for $target; run 'rustup target add $target' or 'sh tests/peers.sh'" >&2
    exit 1
fi

# Without the signature check, whose library keeps bounds checks, the image links only when no panic path is left.
cross build --locked --release -p qemu-lm3s --no-default-features --target-dir "$target_dir"
echo "firmware: no panic path is left outside of the signature check"
cross build --locked --release -p qemu-lm3s --target-dir "$target_dir"
cross build --locked --release -p nucleo-l432kc -p nucleo-l432kc-boot --target-dir "$target_dir"

images="${CARGO_TARGET_DIR:-$root/target}/firmware/images"
mkdir -p "$images"
for kind in parking bin leak; do
    cp "$target_dir/$target/release/qemu-$kind" "$images/qemu-$kind"
    cp "$target_dir/$target/release/$kind" "$images/nucleo-l432kc-$kind"
done
cp "$target_dir/$target/release/boot" "$images/nucleo-l432kc-boot"
exec python3 "$here/budget.py" "$images"/qemu-* "$images"/nucleo-l432kc-parking "$images"/nucleo-l432kc-bin "$images"/nucleo-l432kc-leak
