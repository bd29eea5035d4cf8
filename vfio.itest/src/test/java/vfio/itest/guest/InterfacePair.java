package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.awaitility.Awaitility;

/**
 * Two network interfaces of a guest, the second in a network namespace of its own, so that what one sends to the other leaves
 * the guest.
 */
final class InterfacePair {
    /** Until the driver has found its devices, or has the link. */
    private static final int SECONDS = 30;

    private static final int PORT = 5001;

    /** As much as segmentation takes at once, and more. */
    private static final int BUFFER = 1 << 17;

    private static final int PROGRESS = 4_000_000;

    private final Guest guest;
    private final Interface first;
    private final Interface second;
    private String namespace = "";
    private String sent = "";

    private static final class Interface {
        private final String search;
        private final String address;
        private String name = "";

        /** @param search a command that prints {@code .../NAME/address}, or fails */
        Interface(String search, String address) {
            this.search = search;
            this.address = address;
        }
    }

    private InterfacePair(Guest guest, int number, String format, List<String> keys) {
        this.guest = guest;
        first = new Interface(format.formatted(keys.get(0)), "10.9." + number + ".1");
        second = new Interface(format.formatted(keys.get(1)), "10.9." + number + ".2");
    }

    /**
     * Two interfaces that are not set up yet, by what stays the same.
     *
     * @param number tells pairs of one guest apart, 0 to 255
     * @param firstMac MAC address of one
     * @param secondMac MAC address of the other
     */
    static InterfacePair ofAddresses(Guest guest, int number, String firstMac, String secondMac) {
        return new InterfacePair(guest, number, "grep -l %s /sys/class/net/*/address", List.of(firstMac, secondMac));
    }

    /**
     * Two interfaces that are not set up yet.
     *
     * @param number tells pairs of one guest apart, 0 to 255
     * @param firstFunction PCI address of one in the guest
     * @param secondFunction PCI address of the other
     */
    static InterfacePair ofFunctions(Guest guest, int number, String firstFunction, String secondFunction) {
        return new InterfacePair(
                guest, number, "ls /sys/bus/pci/devices/%s/net/*/address", List.of(firstFunction, secondFunction));
    }

    /** Finds the interfaces, parts them, gives them addresses, and waits for their links. To be repeated if they were gone. */
    void setUp() {
        find(first);
        find(second);
        String process = guest.ask("unshare -n sleep 1000000 >/dev/null 2>&1 & echo $!");
        guest.run("await 10 eval '[ \"$(readlink /proc/%s/ns/net)\" != \"$(readlink /proc/1/ns/net)\" ]'"
                .formatted(process));
        namespace = "nsenter --net=/proc/" + process + "/ns/net ";
        guest.run("ip link set dev %s netns %s".formatted(second.name, process));
        for (Interface each : List.of(first, second)) {
            on(each, "ip addr add %s/24 dev %s".formatted(each.address, each.name));
            on(each, "ip link set dev %s up".formatted(each.name));
        }
        awaitLinks();
    }

    /** Waits until both have a link. */
    void awaitLinks() {
        awaitLink(first, true);
        awaitLink(second, true);
    }

    /** Waits until both know that there is no link. */
    void awaitNoLinks() {
        awaitLink(first, false);
        awaitLink(second, false);
    }

    /** Takes the first one down and up again. */
    void restartFirst() {
        guest.run("ip link set dev " + first.name + " down");
        guest.run("ip link set dev " + first.name + " up");
        awaitLinks();
    }

    /** Changes the MTU of both. Linux 6.1 makes the change and reports that it failed, see {@code docs/xl710.md}. */
    void setMtu(int mtu) {
        for (Interface each : List.of(first, second)) {
            on(each, "ip link set dev %s mtu %d || true".formatted(each.name, mtu));
            assertThat(on(each, "ip link show dev " + each.name)).anyMatch(line -> line.contains(" mtu " + mtu + " "));
        }
        awaitLinks();
    }

