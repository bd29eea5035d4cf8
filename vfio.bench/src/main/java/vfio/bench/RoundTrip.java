package vfio.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The round trip of a trapped 4-byte read over the socket of the distribution, against bare messages of the same sizes between
 * two processes.
 *
 * <p>All contenders take turns, round by round, so that a change of the machine's mood hits them alike. The fastest of the
 * bare ones is the reference of all ratios.
 */
public final class RoundTrip {
    private static final String LIBRARY_DEVICE = "0000:03:02.0";
    private static final String NATIVE_DEVICE = "0000:03:02.1";

    private final Settings settings;
    private final int warmUp;
    private final int rounds;
    private final int perRound;

    private RoundTrip(Settings settings) {
        this.settings = settings;
        warmUp = settings.quick() ? 40_000 : 100_000;
        rounds = settings.quick() ? 7 : 21;
        perRound = settings.quick() ? 4_000 : 10_000;
    }

    /** What one contender has shown. */
    private static final class Outcome {
        private final Samples all = new Samples();
        private final List<Double> medians = new ArrayList<>();

        void add(long[] nanos) {
            all.add(nanos);
            medians.add(Samples.percentile(nanos, 0.5));
        }
    }

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws IOException {
        new RoundTrip(Settings.parse(arguments)).run();
    }

    private void run() throws IOException {
        try (WorkFolder work = WorkFolder.create();
                Distribution distribution = Distribution.start(settings, work.path());
                Contender jdk = JdkPingPong.start(settings, work.resolve("jdk.sock"));
                Contender linux = LinuxPingPong.start(settings, work.resolve("linux.sock"));
                Contender library = TrappedRead.connect(distribution.socket(LIBRARY_DEVICE))) {
            Optional<NativeProgram> program = NativeProgram.compile(work.path());
            if (program.isEmpty()) {
                System.out.println("No C compiler (cc): the rows in C are left out.");
                report(List.of(jdk, linux), List.of(library));
                return;
            }
            Path socket = distribution.socket(NATIVE_DEVICE);
            try (Contender bare = program.get().bare(settings, work.path());
                    Contender trapped = program.get().trapped(socket, work.path())) {
                report(List.of(jdk, linux, bare), List.of(library, trapped));
            }
        }
    }

    private void report(List<Contender> bare, List<Contender> trapped) throws IOException {
        List<Contender> all = new ArrayList<>(bare);
        all.addAll(trapped);
        Map<Contender, Outcome> outcomes = measure(all);
        Contender reference = fastest(bare, outcomes);
        Table table = new Table(
                "Round trip, " + Messages.REQUEST_SIZE + " bytes there and " + Messages.REPLY_SIZE + " back",
                "p50 µs",
                "p99 µs",
                "p99.9 µs",
                "p50 ratio",
                "p99 ratio",
                "ratio of rounds");
        for (Contender contender : all) {
            row(table, contender, require(outcomes, contender), require(outcomes, reference));
        }
        System.out.print(table);
        System.out.println("Reference: " + reference.name() + ". " + rounds + " rounds of " + perRound
                + "; ratio of rounds: median (lowest - highest) of the ratios of each round's medians.");
    }

    private Map<Contender, Outcome> measure(List<Contender> contenders) throws IOException {
        for (Contender contender : contenders) {
            contender.run(warmUp);
        }
        Map<Contender, Outcome> outcomes = new LinkedHashMap<>();
        for (int round = 0; round < rounds; round++) {
            for (Contender contender : contenders) {
                outcomes.computeIfAbsent(contender, unused -> new Outcome()).add(contender.run(perRound));
            }
        }
        return outcomes;
    }

    private static Contender fastest(List<Contender> bare, Map<Contender, Outcome> outcomes) {
        Contender fastest = bare.get(0);
        for (Contender contender : bare) {
            if (require(outcomes, contender).all.micros(0.5)
                    < require(outcomes, fastest).all.micros(0.5)) {
                fastest = contender;
            }
        }
        return fastest;
    }

    private static void row(Table table, Contender contender, Outcome outcome, Outcome reference) {
        double[] ratios = new double[outcome.medians.size()];
        for (int round = 0; round < ratios.length; round++) {
            ratios[round] = outcome.medians.get(round) / reference.medians.get(round);
        }
        table.row(
                contender.name(),
                Table.number(outcome.all.micros(0.5)),
                Table.number(outcome.all.micros(0.99)),
                Table.number(outcome.all.micros(0.999)),
                Table.number(outcome.all.micros(0.5) / reference.all.micros(0.5)),
                Table.number(outcome.all.micros(0.99) / reference.all.micros(0.99)),
                Table.spread(ratios));
    }

    private static Outcome require(Map<Contender, Outcome> outcomes, Contender contender) {
        Outcome outcome = outcomes.get(contender);
        if (outcome == null) {
            throw new IllegalStateException(contender.name() + " was not measured");
        }
        return outcome;
    }
}
