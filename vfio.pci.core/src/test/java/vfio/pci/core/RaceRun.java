package vfio.pci.core;

import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.openjdk.jcstress.Options;
import org.openjdk.jcstress.infra.Status;
import org.openjdk.jcstress.infra.TestInfo;
import org.openjdk.jcstress.infra.collectors.TestResult;
import org.openjdk.jcstress.infra.runners.ForkedTestConfig;
import org.openjdk.jcstress.infra.runners.Runner;
import org.openjdk.jcstress.infra.runners.TestConfig;
import org.openjdk.jcstress.infra.runners.TestList;
import org.openjdk.jcstress.os.AffinityMode;
import org.openjdk.jcstress.os.NodeType;
import org.openjdk.jcstress.os.SchedulingClass;
import org.openjdk.jcstress.vm.CompileMode;

/**
 * Runs all jcstress tests in this process and prints their outcomes. The main of jcstress itself probes and forks virtual
 * machines for longer than the tests take, and leaves out tests that have more actors than there are processors.
 */
final class RaceRun {
    /** Several times as long as all take on a busy machine. */
    private static final Duration DEADLINE = Duration.ofSeconds(60);

    private RaceRun() {}

    /**
     * Exits with 0 if every outcome was accepted.
     *
     * @param arguments options of jcstress
     */
    public static void main(String[] arguments) throws Exception {
        Options options = new Options(arguments);
        options.parse();
        PrintWriter output = new PrintWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8), true);
        CompletableFuture.delayedExecutor(DEADLINE.toSeconds(), TimeUnit.SECONDS)
                .execute(() -> {
                    output.println("does not end within " + DEADLINE.toSeconds() + " s");
                    Thread.getAllStackTraces().keySet().forEach(thread -> output.println(VendorCalls.stack(thread)));
                    Runtime.getRuntime().halt(1);
                });
        boolean passed = true;
        for (String race : TestList.tests().stream()
                .filter(name -> name.matches(options.getTestFilter()))
                .sorted()
                .toList()) {
            output.println(race);
            TestResult result = run(TestList.getInfo(race), options);
            print(result, output);
            passed &= result.status() == Status.NORMAL && result.grading().isPassed;
            if (result.status() != Status.NORMAL) {
                // Actors of this one may still be running.
                break;
            }
        }
        Runtime.getRuntime().halt(passed ? 0 : 1);
    }

    private static TestResult run(TestInfo race, Options options) throws ReflectiveOperationException {
        SchedulingClass anywhere = new SchedulingClass(AffinityMode.NONE, race.threads(), NodeType.PACKAGE);
        TestConfig config = new TestConfig(options, race, 1, List.of(), CompileMode.UNIFIED, anywhere);
        TestResult result = Class.forName(race.generatedRunner())
                .asSubclass(Runner.class)
                .getConstructor(ForkedTestConfig.class)
                .newInstance(new ForkedTestConfig(config))
                .run();
        result.setConfig(config);
        return result;
    }

    private static void print(TestResult result, PrintWriter output) {
        output.printf("%s, %d times%n", result.status(), result.getTotalCount());
        result.grading()
                .gradingResults
                .values()
                .forEach(outcome -> output.printf(
                        "%12s %12d times  %s: %s%n", outcome.id, outcome.count, outcome.expect, outcome.description));
        result.getMessages().forEach(output::println);
    }
}