    /** Pings the second from the first and fails if one answer is missing. */
    void ping(int count, int size) {
        assertThat(guest.run("ping -q -c %d -i 0.01 -W 5 -s %d %s".formatted(count, size, second.address)))
                .as(() -> "ping of %d bytes; what the drivers have counted: %s, %s"
                        .formatted(size, counters(first), counters(second)))
                .contains(count + " packets transmitted, " + count + " packets received, 0% packet loss");
    }

    /** Sends a file of the guest by TCP, from the first to the second, and fails if something else arrives. */
    void sendForth(String file) {
        listen(second);
        assertThat(guest.ask(client(second) + " <" + file)).isEqualTo(sum(file));
    }

    /** Sends a file of the guest by TCP, from the second to the first, and fails if something else arrives. */
    void sendBack(String file) {
        listen(first);
        assertThat(guest.ask(namespace + client(first) + " <" + file)).isEqualTo(sum(file));
    }

    /** Sends a file from the first to the second by TCP, over and over, until {@link #endSending}. */
    void beginSending(String file) {
        sent = file;
        listen(second);
        guest.run("rm -f /enough /rounds /arrived");
        guest.run("(until [ -e /enough ]; do cat %s; echo >>/rounds; done | %s >/arrived) >/dev/null 2>&1 &"
                .formatted(file, client(second)));
        awaitProgress();
    }

    /** Waits until the second has received {@value #PROGRESS} bytes more than just now. */
    void awaitProgress() {
        long before = bytesReceived();
        // Seldom, and from outside: the guest's one processor has better things to do.
        Awaitility.await("progress of a transfer")
                .pollInterval(Duration.ofMillis(500))
                .atMost(Duration.ofSeconds(SECONDS))
                .until(() -> bytesReceived() >= before + PROGRESS);
    }

    /** Ends what {@link #beginSending} began and fails if something else has arrived than was sent. */
    void endSending() {
        guest.run("touch /enough; await 40 [ -s /arrived ]");
        String all = "while read _round; do cat %s; done </rounds | md5sum".formatted(sent);
        assertThat(guest.ask("cat /arrived")).isEqualTo(guest.ask(all));
    }

    /** Waits until the second answers a ping of the first. */
    void awaitAnswer() {
        guest.run("await %d ping -q -c 1 -W 1 %s".formatted(SECONDS, second.address));
    }

    /** The PCI address of the first in the guest. */
    String firstFunction() {
        return guest.ask("basename $(readlink -f /sys/class/net/" + first.name + "/device)");
    }

    /** The features that are on, as ethtool names them. */
    List<String> features() {
        return guest.run("ethtool -k " + first.name + " | sed -n 's/^[[:space:]]*\\(.*\\): on.*/\\1/p'");
    }

    private List<String> counters(Interface each) {
        return on(each, "ethtool -S " + each.name + " | grep -v ': 0$'");
    }

    private long bytesReceived() {
        return Long.parseLong(
                guest.ask("%sethtool -S %s | sed -n 's/.*rx-0.bytes: //p'".formatted(namespace, second.name)));
    }

    private void listen(Interface receiver) {
        on(receiver, "socat -b %d TCP4-LISTEN:%d,reuseaddr EXEC:md5sum >/dev/null 2>&1 &".formatted(BUFFER, PORT));
        guest.run("await 10 eval '%s grep -q \":%04X 0*:0000 0A\" /proc/net/tcp /proc/net/tcp6'"
                .formatted(prefix(receiver), PORT));
    }

    private static String client(Interface receiver) {
        return "socat -b %d -t %d - TCP4:%s:%d".formatted(BUFFER, SECONDS, receiver.address, PORT);
    }

    private String sum(String file) {
        return guest.ask("md5sum <" + file);
    }

    private void find(Interface each) {
        each.name =
                guest.ask("await %d %s >/found && basename $(dirname $(cat /found))".formatted(SECONDS, each.search));
    }

    private void awaitLink(Interface each, boolean up) {
        guest.run("await %d eval '%s %s ip link show dev %s | grep -q LOWER_UP'"
                .formatted(SECONDS, up ? "" : "!", prefix(each), each.name));
    }

    private List<String> on(Interface each, String command) {
        return guest.run(prefix(each) + command);
    }

    private String prefix(Interface each) {
        return each == second ? namespace : "";
    }
}
