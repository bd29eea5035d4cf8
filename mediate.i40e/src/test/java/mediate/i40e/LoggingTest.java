package mediate.i40e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import migration.region.MigrationRegion;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciRegion;
import vfio.pci.api.testing.FakeDevice;
import vfio.pci.api.testing.FakeHardwareState;
import vfio.pci.api.testing.FakeMemory;
import vfio.pci.api.testing.MediatedDevice;
import vfio.pci.api.testing.Trapping;

/** Logging and moving a device while its traps, its driver and its state change. */
class LoggingTest {
    private static final int PAGES = 64;
    private static final int FLR = 0xa0 + PciConfig.EXP_DEVCTL;

    private final FakeHardwareState state = new FakeHardwareState().with(QueuePair.PART, new byte[4]);
    private final FakeDevice function = FunctionMigrationTest.function(state);
    private final MediateOps ops = ops(Settings.DEFAULT);
    private final MediatedDevice device = function.mediatedBy(ops);
    private final Migratable migration = device.migration("a test");

    LoggingTest() {
        function.memory().map(0, new byte[PAGES * 4096]);
    }

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void beginsWhenTheClientHasConfirmed() {
        assertFails(Errno.EAGAIN, () -> migration.startLogging(4096, List.of()));
        assertFails(Errno.EAGAIN, () -> migration.startLogging(4096, List.of()));
        device.confirmTrap();

        assertThat(migration.startLogging(4096, List.of())).isEqualTo(4096);
        assertThat(dirty()).isZero();

        migration.stopLogging();
        assertThat(device.isTrapped()).isFalse();
    }

    /** Who gives up before the client confirms. */
    @Test
    void doesNotTrapForSomebodyWhoHasGivenUp() {
        assertFails(Errno.EAGAIN, () -> migration.startLogging(4096, List.of()));
        device.confirmTrap();
        assertThat(device.isTrapped()).isTrue();
        migration.stopLogging();
        assertThat(device.isTrapped()).isFalse();
    }

    @Test
    void isRefusedWhereNothingCanBeTrapped() {
        try (MediatedDevice other = FunctionMigrationTest.function(state)
                .withTrapping(Trapping.NEVER)
                .mediatedBy(ops)) {
            assertFails(Errno.EOPNOTSUPP, () -> other.migration("a test").startLogging(4096, List.of()));
        }
    }

    @Test
    void theAdministratorsTrapOutlivesThatOfLogging() {
        device.track(true);
        device.confirmTrap();
        migration.startLogging(4096, List.of());
        migration.stopLogging();
        assertThat(device.isTrapped()).isTrue();
        device.track(false);
        assertThat(device.isTrapped()).isFalse();
    }

    @Test
    void allIsDirtyUntilTheEndWhenTheTrapIsLost() {
        begin();
        assertThat(dirty()).isZero();
        device.mediation().trapChanged(false);
        assertThat(dirty()).isEqualTo(PAGES);
        device.mediation().trapChanged(true);
        assertThat(dirty()).isEqualTo(PAGES);
        assertThat(function.logged()).singleElement().asString().contains("may be reached unseen");
    }

    @Test
    void aRingThatCannotBeReadMakesAllDirtyAndNobodyElseNotices() {
        begin();
        device.writeInt(PciRegion.BAR0, VfRegister.VF_ARQLEN1.at(0), 32 | VfRegister.ENABLE);
        device.writeInt(PciRegion.BAR0, VfRegister.VF_ARQBAL1.at(0), 0x7fff_0000);
        device.writeInt(PciRegion.BAR0, VfRegister.VF_ARQT1.at(0), 31);

        assertThat(function.region(PciRegion.BAR0).getInt(VfRegister.VF_ARQT1.at(0)))
                .isEqualTo(31);
        assertThat(dirty()).isEqualTo(PAGES);
        assertThat(device.counters().get("tracking.doubts")).isPositive();

        device.writeInt(PciRegion.BAR0, VfRegister.VF_ARQBAL1.at(0), 0x1000);
        assertThat(dirty()).isEqualTo(PAGES);
        assertThat(dirty()).as("the ring, and its buffers at 0").isEqualTo(2);
    }

    @Test
    void aSuccessorGoesOnLoggingWithAllDirty() {
        begin();
        assertThat(dirty()).isZero();

        device.handOver(ops);

        assertThat(dirty()).isEqualTo(PAGES);
        assertThat(dirty()).isZero();
        assertFails(Errno.EBUSY, () -> device.migration("somebody else").stopLogging());
        migrationNow().stopLogging();
        assertThat(device.isTrapped()).isFalse();
    }

    @Test
    void aDeviceThatWasStoppedStaysSoUnderASuccessorUntilItIsReset() {
        migration.request(MigrationState.STOP_COPY);

        device.handOver(ops);

        assertThat(migrationNow().state()).isEqualTo(MigrationState.ERROR);
        assertThat(state.isFrozen()).isTrue();
        assertThat(function.logged()).last().asString().contains("until it is reset");
        device.reset();
        assertThat(migrationNow().state()).isEqualTo(MigrationState.RUNNING);
    }

