package vfio.bench;

import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import vfio.bench.RegisterAccessBenchmark.Route;

/** Runs {@link RegisterAccessBenchmark} and prints what each layer adds. */
public final class RegisterAccess {
    private static final String ALLOCATED = "gc.alloc.rate.norm";

    private RegisterAccess() {}

    /**
     * Prints one table.
     *
     * @param arguments see {@link Settings}
     */
    public static void main(String[] arguments) throws RunnerException {
        Map<String, Map<Route, RunResult>> results = new TreeMap<>();
        for (RunResult result : new Runner(options(Settings.parse(arguments)).build()).run()) {
            results.computeIfAbsent(
                            result.getPrimaryResult().getLabel(), unused -> new EnumMap<Route, RunResult>(Route.class))
                    .put(Route.valueOf(result.getParams().getParam("route")), result);
        }
        Table table = new Table("In process, 4-byte access", "ns", "± (99.9 %)", "bytes allocated");
        results.forEach((method, routes) -> addRows(table, method, routes));
        System.out.print(table);
    }

    private static void addRows(Table table, String method, Map<Route, RunResult> routes) {
        routes.forEach((route, result) -> table.row(
                method + ", " + route.name().toLowerCase(Locale.ROOT).replace('_', ' '),
                Table.number(nanos(result)),
                Table.number(result.getPrimaryResult().getScoreError()),
                Table.number(allocated(result))));
        table.row(
                method + ", mediated more than passed through by",
                Table.number(nanos(routes, Route.MEDIATED) - nanos(routes, Route.PASSED_THROUGH)),
                "",
                "");
    }

    private static double nanos(Map<Route, RunResult> routes, Route route) {
        return nanos(Objects.requireNonNull(routes.get(route), route + " was not measured"));
    }

    private static double nanos(RunResult result) {
        return result.getPrimaryResult().getScore();
    }

    private static double allocated(RunResult result) {
        Result<?> allocated = result.getSecondaryResults().get(ALLOCATED);
        return Objects.requireNonNull(allocated, "JMH did not measure allocation")
                .getScore();
    }

    private static ChainedOptionsBuilder options(Settings settings) {
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include(RegisterAccessBenchmark.class.getName())
                .addProfiler(GCProfiler.class)
                .verbosity(VerboseMode.SILENT)
                .shouldFailOnError(true);
        if (settings.quick()) {
            options.forks(1)
                    .warmupIterations(3)
                    .warmupTime(TimeValue.milliseconds(300))
                    .measurementIterations(4)
                    .measurementTime(TimeValue.milliseconds(300));
        }
        return options;
    }
}
