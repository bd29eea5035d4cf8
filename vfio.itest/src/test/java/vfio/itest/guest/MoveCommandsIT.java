package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.BitSet;
import java.util.Objects;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import vfio.iavf.DriverOptions;
import vfio.iavf.GuestMemory;
import vfio.iavf.QueueSettings;
import vfio.iavf.RegisterPath;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/** An administrator moves virtual functions under traffic between two runtimes, which are processes, and to files and back. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class MoveCommandsIT {
    private static final String FIRST = DrivenFunctions.FIRST;
    private static final String SECOND = DrivenFunctions.SECOND;
    private static final String GRAPHICS = "0000:00:02.0";
    private static final Duration SOON = Duration.ofSeconds(20);

    private static final DriverOptions OPTIONS = DriverOptions.DEFAULT
            .withRegisters(RegisterPath.MAPPED)
            .withInterrupts(false)
            .withMemory(0x12_3400_0000L, 16L << 20);
    private static final QueueSettings QUEUES = new QueueSettings(1, 128, 2048, 1500);

    private static final String BUS = """
            {
              ":configurator:resource-version": 1,
              ":configurator:symbolic-name": "vfio.itest.moves",
              ":configurator:version": "1.0.0",
              "vfio.sim.xl710~pf0": { "address": "0000:03:00.0", "vfs": 2 },
              "vfio.sim.igd~igd0": { "address": "0000:00:02.0" }
            }
            """;

    private RuntimeProcess source;
    private RuntimeProcess target;
    private Station peer;
    private Station moving;
    private CheckedTraffic traffic;

    @RegisterExtension
    final FailureReport report = new FailureReport(() -> source + "\n" + target);

    @BeforeEach
    void start() throws IOException {
        source = startedAgain("source", source);
        target = startedAgain("target", target);
        peer = Station.open(source.socket(SECOND), OPTIONS, QUEUES);
        moving = Station.open(source.socket(FIRST), OPTIONS, QUEUES);
        traffic = new CheckedTraffic(moving, peer);
    }

    @AfterEach
    void leave() {
        Stream.of(moving, peer).filter(Objects::nonNull).forEach(Station::abandon);
        moving = null;
        peer = null;
        Stream.of(source, target).filter(RuntimeProcess::isAlive).forEach(MoveCommandsIT::awaitFree);
    }

    @AfterAll
    void stop() {
        Stream.of(source, target).filter(Objects::nonNull).forEach(RuntimeProcess::close);
    }

    @Test
    void movesUnderTraffic() {
        try (Arrival arrival = Arrival.await(target, FIRST, memory());
                Station next = Station.open(target.socket(SECOND), OPTIONS, QUEUES)) {
            memory().watch(true);
            CommandMove move = CommandMove.start(source, FIRST, target);
            move.awaitRound(5, this::exchange);
            exchange();
            traffic.send(20);
            traffic.sendBack(20);
            traffic.takeAtPeer();
            traffic.post(10);
            traffic.settlePeer();
            move.step("settle");
            arrival.takeWritten();
            move.step("switch-over");
            assertThat(move.output())
                    .contains("asking " + target.socket("migration"), "round 1: ", "round 5: ", "stands still")
                    .endsWith("\n")
                    .doesNotContain("\r", "\u001b");
            assertThat(move.output().lines().reduce("", (before, line) -> line))
                    .startsWith(FIRST + " runs at " + target.socket("migration") + ": ")
                    .contains(" MiB of memory", "stood still for");
            assertAsAfterReset(moving.client());
            traffic.takeAtPeer();
            arrival.handOver(moving);
            traffic.peer(next);
            assertTrafficGoesOn();
            assertThat(moving.driver().takeErrors()).isZero();
            assertThat(target.ask("vfio:migration " + FIRST)).contains("runs here");
            Awaitility.await().atMost(SOON).until(() -> source.user(FIRST).equals("nobody"));
            Station.open(source.socket(FIRST), OPTIONS, QUEUES).close();
            assertNoErrors();
            moving.close();
            moving = null;
        }
    }

    /** What the device has written comes from its reports alone; what the driver has, from the test, as from a VMM. */
    @Test
    void memoryIsTheSameAtTheTarget() {
        try (Arrival arrival = Arrival.await(target, FIRST, memory())) {
            WriteOracle there = new WriteOracle(target, FIRST, memory().iova());
            there.start();
            memory().watch(true);
            CommandMove move = CommandMove.start(source, FIRST, target);
            move.awaitRound(4, this::exchange);
            traffic.finish();
            move.step("settle");
            arrival.takeWritten();
            memory().watch(true);
            // The driver does not look at these frames, so the device alone writes their buffers from here on.
            traffic.sendBack(20);
            traffic.settlePeer();
            move.step("settle");
            arrival.takeWritten();
            move.step("switch-over");
            assertThat(move.output()).contains("stood still for");
            BitSet since = there.take();
            assertThat(since.cardinality()).as("a link event").isLessThanOrEqualTo(2);
            arrival.assertSameMemory(since);
            there.end();
            assertNoErrors();
        }
    }

    @Test
    void runsOnIfTheTargetIsKilled() {
        try (Arrival arrival = Arrival.await(target, FIRST, memory())) {
            CommandMove move = CommandMove.start(source, FIRST, target);
            move.awaitRound(2, this::exchange);
            target.close();
            exchange();
            assertThat(move.failure()).isNotEmpty();
            assertStayed("was not moved: ");
            assertThat(source.errors()).isEmpty();
        }
    }

    @Test
    void targetForgetsWhatCameIfTheSourceIsKilled() {
        try (Arrival arrival = Arrival.await(target, FIRST, memory())) {
            CommandMove move = CommandMove.start(source, FIRST, target);
            move.awaitRound(2, this::exchange);
            source.close();
            assertThat(move.failure()).isNotEmpty();
            Awaitility.await().atMost(SOON).until(() -> target.ask("vfio:migration " + FIRST)
                    .contains("was not moved"));
            assertThat(target.ask("vfio:migration " + FIRST)).contains("the device here has been reset");
            assertThat(target.log()).contains("nothing comes from process " + source.pid());
            assertAsAfterReset(arrival.client());
        }
        assertFreeAtTarget();
    }

    @Test
    void runsOnIfCancelled() {
        try (Arrival arrival = Arrival.await(target, FIRST, memory())) {
            CommandMove move = CommandMove.start(source, FIRST, target);
            move.awaitRound(2, this::exchange);
            move.step("cancel");
            assertThat(move.failure()).contains("the move was cancelled; the device runs here");
            assertStayed("was not moved and runs here");
            Awaitility.await().atMost(SOON).until(() -> target.ask("vfio:migration " + FIRST)
                    .contains("the device here has been reset"));
            assertAsAfterReset(arrival.client());
            assertNoErrors();
        }
        assertFreeAtTarget();
    }

    @Test
    void isRefusedByWhoUsesTheFunction() {
        try (Station user = Station.open(target.socket(FIRST), OPTIONS, QUEUES);
                Station friend = Station.open(target.socket(SECOND), OPTIONS, QUEUES)) {
            CheckedTraffic there = new CheckedTraffic(user, friend);
            there.send(20);
            there.sendBack(20);
            assertRefused("", FIRST + " is in use: its bus mastering is on");
            there.finish();
            assertStayed("was not moved: ");
            there.send(20);
            there.sendBack(20);
            there.finish();
            assertThat(user.driver().takeErrors()).isZero();
        }
    }

    @Test
    void isRefusedWhereNobodyWaits() {
        assertRefused("", "nobody has " + FIRST + " open; start the VMM");
        assertStayed("was not moved: ");
    }

    @Test
    void isRefusedByAnotherDevice() {
        try (VfioUserClient graphics = VfioUserClient.connect(target.socket(GRAPHICS))) {
            assertThat(graphics.readShort(PciRegion.CONFIG, PciConfig.VENDOR_ID))
                    .isEqualTo(0x8086);
            assertRefused("--as " + GRAPHICS + " ", GRAPHICS + " is ");
            assertStayed("was not moved: ");
            assertThat(target.user(GRAPHICS)).isNotEqualTo("nobody");
        }
    }

    @Test
    void isRefusedWithoutTheVendorDriver() throws IOException {
        target.close();
        Path copy = Places.copyOfDistribution("MoveCommandsIT");
        Files.delete(copy.resolve("repository/mediate.i40e.jar"));
        target = start("target", copy.resolve("bin/vfio-mediate"));
        try (Arrival arrival = Arrival.await(target, FIRST, memory())) {
            assertRefused("", "ENOTTY");
            assertStayed("was not moved: ");
            assertAsAfterReset(arrival.client());
        }
        target.close();
    }

    @Test
    void goesToAFileAndBack(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("state");
        for (int round = 0; round < 3; round++) {
            exchange();
            traffic.send(20);
            traffic.sendBack(20);
            assertThat(source.ask("vfio:save " + FIRST + " " + file))
                    .contains(Files.size(file) + " bytes of " + FIRST, "it stands still until");
            assertThat(source.ask("vfio:migration " + FIRST)).contains("stands still, its state is in " + file);
            traffic.send(10);
            traffic.takeAtPeer();
            assertThat(peer.unexpected()).isEmpty();
            assertThat(source.ask("vfio:migration " + FIRST + " resume")).contains("runs here");
            assertTrafficGoesOn();
        }
        assertThat(source.ask("vfio:save --keep-running " + FIRST + " " + file)).contains("it runs on");
        assertThat(source.ask("vfio:migration " + FIRST)).contains("runs here, and its state as it was is in " + file);
        assertTrafficGoesOn();
        assertNoErrors();
    }

    @Test
    void goesToAFileAndElsewhere(@TempDir Path folder) {
        Path file = folder.resolve("state");
        try (Arrival arrival = Arrival.await(target, FIRST, memory());
                Station next = Station.open(target.socket(SECOND), OPTIONS, QUEUES)) {
            exchange();
            traffic.send(20);
            traffic.sendBack(20);
            traffic.settlePeer();
            source.ask("vfio:save " + FIRST + " " + file);
            traffic.takeAtPeer();
            arrival.takeAll();
            assertThat(target.ask("vfio:restore " + FIRST + " " + file))
                    .contains(FIRST + " runs with the state in " + file);
            moving.client().reset();
            arrival.handOver(moving);
            traffic.peer(next);
            assertTrafficGoesOn();
            assertThat(moving.driver().takeErrors()).isZero();
            assertNoErrors();
            moving.close();
            moving = null;
        }
    }

    @Test
    void noChangedFileIsRestored(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("state");
        source.ask("vfio:save --keep-running " + FIRST + " " + file);
        byte[] state = Files.readAllBytes(file);
        try (Arrival arrival = Arrival.await(target, FIRST, memory())) {
            for (int at : new int[] {0, state.length / 3, state.length / 2, state.length - 1}) {
                byte[] changed = state.clone();
                changed[at] ^= 0x10;
                Files.write(file, changed);
                assertThat(target.tryExec("vfio:restore " + FIRST + " " + file).status())
                        .as("byte %d", at)
                        .isNotZero();
                assertThat(target.ask("vfio:migration " + FIRST)).contains("was not moved: ");
                assertAsAfterReset(arrival.client());
            }
            Files.write(file, state);
            target.ask("vfio:restore " + FIRST + " " + file);
            assertThat(arrival.isBusMaster()).isTrue();
        }
        assertFreeAtTarget();
    }

    @Test
    void fullDiskChangesNothing(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("state"), "of before");
        Files.createSymbolicLink(folder.resolve("state.part"), Path.of("/dev/full"));
        exchange();
        Command.Result result = source.tryExec("vfio:save " + FIRST + " " + file);
        assertThat(result.status()).isNotZero();
        assertThat(result.messages()).contains(file + " cannot be written: ", "No space left", "the device runs on");
        assertThat(file).hasContent("of before");
        assertThat(Path.of("/dev/full")).exists();
        assertStayed("was not moved: ");
        source.ask("vfio:save --keep-running " + FIRST + " " + file);
        assertThat(Files.size(file)).isGreaterThan(1000);
    }

    private void assertRefused(String options, String reason) {
        Command.Result result = source.tryExec("vfio:migrate " + options + FIRST + " " + target.socket("migration"));
        assertThat(result.status()).as("%s", result).isNotZero();
        assertThat(result.messages()).contains("the other runtime refused: ", reason);
    }

    /** The function is where it was, untrapped, and its driver has noticed nothing. */
    private void assertStayed(String said) {
        assertThat(source.ask("vfio:migration " + FIRST)).contains(said);
        Awaitility.await("no trap any more, confirmed by the client")
                .atMost(SOON)
                .until(() -> source.field(FIRST, "trap").orElseThrow().equals("dynamic, no"));
        assertTrafficGoesOn();
        assertThat(moving.driver().takeErrors()).isZero();
    }

    private void assertTrafficGoesOn() {
        for (int round = 0; round < 10; round++) {
            exchange();
        }
        traffic.finish();
    }

    private void assertFreeAtTarget() {
        awaitFree(target);
        try (Station first = Station.open(target.socket(FIRST), OPTIONS, QUEUES);
                Station second = Station.open(target.socket(SECOND), OPTIONS, QUEUES)) {
            DrivenFunctions.exchange(first, second, 700);
        }
    }

    private void assertNoErrors() {
        assertThat(source.errors()).isEmpty();
        assertThat(target.errors()).isEmpty();
    }

    private static void assertAsAfterReset(VfioUserClient client) {
        assertThat(client.readShort(PciRegion.CONFIG, PciConfig.COMMAND) & PciConfig.COMMAND_MASTER)
                .as("bus mastering")
                .isZero();
    }

    private void exchange() {
        traffic.send(10);
        traffic.sendBack(10);
        traffic.take();
        traffic.takeAtPeer();
    }

    private GuestMemory memory() {
        return moving.driver().memory();
    }

    private static void awaitFree(RuntimeProcess runtime) {
        Awaitility.await("nobody at the functions").atMost(SOON).until(() -> Stream.of(FIRST, SECOND)
                .allMatch(function -> runtime.user(function).equals("nobody")));
    }

    /** The runtime of the test before, unless that has killed it. */
    private static RuntimeProcess startedAgain(String name, @Nullable RuntimeProcess before) throws IOException {
        return before != null && before.isAlive() ? before : start(name, Places.launcher());
    }

    private static RuntimeProcess start(String name, Path launcher) throws IOException {
        Path etc = Places.emptyFolder("etc", "MoveCommandsIT-" + name);
        Files.writeString(etc.resolve("bus.json"), BUS);
        return RuntimeProcess.start("MoveCommandsIT-" + name, etc, launcher);
    }
}
