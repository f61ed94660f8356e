#!/usr/bin/env bash
# Measures AWS coreMQTT as docs/reference/footprint.md says: measure.sh DIRECTORY, a checkout of it. Needs clang and lld.
set -euo pipefail
source="$1/source"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
built="$(mktemp -d)"
trap 'rm -rf "$built"' EXIT

for target in "thumbv6m-none-eabi -mcpu=cortex-m0" "thumbv7em-none-eabihf -mcpu=cortex-m4 -mfloat-abi=hard" \
    "riscv32-none-elf -march=rv32imc -mabi=ilp32"; do
    read -r -a words <<<"$target"
    rm -f "$built"/*
    for file in "$source"/*.c "$here"/program.c "$here"/memory.c; do
        # What the compiler itself calls must not be optimised away before it does.
        lto=-flto
        if [ "$file" = "$here/memory.c" ]; then lto=; fi
        clang --target="${words[@]}" -Oz $lto -ffreestanding -fno-builtin -ffunction-sections -fdata-sections -DNDEBUG \
            -DMQTT_DO_NOT_USE_CUSTOM_CONFIG -I"$here/include" -I"$source/include" -I"$source/include/private" \
            -I"$source/interface" -c "$file" -o "$built/$(basename "$file" .c).o"
    done
    ld.lld --gc-sections --entry=_start -o "$built/program" "$built"/*.o
    printf '%s: ' "${words[0]}"
    llvm-size -A "$built/program" | awk '/^\.(text|rodata|data)/ { sum += $2 } END { print sum }'
done
