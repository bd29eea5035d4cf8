package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
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
import org.junit.jupiter.api.io.TempDir;
import vfio.itest.guest.ProcessFigures.FilePart;

/**
 * The unmodified Linux driver {@code iavf} on virtual functions of simulated XL710, two of a card, in one guest of an unmodified
 * QEMU. Each card has another layout of its registers: as the vendor driver wants it for a client that cannot change it, all
 * pages trapped, and all pages mapped that the hardware lets be mapped.
 */
@ExtendWith(GuestEnvironment.Condition.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(300)
abstract class NetworkGuest {
    private static final Logger LOGGER = System.getLogger(NetworkGuest.class.getName());

    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.bus",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~mediated": { "address": "0000:03:00.0", "vfs": 2 },
              "vfio.sim.xl710~trapped": { "address": "0000:04:00.0", "vfs": 2, "mmap": false },
              "vfio.sim.xl710~mapped": { "address": "0000:05:00.0", "vfs": 2 },
              "vfio.pci.core.rule~mapped0": { "device": "0000:05:02.0", "trap": "never" },
              "vfio.pci.core.rule~mapped1": { "device": "0000:05:02.1", "trap": "never" }
            }
            """;

    private static final List<Integer> BUSES = List.of(3, 4, 5);
    private static final String FIRST = "0000:03:02.0";
    /** 64 MiB. */
    private static final String DATA = "/data";

    /** The first 16 MiB of it. */
    private static final String SHORT = "/short";

    private static final int JUMBO = 9000;

    /** Bytes of ICMP in the longest packet that is not cut into fragments. */
    private static final int JUMBO_PAYLOAD = JUMBO - 20 - 8;

    private static final int RELOADS = 10;
    private static final int UPDATES = 5;

    /** What the driver says, as an error, when its device has been reset and nobody has told it. */
    private static final String RESET_DETECTED = "Hardware reset detected";

    /** What it says if VIRTCHNL_OP_CONFIG_VSI_QUEUES is refused. */
    private static final String QUEUES_REFUSED = "PF returned error -5 (IAVF_ERR_PARAM) to our request 6";

    private final String kernel;
    private Path etc;
    private RuntimeProcess runtime;
    private Guest guest;
    private InterfacePair mediated;
    private InterfacePair trapped;
    private InterfacePair mapped;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> runtime + "\n" + guest);

    /** @param kernel series of the guest's kernel */
    NetworkGuest(String kernel) {
        this.kernel = kernel;
    }

    @BeforeAll
    void start() throws IOException {
        GuestEnvironment environment = GuestEnvironment.require(kernel, List.of("iavf"));
        etc = Places.emptyFolder("etc", "network-" + kernel);
        Files.writeString(etc.resolve("bus.json"), BUS);
        runtime = RuntimeProcess.start("network-" + kernel, etc);
        List<String> devices = new ArrayList<>();
        functions(NetworkGuest::address)
                .forEach(address -> devices.addAll(
                        List.of("-device", device(runtime, address).toString())));
        guest = Guest.start(environment, "network-" + kernel, devices);
        guest.awaitBoot();
        mediated = pair(0);
        trapped = pair(1);
        mapped = pair(2);
        setUp();
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
    void layoutsAreAsConfigured() {
        assertThat(mappedParts(FIRST)).containsExactly(new FilePart(0, 0x2000), new FilePart(0x9000, 0x7000));
        assertThat(mappedParts("0000:04:02.0")).isEmpty();
        assertThat(mappedParts("0000:05:02.0"))
                .containsExactly(new FilePart(0, 0x3000), new FilePart(0x6000, 0x2000), new FilePart(0x9000, 0x7000));
        for (String function : functions(NetworkGuest::address)) {
            assertThat(runtime.field(function, "mediator")).as(function).contains("i40e");
        }
    }

    @Test
    @Order(1)
    void noPingIsLost() {
        for (InterfacePair pair : List.of(mediated, trapped, mapped)) {
            pair.ping(200, 56);
        }
    }

    @Test
    @Order(1)
    void transfersArriveUnchangedBothWays() {
        assertThat(mediated.features())
                .contains(
                        "tx-checksum-ipv4",
                        "tx-checksum-ipv6",
                        "tx-tcp-segmentation",
                        "rx-checksumming",
                        "receive-hashing");
        mediated.sendForth(DATA);
        mediated.sendBack(DATA);
        for (InterfacePair pair : List.of(trapped, mapped)) {
            pair.sendForth(SHORT);
            pair.sendBack(SHORT);
        }
    }

    @Test
    @Order(2)
    void interfaceGoesDownAndUp() {
        mediated.restartFirst();
        mediated.ping(20, 56);
    }

    @Test
    @Order(2)
    void linkGoesDownAndUp() {
        runtime.exec("sim:link 3:0.0 down");
        mediated.awaitNoLinks();
        runtime.exec("sim:link 3:0.0 up");
        mediated.awaitLinks();
        mediated.ping(20, 56);
    }

    @Test
    @Order(2)
    void longFramesArrive() {
        mediated.setMtu(JUMBO);
        mediated.ping(20, JUMBO_PAYLOAD);
        mediated.sendForth(SHORT);
        mediated.sendBack(SHORT);
        mediated.setMtu(1500);
        mediated.ping(20, 56);
    }

    @Test
    @Order(3)
    void transferSurvivesUpdatesOfTheVendorBundle() {
        int before = handOvers();
        mediated.beginSending(SHORT);
        for (int update = 0; update < UPDATES; update++) {
            runtime.exec("vfio:update mediate.i40e");
            mediated.awaitProgress();
        }
        mediated.endSending();

        assertThat(handOvers()).isEqualTo(before + UPDATES);
        assertThat(runtime.field(FIRST, "mediator")).contains("i40e");
    }

    @Test
    @Order(3)
    void transferSurvivesResetByTheHost() {
        mediated.beginSending(SHORT);
        runtime.exec("sim:reset " + FIRST);
        guest.run("await 20 eval 'dmesg | grep -q \"Reset indication received from the PF\"'");
        mediated.awaitProgress();
        mediated.endSending();
        mediated.ping(200, 56);
    }

    @Test
    @Order(3)
    void functionIsSavedWhileTheGuestStandsStill(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("state");
        mediated.ping(20, 56);
        try (MachineProtocol control = guest.control()) {
            control.pause();
            assertThat(runtime.ask("vfio:save --keep-running " + FIRST + " " + file))
                    .contains("it runs on");
            assertThat(runtime.ask("vfio:save " + FIRST + " " + file)).contains("it stands still");
            runtime.ask("vfio:migration " + FIRST + " resume");
            Command.Result restore = runtime.tryExec("vfio:restore " + FIRST + " " + file);
            assertThat(restore.status()).isNotZero();
            assertThat(restore.messages()).contains(FIRST + " is in use: its bus mastering is on");
            control.resume();
        }
        mediated.ping(200, 56);
        mediated.sendForth(SHORT);
        mediated.sendBack(SHORT);
    }

    @Test
    @Order(4)
    void driverSaysNoError() {
        assertThat(driverErrors()).isEmpty();
    }

    /** The driver is not told of it and finds out by itself, which it reports as an error. */
    @Test
    @Order(5)
    void functionLevelResetIsSurvived() {
        guest.run("echo 1 >/sys/bus/pci/devices/" + mediated.firstFunction() + "/reset");
        guest.run("await 20 eval 'dmesg | grep -q \"%s\"'".formatted(RESET_DETECTED));
        mediated.awaitAnswer();
        mediated.ping(200, 56);
        mediated.sendForth(SHORT);

        assertThat(driverErrors()).hasSize(1).allMatch(line -> line.contains(RESET_DETECTED));
    }

    @Test
    @Order(6)
    void driverIsUnloadedAndLoadedAgain() {
        guest.run("dmesg -c >/dev/null");
        for (int reload = 0; reload < RELOADS; reload++) {
            guest.run("rmmod iavf && modprobe iavf");
            functions(NetworkGuest::macAddress)
                    .forEach(mac -> guest.run("await 20 eval 'grep -q %s /sys/class/net/*/address'".formatted(mac)));
        }
        setUp();
        for (InterfacePair pair : List.of(mediated, trapped, mapped)) {
            pair.ping(20, 56);
        }
        assertThat(driverErrors()).isEmpty();
    }

    @Test
    @Order(7)
    void guestReboots() {
        guest.reboot();
        setUp();
        for (InterfacePair pair : List.of(mediated, trapped, mapped)) {
            pair.ping(200, 56);
        }
        mediated.sendForth(SHORT);
        assertThat(driverErrors()).isEmpty();
    }

    @Test
    @Order(8)
    void deviceSawNothingWrong() {
        assertThat(runtime.errors()).isEmpty();
        assertThat(runtime.log()).doesNotContain("malicious");
        LOGGER.log(Level.INFO, "after Linux {0}:\n{1}", kernel, runtime.exec("sim:ports"));
    }

    /**
     * As much of a move as QEMU can do: the guest stands still, gets functions of another runtime, and the state is restored there.
     * The driver does not know the state and takes the function for a new one. But its queues run already, so that their
     * configuration is refused, and nothing is sent until the interface has been down. This comes last: what was plugged cannot be
     * taken from QEMU again.
     */
    @Test
    @Order(9)
    void savedFunctionIsRestoredAtAnotherRuntimeAndPlugged(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("state");
        guest.run("dmesg -c >/dev/null");
        String other = address(4, 0);
        try (RuntimeProcess target = RuntimeProcess.start("network-target-" + kernel, etc)) {
            try (MachineProtocol control = guest.control()) {
                control.pause();
                assertThat(runtime.ask("vfio:save " + FIRST + " " + file)).contains("it stands still");
                plug(control, target, other, 0);
                plug(control, target, address(4, 1), 1);
                assertThat(target.ask("vfio:restore " + other + " " + file)).contains("runs with the state in");
                control.resume();
            }
            String restored = guest.awaitPlugged(0, 0);
            InterfacePair pair = InterfacePair.ofFunctions(guest, 3, restored, guest.awaitPlugged(1, 0));
            pair.setUp();
            guest.run("await 20 eval 'dmesg | grep -q \"%s: %s\"'".formatted(restored, QUEUES_REFUSED));
            pair.restartFirst();
            pair.ping(200, 56);
            pair.sendForth(SHORT);

            assertThat(guest.ask("cat /sys/bus/pci/devices/" + restored + "/net/*/address"))
                    .as("what is left of the state")
                    .isEqualTo(macAddress(3, 0));
            assertThat(target.errors()).isEmpty();
        }
    }

    private static void plug(MachineProtocol control, RuntimeProcess from, String address, int port) {
        control.addDevice(Json.createObjectBuilder(device(from, address))
                .add("bus", "rp" + port)
                .build());
    }

    private void setUp() {
        guest.run("[ -e %s ] || dd if=/dev/urandom of=%s bs=1M count=64 2>/dev/null".formatted(DATA, DATA));
        guest.run("dd if=%s of=%s bs=1M count=16 2>/dev/null".formatted(DATA, SHORT));
        for (InterfacePair pair : List.of(mediated, trapped, mapped)) {
            pair.setUp();
        }
    }

    private List<String> driverErrors() {
        return guest.run("dmesg -r | grep '^<[0-3]>.*iavf' || true");
    }

    private int handOvers() {
        String count = runtime.field(FIRST, "hand-overs").orElseThrow().split(",", -1)[0];
        return count.equals("none") ? 0 : Integer.parseInt(count);
    }

    private List<FilePart> mappedParts(String address) {
        return ProcessFigures.mappedParts(guest.pid(), address + "-BAR0");
    }

    private InterfacePair pair(int number) {
        int bus = BUSES.get(number);
        return InterfacePair.ofAddresses(guest, number, macAddress(bus, 0), macAddress(bus, 1));
    }

    /** Something about each virtual function, given its bus and its number. */
    private static <T> List<T> functions(BiFunction<Integer, Integer, T> about) {
        return BUSES.stream()
                .flatMap(bus -> IntStream.range(0, 2).mapToObj(number -> about.apply(bus, number)))
                .toList();
    }

    private static String address(int bus, int number) {
        return "0000:%02x:02.%d".formatted(bus, number);
    }

    private static String macAddress(int bus, int number) {
        return "02:00:%02x:00:00:%02x".formatted(bus, number);
    }

    private static JsonObject device(RuntimeProcess runtime, String address) {
        return Json.createObjectBuilder()
                .add("driver", "vfio-user-pci")
                .add(
                        "socket",
                        Json.createObjectBuilder()
                                .add("path", runtime.socket(address).toString())
                                .add("type", "unix"))
                .build();
    }
}
