package vfio.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import vfio.iavf.RegisterPath;

/**
 * What it costs a virtual function that what it writes is found out: frames per second to another one, both logged, and both
 * asked for a report after each part of a round. The driver polls; see {@link PacketRate}. The cases take turns.
 */
public final class TrackingSlowdown {
    private static final String SENDER = "0000:03:02.0";
    private static final String RECEIVER = "0000:03:02.1";
    private static final long IOVA = 0x1_0000_0000L;

    /** Without FCS. */
    private static final int SIZE = 60;

    private static final int REPORTS = 10;
    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.mediate.bus",
              ":configurator:version": "1.0.0",
              "mediate.i40e": { "dirty.tracking": "%s" },
              "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 2 }
            }
            """;

    private final Settings settings;
    private final int rounds;
    private final int mappedFrames;
    private final int trappedFrames;

    private TrackingSlowdown(Settings settings) {
        this.settings = settings;
        rounds = settings.quick() ? 7 : 21;
        mappedFrames = settings.quick() ? 500_000 : 2_000_000;
        trappedFrames = settings.quick() ? 50_000 : 200_000;
    }

    /** How it is found out, and how the driver reaches its doorbells. */
    private enum Case {
        OFF("off, doorbells mapped", "tails", RegisterPath.MAPPED, false),
        OFF_TRAPPED("off, doorbells trapped", "tails", RegisterPath.TRAPPED, false),
        TAILS("by tails, which traps doorbells", "tails", RegisterPath.MAPPED, true),
        INTERRUPTS("by interrupts, doorbells mapped", "interrupts", RegisterPath.MAPPED, true);

        private final String label;
        private final String tracking;
        private final RegisterPath registers;
        private final boolean logged;

        Case(String label, String tracking, RegisterPath registers, boolean logged) {
            this.label = label;
            this.tracking = tracking;
            this.registers = registers;
            this.logged = logged;
        }

        /** Whether each doorbell is a message, for whatever reason. */
        boolean trapped() {
            return registers == RegisterPath.TRAPPED || this == TAILS;
        }
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new TrackingSlowdown(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        Map<Case, double[]> rates = new EnumMap<>(Case.class);
        Map<Case, double[]> dirty = new EnumMap<>(Case.class);
        for (Case measured : Case.values()) {
            rates.put(measured, new double[rounds]);
            dirty.put(measured, new double[rounds]);
        }
        try (WorkFolder work = WorkFolder.create();
                Distribution tails = start(work, "tails");
                Distribution interrupts = start(work, "interrupts")) {
            for (int round = -1; round < rounds; round++) {
                for (Case measured : Case.values()) {
                    measure(
                            measured.tracking.equals("tails") ? tails : interrupts,
                            measured,
                            round,
                            rates.getOrDefault(measured, new double[0]),
                            dirty.getOrDefault(measured, new double[0]));
                }
            }
        }
        report(rates, dirty);
    }

    private void measure(Distribution distribution, Case measured, int round, double[] rates, double[] dirty) {
        int frames = measured.trapped() ? trappedFrames : mappedFrames;
        try (PacketPair pair =
                PacketPair.open(distribution.socket(SENDER), distribution.socket(RECEIVER), measured.registers, IOVA)) {
            if (measured.logged) {
                pair.startLogging();
            }
            pair.transfer(SIZE, frames / (round < 0 ? 1 : REPORTS));
            if (round < 0) {
                return;
            }
            long pages = 0;
            long start = System.nanoTime();
            for (int part = 0; part < REPORTS; part++) {
                pair.transfer(SIZE, frames / REPORTS);
                if (measured.logged) {
                    pages += pair.reportedPages();
                }
            }
            rates[round] = frames * 1e9 / (System.nanoTime() - start);
            dirty[round] = (double) pages / REPORTS;
        }
    }

    private Distribution start(WorkFolder work, String tracking) throws IOException {
        String etc = settings.configurationWithBus(work.resolve("etc-" + tracking), BUS.formatted(tracking))
                .toString();
        return Distribution.start(settings, Files.createDirectory(work.resolve(tracking)), "--etc", etc);
    }

    private void report(Map<Case, double[]> rates, Map<Case, double[]> dirty) {
        double[] reference = rates.getOrDefault(Case.OFF, new double[0]);
        Table table =
                new Table("VF to VF, 64 bytes, tracking", "million frames/s", "ratio of rounds", "pages of a report");
        rates.forEach((measured, perSecond) -> {
            double[] ratios = new double[rounds];
            Arrays.setAll(ratios, round -> perSecond[round] / reference[round]);
            table.row(
                    measured.label,
                    Table.spread(
                            Arrays.stream(perSecond).map(rate -> rate / 1e6).toArray()),
                    Table.spread(ratios),
                    Table.number(Samples.median(dirty.getOrDefault(measured, new double[] {0}))));
        });
        System.out.print(table);
        System.out.println("Reference: " + Case.OFF.label + ". " + rounds + " rounds of " + mappedFrames
                + " frames (mapped) and " + trappedFrames + " (trapped), " + REPORTS
                + " reports in each; median (lowest - highest). Pages are those of both functions, 8192 in all.");
    }
}
