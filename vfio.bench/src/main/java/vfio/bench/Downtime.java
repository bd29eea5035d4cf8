package vfio.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.util.EnumMap;
import java.util.Map;

/**
 * How long a virtual function with 16 queue pairs stands still when a VMM moves it under load to another runtime: from asking for
 * STOP_COPY until it runs there. In between are the last pages, the state, and the driver's registers and interrupts. The function
 * goes to and fro, and its traffic has to go on after each move.
 */
public final class Downtime {
    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.mediate.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 2, "queues": %d }
            }
            """.formatted(MovingFunction.PAIRS);

    private final Settings settings;
    private final int moves;
    private final int warmUp;
    private final int frames;

    private Downtime(Settings settings) {
        this.settings = settings;
        moves = settings.quick() ? 40 : 200;
        warmUp = 10;
        frames = settings.quick() ? 20_000 : 100_000;
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new Downtime(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        Map<MovingFunction.Step, Samples> steps = new EnumMap<>(MovingFunction.Step.class);
        Samples total = new Samples();
        long[] pages = new long[moves];
        try (WorkFolder work = WorkFolder.create();
                Distribution here = start(work, "here");
                Distribution there = start(work, "there");
                MovingFunction function = MovingFunction.open(here, there)) {
            for (int move = -warmUp; move < moves; move++) {
                function.work(frames);
                Map<MovingFunction.Step, Long> nanos = function.move(() -> function.work(frames / 10));
                if (move >= 0) {
                    nanos.forEach((step, taken) ->
                            steps.computeIfAbsent(step, key -> new Samples()).add(new long[] {taken}));
                    total.add(new long[] {
                        nanos.values().stream().mapToLong(Long::longValue).sum()
                    });
                    pages[move] = function.lastPages();
                }
            }
            function.work(frames);
        }
        Table table = new Table("Downtime of a VF under load", "p50 ms", "p99 ms", "max ms");
        row(table, "from STOP_COPY to RUNNING at the target", total);
        steps.forEach((step, samples) -> row(table, "  " + step.label(), samples));
        System.out.print(table);
        System.out.println(moves + " moves, " + MovingFunction.PAIRS + " queue pairs; the last copy had a median of "
                + Samples.percentile(pages, 0.5) + " pages of 4 KiB. The aim is a median of at most 50 ms.");
    }

    private Distribution start(WorkFolder work, String name) throws IOException {
        String etc =
                settings.configurationWithBus(work.resolve("etc-" + name), BUS).toString();
        return Distribution.start(settings, Files.createDirectory(work.resolve(name)), "--etc", etc);
    }

    private static void row(Table table, String label, Samples samples) {
        table.row(
                label,
                Table.number(samples.micros(0.5) / 1e3),
                Table.number(samples.micros(0.99) / 1e3),
                Table.number(samples.micros(1) / 1e3));
    }
}
