package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import vfio.pci.api.pci.PciRegion;

/** The example of a vendor bundle: small, built from the API alone, deployed and updated under a client. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(400)
class ExampleIT {
    private static final String EDU = "0000:00:04.0";

    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.edu~edu0": { "address": "0000:00:04.0" }
            }
            """;

    private static final int FACTORIAL = 0x08;
    private static final int COUNT = 0x0c;
    private static final int BUFFER = 0x40000;
    private static final int FACTORIAL_OF_12 = 479_001_600;
    /** Without migration it has 60. */
    private static final int LINES = 60 + 40;

    private ExampleProject example;
    private RuntimeProcess runtime;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> runtime);

    @BeforeAll
    void build() {
        example = ExampleProject.build();
    }

    @AfterAll
    void end() {
        if (runtime != null) {
            runtime.close();
        }
        if (example != null) {
            example.close();
        }
    }

    @Test
    void isSmall() throws IOException {
        try (Stream<Path> files = Files.walk(ExampleProject.SOURCES.resolve("src/main"))) {
            List<String> lines =
                    files.filter(Files::isRegularFile).flatMap(ExampleIT::lines).toList();
            assertThat(lines).isNotEmpty().hasSizeLessThanOrEqualTo(LINES);
        }
    }

    @Test
    void isDocumentedAsItIs() throws IOException {
        String source = Files.readString(ExampleProject.SOURCES.resolve("src/main/java/mediate/example/EduOps.java"));
        String shown = source.substring(source.indexOf("/**")).indent(4).replaceAll("(?m)^ +$", "");

        assertThat(Files.readString(Places.beside("docs").resolve("vendor-bundle.md")))
                .contains(shown);
    }

    @Test
    void saysWhatItMediates() throws IOException {
        assertThat(example.header("Provide-Capability"))
                .contains("vfio.pci.mediate;vendor=1234;device:List<String>=11e8");
        assertThat(example.header("Export-Package")).isEmpty();
    }

    /** The client computes factorials all the time; none is lost or counted twice, before, during and after the update. */
    @Test
    void mediatesAndHandsItsStateOver() throws IOException {
        Path distribution = Places.copyOfDistribution("example");
        Path deployed = distribution.resolve("deploy/mediate.example.jar");
        runtime = RuntimeProcess.start("example", configuration(), distribution.resolve("bin/vfio-mediate"));
        deploy(example.jar(), deployed);
        awaitDriver("mediate.example 1.0.0");

        try (EduClient edu = EduClient.connect(runtime.socket(EDU))) {
            AtomicInteger written = new AtomicInteger();
            AtomicBoolean enough = new AtomicBoolean();
            CompletableFuture<Void> client = CompletableFuture.runAsync(() -> {
                while (!enough.get()) {
                    edu.write(FACTORIAL, 13);
                    assertThat(edu.read(COUNT)).isEqualTo(written.incrementAndGet());
                    assertThat(edu.read(FACTORIAL)).isEqualTo(FACTORIAL_OF_12);
                }
            });
            try {
                awaitMore(written, client);
                deploy(example.jar("1.0.1"), deployed);
                awaitDriver("mediate.example 1.0.1");
                awaitMore(written, client);
            } finally {
                enough.set(true);
            }
            client.join();

            assertThat(runtime.field(EDU, "mediator")).contains("example");
            assertThat(runtime.exec("vfio:explain " + EDU)).contains("handed over from example to example");
        }
        assertThat(runtime.errors()).isEmpty();
    }

    /** What it declares of its device is saved and comes back. */
    @Test
    void savesAndRestoresTheDevice(@TempDir Path folder) throws IOException {
        Path distribution = Places.copyOfDistribution("example-moves");
        try (RuntimeProcess moving =
                RuntimeProcess.start("example-moves", configuration(), distribution.resolve("bin/vfio-mediate"))) {
            deploy(example.jar(), distribution.resolve("deploy/mediate.example.jar"));
            awaitDriver(moving, "mediate.example 1.0.0");
            try (EduClient edu = EduClient.connect(moving.socket(EDU))) {
                edu.client().writeInt(PciRegion.BAR0, BUFFER, 0x1234_5678);
                edu.write(FACTORIAL, 5);
                assertThat(moving.exec("vfio:save --keep-running " + EDU + " " + folder.resolve("state")))
                        .contains("it runs on");
                edu.write(FACTORIAL, 6);
                edu.client().writeInt(PciRegion.BAR0, BUFFER, 0);
                assertThat(edu.read(COUNT)).isEqualTo(2);

                assertThat(moving.tryExec("vfio:restore " + EDU + " " + folder.resolve("state"))
                                .messages())
                        .contains("bus mastering is on");
                edu.client().reset();
                moving.exec("vfio:restore " + EDU + " " + folder.resolve("state"));
                assertThat(edu.read(COUNT)).isEqualTo(1);
                assertThat(edu.read(FACTORIAL)).isEqualTo(120);
                assertThat(edu.client().readInt(PciRegion.BAR0, BUFFER)).isEqualTo(0x1234_5678);
            }
            assertThat(moving.errors()).isEmpty();
        }
    }

    /** Puts a file in place as a whole. */
    private static void deploy(Path jar, Path place) throws IOException {
        Path complete = Files.copy(jar, place.resolveSibling("incoming"));
        Files.move(complete, place, StandardCopyOption.ATOMIC_MOVE);
    }

    private void awaitDriver(String bundle) {
        awaitDriver(runtime, bundle);
    }

    private static void awaitDriver(RuntimeProcess runtime, String bundle) {
        Awaitility.await(bundle)
                .atMost(Duration.ofSeconds(30))
                .pollDelay(Duration.ZERO)
                .untilAsserted(() -> assertThat(runtime.exec("vfio:mediators")).contains(bundle));
    }

    private static void awaitMore(AtomicInteger written, CompletableFuture<Void> client) {
        int seen = written.get();
        Awaitility.await("factorials")
                .pollInterval(Duration.ofMillis(10))
                .until(() -> client.isDone() || written.get() > seen + 100);
        assertThat(client).isNotDone();
    }

    private static Stream<String> lines(Path file) {
        try {
            return Files.readAllLines(file).stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path configuration() throws IOException {
        Path etc = Places.emptyFolder("etc", "example");
        Files.writeString(etc.resolve("bus.json"), BUS);
        return etc;
    }
}
