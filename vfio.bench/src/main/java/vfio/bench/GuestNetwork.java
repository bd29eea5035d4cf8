package vfio.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What TCP and ping get in a guest, on two virtual functions of a simulated XL710 and on two of QEMU's own network adapters that
 * are joined by a hub. Linux, its drivers and QEMU are unmodified, and emulated by software; all pairs are in the same guest, one
 * end of each in a network namespace, and take turns.
 */
public final class GuestNetwork {
    private static final Path GUEST = Path.of("vfio.itest/guest");

    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.bench.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~mediated": { "address": "0000:03:00.0", "vfs": 2 },
              "vfio.sim.xl710~trapped": { "address": "0000:04:00.0", "vfs": 2, "mmap": false },
              "vfio.sim.xl710~mapped": { "address": "0000:05:00.0", "vfs": 2 },
              "vfio.pci.core.rule~mapped0": { "device": "0000:05:02.0", "trap": "never" },
              "vfio.pci.core.rule~mapped1": { "device": "0000:05:02.1", "trap": "never" }
            }
            """;

    /** What the guest runs; parameters are the rounds, and the seconds and the pings of each. */
    private static final String SCRIPT = """
            dmesg -n 1
            join() {
                first=$(await 20 grep -l "$2" /sys/class/net/*/address | cut -d/ -f5)
                second=$(await 20 grep -l "$3" /sys/class/net/*/address | cut -d/ -f5)
                unshare -n sleep 1000000 </dev/null >/dev/null 2>&1 &
                inside="nsenter --net=/proc/$!/ns/net"
                await 10 eval '[ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/1/ns/net)" ]'
                ip link set dev "$second" netns $!
                ip addr add "10.9.$1.1/24" dev "$first"
                ip link set dev "$first" up
                $inside ip addr add "10.9.$1.2/24" dev "$second"
                $inside ip link set dev "$second" up
                await 30 ping -q -c 1 -W 1 "10.9.$1.2" >/dev/null
                $inside iperf3 -s -D >/dev/null 2>&1
            }
            tcp() {
                iperf3 -c "10.9.$1.2" -t %2$d -f k $2 | awk '/receiver/ { for (i = 2; i <= NF; i++) if ($i == "Kbits/sec") print $(i - 1) }'
            }
            roundtrip() {
                ping -c %3$d -i 0.005 "10.9.$1.2" | sed -n 's/.*time=\\([0-9.]*\\) ms/\\1/p' | sort -n | sed -n '%4$dp'
            }
            %5$s
            sleep 3
            for round in $(seq %1$d); do
                for pair in $(seq 0 %6$d); do
                    mark result $pair $(tcp $pair) $(tcp $pair -R) $(roundtrip $pair)
                done
            done
            """;

    private final Settings settings;
    private final int rounds;
    private final int seconds;
    private final int pings;

    /** Two interfaces of the guest: the arguments that give it to them, and what was measured. */
    private static final class Pair {
        private final String label;
        private final List<String> devices;
        private final String macPrefix;
        private final List<Double> forth = new ArrayList<>();
        private final List<Double> back = new ArrayList<>();
        private final List<Double> roundTrip = new ArrayList<>();

        Pair(String label, String macPrefix, List<String> devices) {
            this.label = label;
            this.macPrefix = macPrefix;
            this.devices = devices;
        }

        /** Two of QEMU's own. */
        static Pair builtIn(String model, int number) {
            String prefix = "52:54:00:00:0" + number + ":";
            List<String> devices = new ArrayList<>();
            for (int end = 0; end < 2; end++) {
                String port = model + end;
                devices.addAll(List.of("-netdev", "hubport,id=%s,hubid=%d".formatted(port, number)));
                // Of its own, since the virtual functions of an igb take more places than one.
                int slot = 2 * number + end;
                devices.addAll(
                        List.of("-device", "pcie-root-port,id=to-%s,slot=%d,chassis=%d".formatted(port, slot, slot)));
                devices.addAll(List.of(
                        "-device", "%s,netdev=%s,mac=%s%02x,bus=to-%s".formatted(model, port, prefix, end, port)));
            }
            return new Pair("QEMU's " + model, prefix, devices);
        }

        /** The two virtual functions of a card. */
        static Pair functions(String label, Distribution distribution, int bus) {
            List<String> devices = new ArrayList<>();
            for (int end = 0; end < 2; end++) {
                Path socket = distribution.socket("0000:%02x:02.%d".formatted(bus, end));
                devices.addAll(List.of(
                        "-device",
                        "{\"driver\":\"vfio-user-pci\",\"socket\":{\"path\":\"%s\",\"type\":\"unix\"}}"
                                .formatted(socket)));
            }
            return new Pair("XL710 VF, " + label, "02:00:%02x:00:00:".formatted(bus), devices);
        }
    }

    private GuestNetwork(Settings settings) {
        this.settings = settings;
        rounds = settings.quick() ? 3 : 7;
        seconds = settings.quick() ? 2 : 4;
        pings = settings.quick() ? 101 : 301;
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new GuestNetwork(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        try (WorkFolder work = WorkFolder.create()) {
            Path etc = settings.configurationWithBus(work.path().resolve("etc"), BUS);
            try (Distribution distribution = Distribution.start(settings, work.path(), "--etc", etc.toString())) {
                List<Pair> pairs = List.of(
                        Pair.functions("doorbells mapped", distribution, 5),
                        Pair.functions("as mediate.i40e wants it", distribution, 3),
                        Pair.functions("all trapped", distribution, 4),
                        Pair.builtIn("igb", 1),
                        Pair.builtIn("e1000e", 2));
                measure(work.path(), pairs);
                report(pairs);
            }
        }
    }

    private void measure(Path folder, List<Pair> pairs) throws IOException {
        Map<String, String> guest = prepared();
        Path script = Files.writeString(folder.resolve("test.sh"), script(pairs));
        Path initramfs = folder.resolve("initramfs.cpio");
        output(
                GUEST.resolve("initramfs").toString(),
                value(guest, "initramfs"),
                script.toString(),
                initramfs.toString());
        List<String> command =
                new ArrayList<>(List.of(value(guest, "qemu"), "-accel", "tcg", "-smp", "1", "-cpu", "max"));
        command.addAll(List.of("-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio"));
        command.addAll(List.of("-no-reboot", "-machine", "q35,memory-backend=m", "-m", "512M"));
        command.addAll(List.of("-object", "memory-backend-memfd,id=m,size=512M,share=on"));
        command.addAll(List.of("-kernel", value(guest, "kernel"), "-initrd", initramfs.toString()));
        command.addAll(List.of("-append", value(guest, "kernel_arguments")));
        pairs.forEach(pair -> command.addAll(pair.devices));
        for (String line : output(command.toArray(String[]::new))) {
            String[] words = line.split(" ", -1);
            if (words.length == 6 && line.startsWith("@@ result ")) {
                Pair pair = pairs.get(Integer.parseInt(words[2]));
                pair.forth.add(Double.parseDouble(words[3]) / 1e3);
                pair.back.add(Double.parseDouble(words[4]) / 1e3);
                pair.roundTrip.add(Double.parseDouble(words[5]) * 1e3);
            }
        }
        for (Pair pair : pairs) {
            if (pair.forth.size() != rounds) {
                throw new IllegalStateException(
                        pair.label + ": " + pair.forth.size() + " of " + rounds + " rounds have a result");
            }
        }
    }

    private static String value(Map<String, String> guest, String key) {
        return Objects.requireNonNull(guest.get(key), key);
    }

    private String script(List<Pair> pairs) {
        StringBuilder joins = new StringBuilder();
        for (int number = 0; number < pairs.size(); number++) {
            String prefix = pairs.get(number).macPrefix;
            joins.append("join %d %s00 %s01\n".formatted(number, prefix, prefix));
        }
        return SCRIPT.formatted(rounds, seconds, pings, pings / 2 + 1, joins, pairs.size() - 1);
    }

    private static Map<String, String> prepared() throws IOException {
        Map<String, String> values = new HashMap<>();
        for (String line : output(GUEST.resolve("prepare").toString(), "--modules", "iavf,igb,e1000e")) {
            String[] pair = line.split("=", 2);
            values.put(pair[0], pair[1]);
        }
        return values;
    }

    private void report(List<Pair> pairs) {
        Table table = new Table(
                "In one guest, software emulation",
                "TCP there, Mbit/s",
                "TCP back, Mbit/s",
                "ratio of rounds",
                "ping, median µs",
                "ratio of rounds");
        Pair reference = pairs.get(pairs.size() - 2);
        for (Pair pair : pairs) {
            double[] throughput = new double[rounds];
            double[] latency = new double[rounds];
            Arrays.setAll(
                    throughput,
                    round -> (pair.forth.get(round) + pair.back.get(round))
                            / (reference.forth.get(round) + reference.back.get(round)));
            Arrays.setAll(latency, round -> pair.roundTrip.get(round) / reference.roundTrip.get(round));
            table.row(
                    pair.label,
                    Table.spread(array(pair.forth)),
                    Table.spread(array(pair.back)),
                    Table.spread(throughput),
                    Table.spread(array(pair.roundTrip)),
                    Table.spread(latency));
        }
        System.out.print(table);
        System.out.println("Reference: " + reference.label + ". " + rounds + " rounds of twice " + seconds
                + " s of TCP and " + pings + " pings, 5 ms apart; median (lowest - highest).");
    }

    private static double[] array(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).toArray();
    }

    /** What a program printed that must succeed. */
    private static List<String> output(String... command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (BufferedReader reader = process.inputReader(StandardCharsets.UTF_8)) {
            List<String> lines = reader.lines().map(String::strip).toList();
            int status = process.waitFor();
            if (status != 0) {
                throw new IllegalStateException(command[0] + " ended with " + status + ": " + lines);
            }
            return lines;
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while " + command[0] + " ran", e);
        } finally {
            process.destroy();
        }
    }
}
