# Sourced by the command-line tests.

# words WORD...: instructions (hexadecimal) to standard output, little-endian
words() {
    for w; do
        printf "\\$(printf %03o 0x$(echo "$w" | cut -c7-8))\\$(printf %03o 0x$(echo "$w" | cut -c5-6))"
        printf "\\$(printf %03o 0x$(echo "$w" | cut -c3-4))\\$(printf %03o 0x$(echo "$w" | cut -c1-2))"
    done
}

# file NAME SIZE [OFFSET BYTES]...: zeros, with bytes (as for printf) at offsets
file() {
    name=$1
    head -c "$2" /dev/zero > "$name"
    shift 2
    while [ $# -gt 1 ]; do
        # shellcheck disable=SC2059
        printf "$2" | dd of="$name" bs=1 seek="$1" conv=notrunc 2> /dev/null
        shift 2
    done
}

# expect STATUS TEXT command...: TEXT must be in its output (both streams). $slowest: the longest in ms.
bad=0 slowest=0
expect() {
    status=$1 text=$2
    shift 2
    start=$(date +%s%N)
    out=$(timeout 20 "$@" 2>&1 < /dev/null)
    got=$?
    took=$((($(date +%s%N) - start) / 1000000))
    [ $took -le $slowest ] || slowest=$took
    case $out in *"$text"*) found=1 ;; *) found= ;; esac
    if [ $got -ne "$status" ] || [ -z "$found" ]; then
        echo "FAIL: $* : status $got, expected $status with \"$text\"; it said:"
        echo "$out" | head -8
        bad=$((bad + 1))
    fi
}
