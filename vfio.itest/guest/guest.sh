# shellcheck shell=dash
# What a test script has at hand. Sourced by /init before /test.sh.

# mark NAME [WORD...]: one line '@@ NAME WORD...' for the host. The line begins fresh whatever was printed before.
mark() {
    printf '\n@@ %s\n' "$*"
}

# await SECONDS COMMAND...: runs the command until it succeeds; 1 when the time is over.
await() {
    _left=$(($1 * 20))
    shift
    until "$@"; do
        _left=$((_left - 1))
        [ "$_left" -gt 0 ] || return 1
        sleep 0.05
    done
}

# host_says: waits for one line the host writes to the serial line and prints it.
host_says() {
    read -r _line </dev/console && printf '%s\n' "$_line"
}

# devices VENDOR:DEVICE: addresses of the functions with these ids (hexadecimal, no 0x), one a line.
devices() {
    for _device in /sys/bus/pci/devices/*; do
        [ -e "$_device/vendor" ] || continue
        read -r _vendor <"$_device/vendor"
        read -r _id <"$_device/device"
        [ "${_vendor#0x}:${_id#0x}" != "$1" ] || printf '%s\n' "${_device##*/}"
    done
}

# enable ADDRESS: memory and I/O decoding on, and bus mastering.
enable() {
    echo 1 >"/sys/bus/pci/devices/$1/enable" || return
    setpci -s "$1" COMMAND=0004:0004
}

# bar ADDRESS N: physical address of memory BAR N; fails if it has none.
bar() {
    _resource=$(sed -n "$(($2 + 1))p" "/sys/bus/pci/devices/$1/resource")
    _start=${_resource%% *}
    [ -n "$_start" ] && [ "$_start" != 0x0000000000000000 ] && printf '%s\n' "$_start"
}

# peek ADDRESS N OFFSET [BITS]: reads a register of BAR N through the CPU; prints 0x and hexadecimal digits.
peek() {
    _base=$(bar "$1" "$2") && devmem "$(printf '0x%x' $((_base + $3)))" "${4:-32}"
}

# poke ADDRESS N OFFSET VALUE [BITS]: writes one.
poke() {
    _base=$(bar "$1" "$2") && devmem "$(printf '0x%x' $((_base + $3)))" "${5:-32}" "$4"
}

# rescan: has the kernel look for functions it does not know.
rescan() {
    echo 1 >/sys/bus/pci/rescan
}

# reboot_guest: resets the machine; /test.sh runs again with BOOT one higher.
reboot_guest() {
    mark reboot
    sync
    reboot -f
    sleep 60
}

# Bytes of battery-backed CMOS memory are all that a reset leaves: the count of boots lives in one that firmware does not use.
count_boot() {
    BOOT=1
    for _cmos in /sys/bus/nvmem/devices/cmos_nvram*/nvmem; do
        [ -e "$_cmos" ] || continue
        _count=$(dd if="$_cmos" bs=1 skip=82 count=1 2>/dev/null | hexdump -v -e '1/1 "%u"')
        BOOT=$((_count + 1))
        printf '%b' "$(printf '\\0%03o' "$BOOT")" | dd of="$_cmos" bs=1 seek=82 count=1 conv=notrunc 2>/dev/null
    done
    export BOOT
}
