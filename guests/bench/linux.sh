# Sourced by the init of tools/bench's Linux. Packaged programs: those of Debian's busybox. BEGIN and END are what is timed.
grep -m1 Features /proc/cpuinfo
timed() {
	echo "BEGIN $1"
	shift
	"$@" > /dev/null 2>&1 || echo "FAILED $*"
}
program() { timed "$@"; echo "END $1"; }
head -c 8388608 /dev/zero | tr '\0' 'x' > /tmp/x
i=0; while [ $i -lt 20000 ]; do echo "$((i * 7919 % 20011)) word$i line of text"; i=$((i + 1)); done > /tmp/t
program prog-sha256sum sha256sum /tmp/x /tmp/x
program prog-gzip gzip -c /tmp/t
program prog-sort sort -n /tmp/t
program prog-awk awk '{s += $1 * 1.5; n[$1 % 97]++} END {print s, n[3]}' /tmp/t /tmp/t
program prog-sed sed 's/word\([0-9]*\)/\1word/' /tmp/t
program prog-shell sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done'
program os-shell-exec sh -c 'i=0; while [ $i -lt 200 ]; do busybox true; i=$((i + 1)); done'
program os-dd dd if=/dev/zero of=/dev/null bs=512 count=200000
chmod 755 /user
/user