    @Test
    void aResetByTheGuestEndsAStopButNotLogging() {
        begin();
        device.writeShort(PciRegion.CONFIG, FLR, PciConfig.EXP_DEVCTL_BCR_FLR);
        assertThat(dirty()).isZero();
        migration.request(MigrationState.STOP);
        device.writeShort(PciRegion.CONFIG, FLR, 0x2810);
        assertThat(migration.state()).isEqualTo(MigrationState.STOP);
        device.writeShort(PciRegion.CONFIG, FLR, PciConfig.EXP_DEVCTL_BCR_FLR);
        assertThat(migration.state()).isEqualTo(MigrationState.RUNNING);
    }

    /** The queues that it brings were enabled elsewhere. */
    @Test
    void aStateThatIsLoadedMakesAllDirty() {
        begin();
        assertThat(dirty()).isZero();
        byte[] stream = FunctionMigrationTest.save(FunctionMigrationTest.function(state));
        migration.request(MigrationState.RESUMING);
        migration.write(ByteBuffer.wrap(stream));
        migration.request(MigrationState.RUNNING);

        assertThat(dirty()).isEqualTo(PAGES);
        assertThat(dirty()).isZero();
        assertThat(function.logged()).singleElement().asString().contains("was replaced");
    }

    /** Nobody could tell whether a queue has gone round. */
    @Test
    void interruptsAreNotEnoughWhereTheHostDoesNotCountFrames() {
        Settings settings = new Settings(Settings.Tracking.INTERRUPTS, Optional.empty(), Settings.DEFAULT.rules());
        FakeHardwareState counting =
                new FakeHardwareState().with(QueuePair.PART, new byte[4]).with(ReceivedFrames.PART, new byte[96]);
        try (MediatedDevice without = FunctionMigrationTest.function(state).mediatedBy(ops(settings));
                MediatedDevice with = FunctionMigrationTest.function(counting).mediatedBy(ops(settings))) {
            assertThat(without.migration("a test").offersLogging()).isFalse();
            assertThat(with.migration("a test").offersLogging()).isTrue();
        }
    }

    @Test
    void theStateOfVersion2IsRead() {
        VirtualFunctionState left = new VirtualFunctionState(
                1,
                2,
                3,
                true,
                true,
                Optional.of(new VirtualFunctionState.Logged("somebody", 8192, List.of(new DmaRange(4096, 8192)))));

        HandOverState encoded = left.encode();

        assertThat(encoded.version()).isEqualTo(2);
        assertThat(VirtualFunctionState.objection(encoded)).isEmpty();
        assertThat(VirtualFunctionState.decode(encoded)).isEqualTo(left);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void showsTheRegionThatIsConfigured(boolean mappable) {
        Settings settings = Settings.of(configuration("linux-5.8", mappable), Optional.of(FakeMemory::allocate));
        try (MediatedDevice other = FunctionMigrationTest.function(state).mediatedBy(ops(settings))) {
            int region = other.regionCount() - 1;
            assertThat(other.regionInfo(region).type()).isEqualTo(MigrationRegion.TYPE);
            assertThat(other.regionInfo(region).flags().contains(RegionInfo.Flag.MMAP))
                    .isEqualTo(mappable);
            assertThat(other.mmap(region) != null).isEqualTo(mappable);
            assertThat(other.readInt(region, 0)).isEqualTo(1);
            other.writeInt(region, 0, 0);
            assertThat(state.isFrozen()).isTrue();
            other.writeInt(region, 0, 1);
            assertThat(state.isFrozen()).isFalse();
        }
        assertThat(device.regionCount()).isEqualTo(PciRegion.COUNT + 1);
    }

    @Test
    void needsMemoryForARegionToBeMapped() {
        assertThat(Settings.of(configuration("linux-5.8", false), Optional.empty())
                        .region())
                .isPresent();
        assertThatThrownBy(() -> Settings.of(configuration("linux-5.8", true), Optional.empty()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("vfio.linux");
    }

    private static PhysicalFunctions.Configuration configuration(String region, boolean mappable) {
        Map<String, Object> values = Map.of(
                "dirty_tracking",
                "tails",
                "migration_region",
                region,
                "migration_region_mmap",
                mappable,
                "tracking_rules_skipped",
                new String[0]);
        return (PhysicalFunctions.Configuration) Proxy.newProxyInstance(
                LoggingTest.class.getClassLoader(),
                new Class<?>[] {PhysicalFunctions.Configuration.class},
                (proxy, method, args) -> values.get(method.getName()));
    }

    private void begin() {
        assertFails(Errno.EAGAIN, () -> migration.startLogging(4096, List.of()));
        device.confirmTrap();
        migration.startLogging(4096, List.of());
    }

    private long dirty() {
        ByteBuffer bitmap = ByteBuffer.allocate(PAGES / 8);
        migrationNow().report(0, PAGES * 4096, 4096, bitmap);
        return Long.bitCount(bitmap.getLong(0));
    }

    private Migratable migrationNow() {
        return device.migration("a test");
    }

    private static MediateOps ops(Settings settings) {
        return new VirtualFunctionOps(PciAddress.parse("0000:03:00.0"), settings);
    }

    private static void assertFails(Errno expected, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(expected));
    }
}
