package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.io.StringReader;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
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
import vfio.itest.guest.ProcessFigures.FilePart;

/**
 * Virtual functions and graphics in one guest of an unmodified QEMU, served by the distribution. Booting takes most of the
 * time, so the tests share one guest and run in order: what leaves it alone, then reset, reboot, hot plug and sudden death.
 */
@ExtendWith(GuestEnvironment.Condition.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(120)
class GuestIT {
    private static final Logger LOGGER = System.getLogger(GuestIT.class.getName());

    private static final String VF = "0000:03:02.0";
    private static final String OTHER_VF = "0000:03:02.1";
    private static final int VF_PORT = 1;
    private static final int OTHER_VF_PORT = 2;
    private static final String GRAPHICS = "0000:00:02.0";
    private static final int GRAPHICS_PORT = 0;

    private static final String GUEST_MEMORY = "memory-backend-memfd";
    private static final String READS = "bar0.reads.trapped";
    private static final String WRITES = "bar0.writes.trapped";

    /** VFGEN_RSTAT; 2 is VFACTIVE. */
    private static final long RSTAT = 0x8800;

    private static final long QTX_TAIL = 0x0000;
    private static final long QRX_TAIL = 0x2000;

    /** MI_MODE of the render engine, which says that the rings are idle. */
    private static final long MI_MODE = 0x209c;

    private static final long RINGS_IDLE = 0x200;

    /** What QEMU says when it aborts on the unplugging of any vfio-user device that has MSI-X; seen with 11.1.3. */
    private static final String UNPLUG_DEFECT =
            "memory_region_del_subregion: Assertion `subregion->container == mr' failed";

    private GuestEnvironment environment;
    private RuntimeProcess runtime;
    private Guest guest;
    private String vf;
    private String graphics;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> runtime + "\n" + guest);

    @BeforeAll
    void start() {
        environment = GuestEnvironment.require();
        runtime = RuntimeProcess.start("guest");
        guest = Guest.start(
                environment,
                "devices",
                List.of(
                        "-device",
                        plug(GRAPHICS, GRAPHICS_PORT).toString(),
                        "-device",
                        plug(VF, VF_PORT).toString()));
        guest.awaitBoot();
        graphics = guest.functionAt(GRAPHICS_PORT);
        vf = guest.functionAt(VF_PORT);
        guest.run("enable " + vf);
        guest.run("enable " + graphics);
    }

    @AfterAll
    void stop() {
        if (guest != null) {
            guest.close();
        }
        if (runtime != null) {
            runtime.close();
        }
    }

    @Test
    @Order(1)
    void virtualFunctionLooksLikeOne() {
        String seen = lspci(vf);

        assertThat(seen)
                .contains(" 0200: 8086:154c (rev 02)", "Subsystem: 8086:0000")
                .containsPattern("Region 0: Memory at \\p{XDigit}+ \\(64-bit, prefetchable\\) \\[size=64K]")
                .containsPattern("Region 3: Memory at \\p{XDigit}+ \\(64-bit, prefetchable\\) \\[size=16K]")
                .doesNotContain("Region 1:", "Region 2:", "Region 4:", "Region 5:")
                .contains("Capabilities: [70] MSI-X: Enable- Count=5 Masked-")
                .contains("Vector table: BAR=3 offset=00000000", "PBA: BAR=3 offset=00002000")
                .containsPattern("Capabilities: \\[a0] Express \\(v2\\) Endpoint")
                .contains("FLReset+")
                .contains("Capabilities: [100 v2] Advanced Error Reporting");
        assertThat(configuration(vf, 0x00)).startsWith("86 80 4c 15");
        assertThat(configuration(vf, 0x08)).startsWith("02 00 00 02");
        assertThat(configuration(vf, 0x100)).startsWith("01 00 02 00");
    }

    @Test
    @Order(1)
    void graphicsLooksLikeIt() {
        String seen = lspci(graphics);

        assertThat(seen)
                .contains(" 0300: 8086:5927 (rev 06)", "Subsystem: 8086:2212", "Interrupt: pin A")
                .containsPattern("Region 0: Memory at \\p{XDigit}+ \\(64-bit, non-prefetchable\\) \\[size=16M]")
                .containsPattern("Region 2: Memory at \\p{XDigit}+ \\(64-bit, prefetchable\\) \\[size=256M]")
                .containsPattern("Region 4: I/O ports at \\p{XDigit}+ \\[size=64]")
                .contains("Capabilities: [90] MSI: Enable- Count=1/1", "Capabilities: [d0] Power Management")
                .contains("Capabilities: [a4] PCI Advanced Features", "FLR+");
        assertThat(configuration(graphics, 0x00)).startsWith("86 80 27 59");
        assertThat(configuration(graphics, 0x08)).startsWith("06 00 00 03");
    }

    @Test
    @Order(1)
    void oneGuestHasBothDevices() {
        assertThat(runtime.user(VF)).isEqualTo("vfio-user pid " + guest.pid());
        assertThat(runtime.user(GRAPHICS)).isEqualTo("vfio-user pid " + guest.pid());
        assertThat(runtime.field(VF, "mediator")).contains("i40e");
        assertThat(runtime.field(GRAPHICS, "mediator")).contains("igd");
    }

    @Test
    @Order(1)
    void guestReadsResetStateOfTheFunction() {
        assertThat(guest.peek(vf, 0, RSTAT)).isEqualTo(2);
    }

    @Test
    @Order(1)
    void eachAccessToTrappedPageIsCounted() {
        Map<String, Long> before = runtime.counters(VF);

        guest.poke(vf, 0, QRX_TAIL, 0x123);
        assertThat(guest.peek(vf, 0, QRX_TAIL)).isEqualTo(0x123);
        guest.poke(vf, 0, QRX_TAIL, 0x1ffe);
        guest.poke(vf, 0, QRX_TAIL + 4, 0x456);
        assertThat(guest.peek(vf, 0, QRX_TAIL)).isEqualTo(0x1ffe);
        assertThat(guest.peek(vf, 0, QRX_TAIL + 4)).isEqualTo(0x456);
        assertThat(guest.peek(vf, 0, RSTAT)).isEqualTo(2);

        assertThat(runtime.counters(VF))
                .containsEntry(WRITES, before.get(WRITES) + 3)
                .containsEntry(READS, before.get(READS) + 4);
    }

    @Test
    @Order(1)
    void accessToMappedPageDoesNotReachTheRuntime() {
        List<Long> registers = List.of(QTX_TAIL, 0x1004L, 0x9000L, 0xa000L, 0xfffcL);
        Map<String, Long> before = runtime.counters(VF);

        runtime.whileSuspended(() -> {
            for (long register : registers) {
                guest.poke(vf, 0, register, register ^ 0x1a5);
            }
            for (long register : registers) {
                assertThat(guest.peek(vf, 0, register)).isEqualTo(register ^ 0x1a5);
            }
        });

        assertThat(runtime.counters(VF)).isEqualTo(before);
        // The device is one: who asks the runtime sees what the guest wrote without it, and the other way round.
        assertThat(runtime.exec("vfio:read " + VF + " bar0 0x9000").strip()).isEqualTo("0x000091a5");
        runtime.exec("vfio:write " + VF + " bar0 0x9000 0xabc");
        assertThat(guest.peek(vf, 0, 0x9000)).isEqualTo(0xabc);
    }

    @Test
    @Order(1)
    void qemuMapsWhatDriverAndDeviceAgreeOn() {
        assertThat(ProcessFigures.mappedParts(guest.pid(), VF + "-BAR0"))
                .containsExactly(new FilePart(0, 0x2000), new FilePart(0x9000, 0x7000));
        assertThat(ProcessFigures.mappedParts(guest.pid(), VF + "-BAR3")).isEmpty();
        assertThat(ProcessFigures.mappedParts(guest.pid(), GRAPHICS + "-BAR0")).isEmpty();
        assertThat(ProcessFigures.mappedParts(guest.pid(), GRAPHICS + "-BAR2"))
                .containsExactly(new FilePart(0, 256 << 20));
    }

    @Test
    @Order(1)
    void eachAccessToGraphicsRegistersIsCounted() {
        Map<String, Long> before = runtime.counters(GRAPHICS);

        assertThat(guest.peek(graphics, 0, MI_MODE)).isEqualTo(RINGS_IDLE);
        guest.poke(graphics, 0, 0x7ffc, 0xdecade);
        guest.poke(graphics, 0, 0x2030, 0x1000);
        assertThat(guest.peek(graphics, 0, 0x7ffc)).isEqualTo(0xdecade);
        assertThat(guest.peek(graphics, 0, 0x2030)).isEqualTo(0x1000);

        assertThat(runtime.counters(GRAPHICS))
                .containsEntry(WRITES, before.get(WRITES) + 2)
                .containsEntry(READS, before.get(READS) + 3);
    }

    @Test
    @Order(1)
    void apertureDoesNotReachTheRuntime() {
        List<Long> places = List.of(0L, 0x1000L, (128L << 20) + 8, (256L << 20) - 4);
        Map<String, Long> before = runtime.counters(GRAPHICS);

        runtime.whileSuspended(() -> {
            for (long place : places) {
                guest.poke(graphics, 2, place, 0xa5000000L + (place >>> 2));
            }
            for (long place : places) {
                assertThat(guest.peek(graphics, 2, place)).isEqualTo(0xa5000000L + (place >>> 2));
            }
        });

        assertThat(runtime.counters(GRAPHICS)).isEqualTo(before);
        assertThat(runtime.exec("vfio:read " + GRAPHICS + " bar2 0x1000").strip())
                .isEqualTo("0xa5000400");
    }

    @Test
    @Order(1)
    void guestReachesPorts() {
        Matcher base = Pattern.compile("Region 4: I/O ports at (\\p{XDigit}+)").matcher(lspci(graphics));
        assertThat(base.find()).isTrue();
        int port = Integer.parseInt(base.group(1), 16) + 5;

        guest.run("printf '\\132' | dd of=/dev/port bs=1 count=1 seek=%d conv=notrunc 2>/dev/null".formatted(port));

        assertThat(guest.ask("dd if=/dev/port bs=1 count=1 skip=%d 2>/dev/null | hexdump -v -e '1/1 \"%%u\"'"
                        .formatted(port)))
                .isEqualTo("90");
        assertThat(runtime.exec("vfio:read " + GRAPHICS + " bar4 5 1").strip()).isEqualTo("0x5a");
    }

    /** The guest reads a trapped register over and over, and reads the right thing every time. */
    @Test
    @Order(2)
    void guestReadsOnWhileItsDriverIsUpdated() {
        int updates = 20;
        int before = handOvers();
        String messages = guest.ask("dmesg | wc -l");
        guest.run(
                "(until [ -e /enough ]; do [ \"$(peek %s 0 0x%x)\" = 0x00000002 ] || echo >>/wrong; echo >>/reads; done;"
                                .formatted(vf, RSTAT)
                        + " touch /ended) >/dev/null 2>&1 &");
        guest.run("await 20 [ -s /reads ]");
        for (int update = 0; update < updates; update++) {
            runtime.exec("vfio:update mediate.i40e");
            guest.run("reads=$(wc -l </reads); await 20 eval '[ $(wc -l </reads) -gt $((reads + 1)) ]'");
            assertThat(runtime.field(VF, "mediator")).contains("i40e");
        }
        guest.run("touch /enough; await 20 [ -e /ended ]");

        assertThat(guest.ask("[ -e /wrong ] && wc -l </wrong || echo 0")).isEqualTo("0");
        assertThat(guest.ask("dmesg | wc -l"))
                .as("messages of the guest's kernel")
                .isEqualTo(messages);
        assertThat(handOvers()).as("hand-overs").isEqualTo(before + updates);
        LOGGER.log(
                Level.INFO,
                "{0} reads by the guest during {1} updates, {2}",
                guest.ask("wc -l </reads"),
                updates,
                runtime.field(VF, "hand-overs").orElseThrow());
    }

    private int handOvers() {
        String count = runtime.field(VF, "hand-overs").orElseThrow().split(",", -1)[0];
        return count.equals("none") ? 0 : Integer.parseInt(count);
    }

    @Test
    @Order(2)
    void functionLevelResetClearsTheRegisters() {
        guest.poke(vf, 0, QRX_TAIL, 0x77);
        guest.poke(vf, 0, QTX_TAIL, 0x78);

        guest.run("echo 1 >/sys/bus/pci/devices/" + vf + "/reset");

        assertThat(guest.peek(vf, 0, QRX_TAIL)).isZero();
        assertThat(guest.peek(vf, 0, QTX_TAIL)).isZero();
        assertThat(guest.peek(vf, 0, RSTAT)).isEqualTo(2);
    }

    @Test
    @Order(3)
    void devicesSurviveReboot() {
        Map<String, Long> before = runtime.counters(VF);

        guest.reboot();
        guest.run("enable " + vf);
        guest.run("enable " + graphics);

        assertThat(guest.peek(vf, 0, QRX_TAIL)).isZero();
        accessBothWays();
        assertThat(guest.peek(graphics, 0, MI_MODE)).isEqualTo(RINGS_IDLE);
        // A new connection would count from zero.
        assertThat(runtime.counters(VF))
                .containsEntry(WRITES, before.get(WRITES) + 1)
                .containsEntry(READS, before.get(READS) + 3);
        assertThat(runtime.user(VF)).isEqualTo("vfio-user pid " + guest.pid());
        assertThat(lspci(vf)).contains("[size=64K]", "[size=16K]", "Count=5", "FLReset+");
    }

    @Test
    @Order(4)
    void graphicsIsUnpluggedAndPluggedAgain() throws IOException {
        try (MachineProtocol control = guest.control()) {
            assertThat(control.removeDevice(id(GRAPHICS))).isTrue();
            guest.awaitUnplugged(GRAPHICS_PORT);
            assertThat(runtime.user(GRAPHICS)).isEqualTo("nobody");
            assertThat(runtime.user(VF)).isEqualTo("vfio-user pid " + guest.pid());
            assertThat(guest.peek(vf, 0, RSTAT)).isEqualTo(2);

            control.addDevice(plug(GRAPHICS, GRAPHICS_PORT));
        }
        graphics = guest.awaitPlugged(GRAPHICS_PORT, 2);
        guest.run("enable " + graphics);

        assertThat(guest.peek(graphics, 0, MI_MODE)).isEqualTo(RINGS_IDLE);
        guest.poke(graphics, 0, 0x2030, 0x2000);
        assertThat(guest.peek(graphics, 0, 0x2030)).isEqualTo(0x2000);
        guest.poke(graphics, 2, 0x2000, 0xbeef);
        assertThat(guest.peek(graphics, 2, 0x2000)).isEqualTo(0xbeef);
        assertThat(runtime.user(GRAPHICS)).isEqualTo("vfio-user pid " + guest.pid());
        assertThat(runtime.counters(GRAPHICS)).containsEntry(WRITES, 1L).containsEntry(READS, 2L);
    }

    /** QEMU does not listen to the request to give a vfio-user device back; it and its guest go on without the function. */
    @Test
    @Order(4)
    void graphicsIsRemovedUnderTheGuestAndComesBack() throws IOException {
        assertThat(runtime.exec("sim:remove " + GRAPHICS)).startsWith(GRAPHICS + " is removed");

        assertThat(guest.peek(vf, 0, RSTAT)).isEqualTo(2);
        assertThat(runtime.exec("sim:add " + GRAPHICS)).startsWith(GRAPHICS + " is back");
        assertThat(runtime.user(GRAPHICS)).isEqualTo("nobody");
        try (MachineProtocol control = guest.control()) {
            assertThat(control.removeDevice(id(GRAPHICS))).isTrue();
            guest.awaitUnplugged(GRAPHICS_PORT);
            control.addDevice(plug(GRAPHICS, GRAPHICS_PORT));
        }
        graphics = guest.awaitPlugged(GRAPHICS_PORT, 2);
        guest.run("enable " + graphics);
        assertThat(guest.peek(graphics, 0, MI_MODE)).isEqualTo(RINGS_IDLE);
        assertThat(runtime.user(GRAPHICS)).isEqualTo("vfio-user pid " + guest.pid());
    }

    @Test
    @Order(4)
    void functionIsPluggedWithTheArgumentThatTheShellShows() throws IOException {
        try (MachineProtocol control = guest.control()) {
            control.addDevice(Json.createObjectBuilder(argumentShownFor(OTHER_VF))
                    .add("bus", "rp" + OTHER_VF_PORT)
                    .add("id", id(OTHER_VF))
                    .build());
        }
        String other = guest.awaitPlugged(OTHER_VF_PORT, 0);
        guest.run("enable " + other);
        guest.poke(vf, 0, QRX_TAIL, 0x11);

        guest.poke(other, 0, QRX_TAIL, 0x22);

        assertThat(guest.peek(other, 0, QRX_TAIL)).isEqualTo(0x22);
        assertThat(guest.peek(vf, 0, QRX_TAIL)).isEqualTo(0x11);
        assertThat(guest.peek(other, 0, RSTAT)).isEqualTo(2);
        assertThat(lspci(other)).contains("[size=64K]", "[size=16K]", "Count=5", "FLReset+");
        assertThat(runtime.user(OTHER_VF)).isEqualTo("vfio-user pid " + guest.pid());
        assertThat(runtime.counters(OTHER_VF)).containsEntry(WRITES, 1L).containsEntry(READS, 2L);
    }

    /** Whatever becomes of QEMU, the runtime has the function back. */
    @Test
    @Order(5)
    void functionWithMsixIsUnplugged() throws IOException {
        boolean survived;
        try (MachineProtocol control = guest.control()) {
            survived = control.removeDevice(id(VF));
            if (survived) {
                guest.awaitUnplugged(VF_PORT);
                assertThat(runtime.user(VF)).isEqualTo("nobody");
                control.addDevice(plug(VF, VF_PORT));
            }
        }
        if (survived) {
            vf = guest.awaitPlugged(VF_PORT, 0);
            guest.run("enable " + vf);
            accessBothWays();
            assertThat(lspci(vf)).contains("[size=64K]", "[size=16K]", "Count=5", "FLReset+");
            assertThat(runtime.counters(VF)).containsEntry(WRITES, 1L).containsEntry(READS, 2L);
            guest.kill();
        } else {
            guest.awaitEnd();
            assertThat(guest.toString()).contains(UNPLUG_DEFECT);
            LOGGER.log(Level.WARNING, "QEMU aborted when a function with MSI-X was unplugged: {0}", UNPLUG_DEFECT);
        }
        assertFree();
    }

    @Test
    @Order(6)
    void guestKilledWhileItsFirmwareMapsMemoryFreesItsDevicesAtOnce() {
        try (Guest other = Guest.start(
                environment,
                "killed",
                List.of(
                        "-device",
                        plug(GRAPHICS, GRAPHICS_PORT).toString(),
                        "-device",
                        plug(VF, VF_PORT).toString()))) {
            String user = "vfio-user pid " + other.pid();
            Awaitility.await("the guest has its devices")
                    .atMost(Duration.ofSeconds(30))
                    .until(() -> runtime.user(VF).equals(user)
                            && runtime.user(GRAPHICS).equals(user));
            assertThat(ProcessFigures.mappedParts(runtime.pid(), GUEST_MEMORY)).isNotEmpty();

            other.kill();

            assertFree();
        }
    }

    @Test
    @Order(7)
    void runtimeSawNoErrorAndEndsCleanly() {
        assertThat(runtime.errors()).isEmpty();
        assertThat(runtime.socketNames()).contains(VF + ".sock", GRAPHICS + ".sock", "admin.sock");

        RuntimeProcess.End end = runtime.terminate(Duration.ofSeconds(10));

        LOGGER.log(Level.INFO, "ended after a guest: {0}", end);
        assertThat(end.took()).isLessThanOrEqualTo(Duration.ofSeconds(2));
        assertThat(end.status()).isZero();
        assertThat(runtime.socketNames()).isEmpty();
        assertThat(runtime.errors()).isEmpty();
    }

    /** One write and two reads that are trapped, and a write and a read that are not. */
    private void accessBothWays() {
        guest.poke(vf, 0, QRX_TAIL, 0x234);
        assertThat(guest.peek(vf, 0, QRX_TAIL)).isEqualTo(0x234);
        guest.poke(vf, 0, QTX_TAIL, 0x345);
        assertThat(guest.peek(vf, 0, QTX_TAIL)).isEqualTo(0x345);
        assertThat(guest.peek(vf, 0, RSTAT)).isEqualTo(2);
    }

    private String lspci(String address) {
        return String.join("\n", guest.run("lspci -nvv -s " + address));
    }

    /** 16 bytes of configuration space as {@code lspci -xxxx} shows them. */
    private String configuration(String address, int offset) {
        String row = Integer.toHexString(offset & ~0xf);
        String start = (row.length() < 2 ? "0" + row : row) + ": ";
        String bytes = guest.run("lspci -n -xxxx -s " + address + " | grep '^" + start + "'")
                .get(0)
                .substring(start.length());
        return bytes.substring(3 * (offset & 0xf));
    }

    private JsonObject plug(String address, int port) {
        return Json.createObjectBuilder()
                .add("driver", "vfio-user-pci")
                .add(
                        "socket",
                        Json.createObjectBuilder()
                                .add("path", runtime.socket(address).toString())
                                .add("type", "unix"))
                .add("bus", "rp" + port)
                .add("id", id(address))
                .build();
    }

    private static String id(String address) {
        return "device-" + address.replace(':', '-');
    }

    /** The devices can be opened at once, and no memory of a guest is left. */
    private void assertFree() {
        for (String device : List.of(VF, GRAPHICS)) {
            Command.Result opened = runtime.tryExec("vfio:open " + device);
            assertThat(opened.status()).as("%s", opened).isZero();
            assertThat(runtime.user(device)).isEqualTo("shell");
        }
        assertThat(ProcessFigures.mappedParts(runtime.pid(), GUEST_MEMORY)).isEmpty();
        assertThat(runtime.exec("vfio:read " + VF + " bar0 0x8800").strip()).isEqualTo("0x00000002");
        for (String device : List.of(VF, GRAPHICS)) {
            runtime.exec("vfio:close " + device);
        }
    }

    /** What the shell tells people to write after {@code -device}. */
    private JsonObject argumentShownFor(String address) {
        Matcher argument = Pattern.compile("-device '([^']*)'").matcher(runtime.exec("vfio:qemu " + address));
        assertThat(argument.find()).isTrue();
        return Json.createReader(new StringReader(argument.group(1))).readObject();
    }
}
