package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import jakarta.json.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Our distribution on a host that is a guest: its kernel has VFIO and an IOMMU, virtual functions of an {@code igb} and QEMU's
 * {@code edu} are its hardware, and an edu that another runtime serves outside. What is looked at there is in
 * {@link HostDevicesProgram}.
 */
@ExtendWith(GuestEnvironment.Condition.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(600)
abstract class HostDevicesGuest {
    private static final Logger LOGGER = System.getLogger(HostDevicesGuest.class.getName());

    private static final List<String> MODULES = List.of("vfio-pci", "igb", "igbvf", "virtio_pci", "virtio_blk", "ext4");

    private static final Guest.Machine MACHINE = new Guest.Machine(1792, ",kernel-irqchip=split", " intel_iommu=on");

    private static final String HOST = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.host",
              ":configurator:version": "1.0.0",
              "vfio.host": {}
            }
            """;

    /** Of the runtime outside, whose device is one of the hardware in the guest. */
    private static final String OUTSIDE = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.host",
              ":configurator:version": "1.0.0",
              "vfio.sim.edu~served": {
                "address": "0000:00:04.0"
              }
            }
            """;

    private static final String SERVED = "0000:00:04.0";
    private static final int SERVED_PORT = 1;

    private static final String EDU = "0000:00:0c.0";

    /** As {@code bin/vfio-mediate}, for which there is no bash in the guest. */
    private static final String JAVA =
            "LD_LIBRARY_PATH=/image/lib /image/jre/bin/java -XX:+UseSerialGC" + " -XX:TieredStopAtLevel=1 ";

    private static final String RUNTIME = JAVA
            + "-Xmx128m -Djna.nosys=false -Djna.nounpack=true -Dvfio.dist.home=/image/dist -Dvfio.dist.program=vfio-mediate"
            + " -cp /image/dist/lib/vfio.dist.jar:/image/dist/lib/org.apache.felix.framework.jar vfio.dist.Main"
            + " --headless --socket-dir /run/vfio --etc /image/etc </dev/null >/tmp/runtime.txt 2>&1 &";

    private static final String PROGRAM = JAVA
            + "-Xmx64m -cp '/image/program:/image/dist/bundle/*' vfio.itest.guest.HostDevicesProgram /run/vfio %s %s %s"
            + " /image/driver.jar /image/dist/deploy '%s'"
            + " 2>&1";

    /** A register of the virtual function that can be read at any time: its status. */
    private static final String COSTS =
            "/image/costs $(basename $(readlink /sys/bus/pci/devices/%1$s/iommu_group)) %1$s"
                    + " /run/vfio/%1$s.sock 0x8 1024";

    /** By hand: there is no administrator but Java in this guest. */
    private static final String BIND =
            "(cd /sys/bus/pci/devices/%1$s && echo %1$s >driver/unbind && echo vfio-pci >driver_override"
                    + " && echo %1$s >/sys/bus/pci/drivers_probe && test -e driver)";

    private static final String NO_VIRTUAL_FUNCTIONS = "echo 0 >/sys/bus/pci/devices/$(devices 8086:10c9)/sriov_numvfs";

    private static final Duration COMPILATION = Duration.ofMinutes(1);
    private static final Duration READY = Duration.ofMinutes(3);
    private static final Duration END = Duration.ofMinutes(5);

    private final String kernel;
    private final String way;
    private Optional<Path> costs = Optional.empty();
    private RuntimeProcess outside;
    private Guest guest;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> outside + "\n" + guest);

    /**
     * @param kernel series of the guest's kernel
     * @param way by which the runtime opens devices there
     */
    HostDevicesGuest(String kernel, String way) {
        this.kernel = kernel;
        this.way = way;
    }

    @BeforeAll
    void start() throws IOException {
        GuestEnvironment environment = GuestEnvironment.require(kernel, MODULES);
        Path folder = Places.emptyFolder("host", "devices-" + kernel);
        Path etc = Files.createDirectory(folder.resolve("etc"));
        Files.writeString(etc.resolve("host.json"), HOST);
        Map<String, Path> contents = new HashMap<>(Map.of(
                "dist", Places.launcher().getParent().getParent(),
                "etc", etc,
                "driver.jar", CountingDriver.jar(folder.resolve("driver.jar")),
                "program", program(folder)));
        costs = costs(folder);
        costs.ifPresent(program -> contents.put("costs", program));
        Path image = environment.javaImage(folder, contents);
        Path outsideEtc = Files.createDirectory(folder.resolve("outside"));
        Files.writeString(outsideEtc.resolve("bus.json"), OUTSIDE);
        outside = RuntimeProcess.start("host-devices-" + kernel, outsideEtc);
        guest = Guest.start(
                environment,
                "host-devices-" + kernel,
                MACHINE,
                List.of(
                        "-device", "intel-iommu,intremap=on,caching-mode=on",
                        "-netdev", "user,id=n0,restrict=on",
                        "-device", "igb,bus=rp0,netdev=n0",
                        "-device", "edu,addr=0c.0",
                        "-device", served(),
                        "-drive", "if=none,id=d0,format=raw,snapshot=on,file=" + image,
                        "-device", "virtio-blk-pci,drive=d0,addr=0d.0"));
        guest.awaitBoot();
        guest.run("mkdir -p /image /run && mount -t ext4 /dev/vda /image && mount -t tmpfs tmpfs /tmp");
        guest.run("mkdir -m 700 /run/vfio");
        guest.run(RUNTIME);
        guest.run("await 150 grep -q ready: /tmp/runtime.txt || { cat /tmp/runtime.txt; false; }", READY);
    }

    @AfterAll
    void stop() {
        if (guest != null) {
            guest.close();
        }
        if (outside != null) {
            outside.close();
        }
    }

    /** What is ours on the way must not be seen where registers are mapped; the rest is told. */
    @Test
    @Order(1)
    void mappedRegistersCostWhatTheyCostWithoutUs() {
        assumeTrue(costs.isPresent(), "there is no C compiler (cc, with a static C library) for the comparison");
        String virtual = makeVirtualFunction();
        guest.run(BIND.formatted(virtual));
        guest.run("await 30 test -S /run/vfio/" + virtual + ".sock");

        List<String> measured = guest.run(COSTS.formatted(virtual), END);
        guest.run(NO_VIRTUAL_FUNCTIONS);

        Map<String, Long> nanoseconds = measured.stream()
                .map(line -> line.split(" ", -1))
                .collect(Collectors.toMap(words -> words[0] + " " + words[1], words -> Long.valueOf(words[2])));
        for (String what : List.of("mapped", "unmapped", "map", "unmap")) {
            long kernel = nanoseconds.get("kernel " + what);
            long runtime = nanoseconds.get("runtime " + what);
            LOGGER.log(
                    Level.INFO,
                    "{0}: with /dev/vfio {1} ns, with the runtime {2} ns, ratio {3}",
                    what,
                    kernel,
                    runtime,
                    String.format("%.2f", (double) runtime / kernel));
        }
        // A message takes hundreds of times as long. How near to 1 it is, the log says: it wavers with the load of the
        // host.
        assertThat((double) nanoseconds.get("runtime mapped") / nanoseconds.get("kernel mapped"))
                .as("a mapped register with the runtime, against one without")
                .isLessThan(10);
    }

    @Test
    @Order(2)
    void usesDevicesOfTheHost() {
        String virtual = makeVirtualFunction();
        String served = guest.functionAt(SERVED_PORT);

        List<String> said = guest.run(PROGRAM.formatted(virtual, EDU, served, way) + " || true", END);
        assertThat(said)
                .as("the program, and the runtime: %s", guest.run("cat /tmp/runtime.txt"))
                .noneMatch(line -> line.startsWith("@@ fail") || line.startsWith("Exception"))
                .anyMatch(line -> line.startsWith("@@ end"));
        assertThat(guest.run("cat /image/dist/var/log/*.log")).noneMatch(line -> line.contains(" ERROR "));

        assertThat(outside.user(SERVED)).isEqualTo("vfio-user pid " + guest.pid());
        assertThat(outside.errors()).isEmpty();
    }

    /** Makes two and returns the address of the first. */
    private String makeVirtualFunction() {
        guest.run("echo 2 >/sys/bus/pci/devices/$(devices 8086:10c9)/sriov_numvfs");
        return guest.ask("devices 8086:10ca | head -n 1");
    }

    /** Compiles what measures; empty if there is no compiler. */
    private static Optional<Path> costs(Path folder) {
        Path source = Places.beside("vfio.itest").resolve("src/test/resources/vfio/itest/guest/costs.c");
        Path program = folder.resolve("costs");
        try {
            Command.succeed(COMPILATION, List.of("cc", "-static", "-O2", "-o", program.toString(), source.toString()));
            return Optional.of(program);
        } catch (UncheckedIOException noCompiler) {
            return Optional.empty();
        }
    }

    /** A device that is simulated outside and hardware in the guest. */
    private String served() {
        return Json.createObjectBuilder()
                .add("driver", "vfio-user-pci")
                .add(
                        "socket",
                        Json.createObjectBuilder()
                                .add("path", outside.socket(SERVED).toString())
                                .add("type", "unix"))
                .add("bus", "rp" + SERVED_PORT)
                .build()
                .toString();
    }

    /** The classes of the program alone: what it uses is in the distribution. */
    private static Path program(Path folder) throws IOException {
        Path classes = Places.beside("vfio.itest").resolve("target/test-classes/vfio/itest/guest");
        Path copy = Files.createDirectories(folder.resolve("program/vfio/itest/guest"));
        try (Stream<Path> files = Files.list(classes)) {
            for (Path file : files.filter(
                            each -> each.getFileName().toString().startsWith(HostDevicesProgram.class.getSimpleName()))
                    .toList()) {
                Files.copy(file, copy.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
            }
        }
        return folder.resolve("program");
    }
}
