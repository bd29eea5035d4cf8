package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Runs {@link GateRaces} in a process of its own, since a race that is lost may leave threads that never end. */
class GateRaceTest {
    private static final int RACES = GateRaces.class.getClasses().length;
    private static final Pattern RUN_OFTEN = Pattern.compile("^NORMAL, [0-9]{4,} times");
    private static final Path RESULTS = Path.of("target", "races");

    @Test
    void theGateAsItIs() throws Exception {
        assertNothingForbidden("plain", System.getProperty("java.class.path"));
    }

    @Test
    void theGateWithInterruptedSteps() throws Exception {
        Path noisy = Files.createDirectories(RESULTS.resolve("noisy-classes"));
        RaceNoise.copy(Gate.class, noisy);
        assertNothingForbidden("noisy", noisy + File.pathSeparator + System.getProperty("java.class.path"));
    }

    private static void assertNothingForbidden(String name, String classPath) throws IOException, InterruptedException {
        Path report = Files.createDirectories(RESULTS).resolve(name + ".txt");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-cp",
                        classPath,
                        RaceRun.class.getName(),
                        "-iters",
                        "3",
                        "-time",
                        "200",
                        "-strideSize",
                        "32",
                        "-strideCount",
                        "8",
                        "-spinStyle",
                        "THREAD_YIELD")
                .redirectErrorStream(true)
                .redirectOutput(report.toFile())
                .start();
        try {
            boolean ended = process.waitFor(100, TimeUnit.SECONDS);
            String outcomes = Files.readString(report);
            assertThat(ended).as(outcomes).isTrue();
            assertThat(process.exitValue()).as(outcomes).isZero();
            assertThat(outcomes.lines().filter(line -> RUN_OFTEN.matcher(line).find()))
                    .as(outcomes)
                    .hasSize(RACES);
        } finally {
            process.destroyForcibly();
        }
    }
}
