package vfio.bench;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import vfio.iavf.RegisterPath;

/**
 * How many frames per second one virtual function sends to another, and what that costs the distribution.
 *
 * <p>The driver that sends and receives polls on one thread; the card has one thread on the other side. Frames on their way are
 * fewer than the ring holds, so none is dropped. The cases take turns.
 */
public final class PacketRate {
    private static final String SENDER = "0000:03:02.0";
    private static final String RECEIVER = "0000:03:02.1";
    private static final String ENGINE = "xl710 ";
    private static final String ALL = "";
    private static final long IOVA = 0x1_0000_0000L;

    /** Without FCS: what Ethernet calls 64 bytes, and a payload of 1500 bytes. */
    private static final int[] SIZES = {60, 1514};

    private static final int MAC_LENGTH = 14;

    private final Settings settings;
    private final int rounds;
    private final int mappedFrames;
    private final int trappedFrames;

    private PacketRate(Settings settings) {
        this.settings = settings;
        rounds = settings.quick() ? 5 : 15;
        mappedFrames = settings.quick() ? 500_000 : 2_000_000;
        trappedFrames = settings.quick() ? 50_000 : 200_000;
    }

    /** A size of frames and a way to reach doorbells, with what was measured. */
    private static final class Case {
        private final int size;
        private final RegisterPath registers;
        private final int frames;
        private final double[] perSecond;
        private double engineMillis;
        private double engineBytes;
        private double allBytes;
        private long counted;

        Case(int size, RegisterPath registers, int frames, int rounds) {
            this.size = size;
            this.registers = registers;
            this.frames = frames;
            perSecond = new double[rounds];
        }

        String label() {
            return (size + 4) + " bytes, doorbells " + registers.name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new PacketRate(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        List<Case> cases = new ArrayList<>();
        for (int size : SIZES) {
            for (RegisterPath registers : RegisterPath.values()) {
                cases.add(new Case(
                        size, registers, registers == RegisterPath.MAPPED ? mappedFrames : trappedFrames, rounds));
            }
        }
        try (WorkFolder work = WorkFolder.create();
                Distribution distribution = Distribution.start(settings, work.path())) {
            for (int round = -1; round < rounds; round++) {
                for (Case measured : cases) {
                    measure(distribution, measured, round);
                }
            }
        }
        report(cases);
    }

    private static void measure(Distribution distribution, Case measured, int round) throws IOException {
        try (PacketPair pair =
                PacketPair.open(distribution.socket(SENDER), distribution.socket(RECEIVER), measured.registers, IOVA)) {
            pair.transfer(measured.size, measured.frames / (round < 0 ? 1 : 10));
            if (round < 0) {
                return;
            }
            ThreadFigures engine = ThreadFigures.of(distribution.pid(), ENGINE);
            ThreadFigures all = ThreadFigures.of(distribution.pid(), ALL);
            measured.perSecond[round] = measured.frames * 1e9 / pair.transfer(measured.size, measured.frames);
            ThreadFigures engineUsed =
                    ThreadFigures.of(distribution.pid(), ENGINE).since(engine);
            measured.engineMillis += engineUsed.cpuMillis();
            measured.engineBytes += engineUsed.allocatedBytes();
            measured.allBytes +=
                    ThreadFigures.of(distribution.pid(), ALL).since(all).allocatedBytes();
            measured.counted += measured.frames;
        }
    }

    private void report(List<Case> cases) {
        Table table = new Table(
                "VF to VF, one queue pair each",
                "million frames/s",
                "Gbit/s of payload",
                "ratio of rounds",
                "card ns/frame",
                "card bytes allocated/frame",
                "daemon bytes allocated/frame");
        Case reference = cases.stream()
                .filter(measured -> measured.registers == RegisterPath.MAPPED)
                .findFirst()
                .orElseThrow();
        for (Case measured : cases) {
            double[] millions = Arrays.stream(measured.perSecond)
                    .map(perSecond -> perSecond / 1e6)
                    .toArray();
            double[] gigabits = Arrays.stream(measured.perSecond)
                    .map(perSecond -> perSecond * (measured.size - MAC_LENGTH) * Byte.SIZE / 1e9)
                    .toArray();
            double[] ratios = new double[rounds];
            Arrays.setAll(ratios, round -> measured.perSecond[round] / reference.perSecond[round]);
            table.row(
                    measured.label(),
                    Table.spread(millions),
                    Table.spread(gigabits),
                    Table.spread(ratios),
                    Table.number(measured.engineMillis * 1e6 / measured.counted),
                    Table.number(measured.engineBytes / measured.counted),
                    Table.number(measured.allBytes / measured.counted));
        }
        System.out.print(table);
        System.out.println("Reference: " + reference.label() + ". " + rounds + " rounds of " + mappedFrames
                + " frames (mapped) and " + trappedFrames + " (others); median (lowest - highest).");
    }
}
