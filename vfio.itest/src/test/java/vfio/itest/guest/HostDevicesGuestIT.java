package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Our distribution on a host that is a guest: its kernel has VFIO and an IOMMU, virtual functions of an {@code igb} and QEMU's
 * {@code edu} are its hardware. What is looked at there is in {@link HostDevicesProgram}.
 */
@ExtendWith(GuestEnvironment.Condition.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(600)
class HostDevicesGuestIT {
    private static final List<String> MODULES = List.of("vfio-pci", "igb", "igbvf", "virtio_pci", "virtio_blk", "ext4");

    private static final Guest.Machine MACHINE = new Guest.Machine(768, ",kernel-irqchip=split", " intel_iommu=on");

    private static final String HOST = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.host",
              ":configurator:version": "1.0.0",
              "vfio.host": {}
            }
            """;

    /** As {@code bin/vfio-mediate}, for which there is no bash in the guest. */
    private static final String JAVA =
            "LD_LIBRARY_PATH=/image/lib /image/jre/bin/java -XX:+UseSerialGC" + " -XX:TieredStopAtLevel=1 ";

    private static final String RUNTIME = JAVA
            + "-Xmx128m -Djna.nosys=false -Djna.nounpack=true -Dvfio.dist.home=/image/dist -Dvfio.dist.program=vfio-mediate"
            + " -cp /image/dist/lib/vfio.dist.jar:/image/dist/lib/org.apache.felix.framework.jar vfio.dist.Main"
            + " --headless --socket-dir /run/vfio --etc /image/etc </dev/null >/tmp/runtime.txt 2>&1 &";

    private static final String PROGRAM = JAVA
            + "-Xmx64m -cp '/image/program:/image/dist/bundle/*' vfio.itest.guest.HostDevicesProgram /run/vfio %s %s"
            + " /image/driver.jar /image/dist/deploy"
            + " 2>&1";

    private static final Duration READY = Duration.ofMinutes(3);
    private static final Duration END = Duration.ofMinutes(5);

    private Guest guest;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> guest);

    @BeforeAll
    void start() throws IOException {
        GuestEnvironment environment = GuestEnvironment.require("6.12", MODULES);
        Path folder = Places.emptyFolder("host", "devices");
        Path etc = Files.createDirectory(folder.resolve("etc"));
        Files.writeString(etc.resolve("host.json"), HOST);
        Path image = environment.javaImage(
                folder,
                Map.of(
                        "dist", Places.launcher().getParent().getParent(),
                        "etc", etc,
                        "driver.jar", CountingDriver.jar(folder.resolve("driver.jar")),
                        "program", program(folder)));
        guest = Guest.start(
                environment,
                "host-devices",
                MACHINE,
                List.of(
                        "-device", "intel-iommu,intremap=on,caching-mode=on",
                        "-netdev", "user,id=n0,restrict=on",
                        "-device", "igb,bus=rp0,netdev=n0",
                        "-device", "edu,addr=0c.0",
                        "-drive", "if=none,id=d0,format=raw,snapshot=on,file=" + image,
                        "-device", "virtio-blk-pci,drive=d0,addr=0d.0"));
        guest.awaitBoot();
        guest.run("mkdir -p /image /run && mount -t ext4 /dev/vda /image && mount -t tmpfs tmpfs /tmp");
        guest.run("mkdir -m 700 /run/vfio");
    }

    @AfterAll
    void stop() {
        if (guest != null) {
            guest.close();
        }
    }

    @Test
    void usesDevicesOfTheHost() {
        String physical = guest.ask("devices 8086:10c9");
        guest.run("echo 2 >/sys/bus/pci/devices/" + physical + "/sriov_numvfs");
        String virtual = guest.ask("devices 8086:10ca | head -n 1");
        String edu = guest.ask("devices 1234:11e8");
        guest.run(RUNTIME);
        guest.run("await 150 grep -q ready: /tmp/runtime.txt || { cat /tmp/runtime.txt; false; }", READY);

        List<String> said = guest.run(PROGRAM.formatted(virtual, edu) + " || true", END);
        assertThat(said)
                .as("the program, and the runtime: %s", guest.run("cat /tmp/runtime.txt"))
                .noneMatch(line -> line.startsWith("@@ fail") || line.startsWith("Exception"))
                .anyMatch(line -> line.startsWith("@@ end"));
        assertThat(guest.run("cat /image/dist/var/log/*.log")).noneMatch(line -> line.contains(" ERROR "));
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
