# Starts Heartbeat on the configuration in $1 in namespaces of its own, and prints its exit code as `EXIT N`.
# Everything made here ends with the first process of the PID namespace. $2 is the daemon, $3 a serial port.
set -e
mount --make-rprivate /
for directory in /var/lib/heartbeat /run /var/log; do mount -t tmpfs tmpfs $directory; done
mkdir -p /var/lib/heartbeat/cores/root /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd /run/lock
for program in /sbin/reboot /sbin/shutdown; do
    if [ -e $program ]; then mount --bind /bin/true $program; fi
done
cp /etc/passwd "$1"/passwd
for user in carol dave; do
    grep -q "^$user:" "$1"/passwd || echo "$user:x:65000:65000::/:/bin/false" >> "$1"/passwd
done
mount --bind "$1"/passwd /etc/passwd
echo '127.0.0.1 localhost
10.1.0.2 bob-eth1.example.org' > "$1"/hosts
mount --bind "$1"/hosts /etc/hosts
hostname alice
ip link set lo up
for number in 0 1 2; do
    ip link add eth$number type bridge
    ip link set eth$number up
    ip address add 10.$number.0.1/24 broadcast + dev eth$number
done
mount --bind "$1" /etc/ha.d
# Each machine has the same ports.
mkdir "$1"/dev
mount --rbind /dev "$1"/dev
mount -t tmpfs tmpfs /dev
ln -s "$1"/dev/* /dev
rm -rf /dev/serial
mkdir -p /dev/serial/by-id
for port in ttyS0 ttyUSB0 serial/by-id/x; do ln -sf "$3" /dev/$port; done
set +e
"$2"
echo "EXIT $?"
