package vfio.bench;

import java.io.IOException;
import java.nio.file.Path;

/** How long the distribution takes to get ready, and how much memory it has without clients. */
public final class Startup {
    /** Two cards with all their virtual functions. */
    private static final String BUS_64 = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.mediate.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 32 },
              "vfio.sim.xl710~pf1": { "address": "0000:04:00.0", "vfs": 32 }
            }
            """;

    private final Settings settings;
    private final int starts;

    private Startup(Settings settings) {
        this.settings = settings;
        starts = settings.quick() ? 3 : 5;
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new Startup(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        Path etc = settings.distribution().resolve("etc");
        Table table = new Table(
                "Distribution without clients, " + starts + " starts",
                "ready s",
                "RSS MiB",
                "PSS MiB",
                "RSS after full GC",
                "live heap MiB");
        try (WorkFolder work = WorkFolder.create()) {
            measure(table, "3 devices", 3, etc);
            measure(table, "64 devices", 64, settings.configurationWithBus(work.resolve("etc"), BUS_64));
        }
        System.out.print(table);
        System.out.println("Median (lowest - highest). RSS counts shared pages in full, PSS their share.");
    }

    private void measure(Table table, String label, int devices, Path etc) throws IOException {
        double[] seconds = new double[starts];
        double[] rss = new double[starts];
        double[] pss = new double[starts];
        double[] rssCollected = new double[starts];
        double[] heap = new double[starts];
        for (int start = 0; start < starts; start++) {
            try (WorkFolder work = WorkFolder.create();
                    Distribution running = Distribution.start(settings, work.path(), "--etc", etc.toString())) {
                requireDevices(running, devices);
                seconds[start] = running.secondsToReady();
                ResidentMemory ready = ResidentMemory.settled(running.pid());
                rss[start] = ready.rssMebibytes();
                pss[start] = ready.pssMebibytes();
                heap[start] = LiveHeap.collect(running.pid());
                rssCollected[start] = ResidentMemory.settled(running.pid()).rssMebibytes();
            }
        }
        table.row(
                label,
                Table.spread(seconds),
                Table.spread(rss),
                Table.spread(pss),
                Table.spread(rssCollected),
                Table.spread(heap));
    }

    private static void requireDevices(Distribution running, int devices) {
        if (!running.ready().startsWith("ready: " + devices + " devices")) {
            throw new IllegalStateException("expected " + devices + " devices, but the line is: " + running.ready());
        }
    }
}
