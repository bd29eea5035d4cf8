package migration.region;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import migration.region.MigrationRegion.Layout;
import migration.region.SavedState.Origin;
import migration.region.SavedState.Section;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciIds;

/** One device, several who would move it. */
class MigrationTest {
    private static final long PAGE = 4096;
    private static final List<DmaRange> MEMORY = List.of(new DmaRange(0, 64 * PAGE));
    private static final int SAVING = 2;

    private final FakeDevice device = new FakeDevice(new DirtyBitmap(PAGE, MEMORY), (byte) 1, (byte) 2);
    private final Migration migration =
            new Migration(new Origin(new PciIds(1, 2, 3, 4, 5, 6), "fake", 1, (int) PAGE), true, device);
    private final Migratable client = migration.as("the client");
    private final Migratable other = migration.as("an administrator");

    @Test
    void whoTakesItOutOfRunningHasIt() {
        client.request(MigrationState.PRE_COPY);
        assertBusy(() -> other.request(MigrationState.STOP));
        assertBusy(() -> other.request(MigrationState.RUNNING));
        assertBusy(other::pending);
        assertBusy(() -> other.read(ByteBuffer.allocate(1)));
        assertThat(other.state()).isEqualTo(MigrationState.PRE_COPY);
        client.request(MigrationState.RUNNING);
        other.request(MigrationState.STOP);
        assertBusy(() -> client.request(MigrationState.RUNNING));
        assertThat(migration.as("an administrator")).isEqualTo(other).isNotEqualTo(client);
        migration.as("an administrator").request(MigrationState.RUNNING);
        assertThat(client.state()).isEqualTo(MigrationState.RUNNING);
    }

    /** The two façades on one device at the same time. */
    @Test
    void regionAndFeaturesKeepApart() {
        MigrationRegion region = MigrationRegion.add(new FakeContext(), migration, Layout.PROPOSAL_2019);
        ByteBuffer data = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
        RegionAccess state = new RegionAccess().wrap(FakeContext.INDEX, 0, 4, data, 0);
        client.request(MigrationState.STOP_COPY);
        state.setValue(0);
        assertBusy(() -> region.write(state));
        region.read(state);
        assertThat(state.value()).as("what the region says of it").isEqualTo(SAVING);
        client.request(MigrationState.RUNNING);
        state.setValue(0);
        region.write(state);
        assertBusy(() -> client.request(MigrationState.RUNNING));
    }

    @Test
    void whoLogsIsNotDisturbed() {
        assertThat(client.startLogging(PAGE, MEMORY)).isEqualTo(PAGE);
        device.dirty.mark(3 * PAGE, 1);
        assertBusy(() -> other.startLogging(PAGE, MEMORY));
        assertBusy(other::stopLogging);
        ByteBuffer bitmap = ByteBuffer.allocate(8);
        assertBusy(() -> other.report(0, 64 * PAGE, PAGE, bitmap));
        client.report(0, 64 * PAGE, PAGE, bitmap);
        assertThat(bitmap.get(0)).isEqualTo((byte) 8);
        client.stopLogging();
        assertFails(Errno.EINVAL, () -> client.report(0, 64 * PAGE, PAGE, bitmap));
        other.startLogging(PAGE, List.of());
        assertThat(device.calls).containsExactly("track", "untrack", "track");
    }

    @Test
    void loggingHasItsRules() {
        assertFails(Errno.EINVAL, () -> client.report(0, PAGE, PAGE, ByteBuffer.allocate(8)));
        client.stopLogging();
        client.startLogging(PAGE, MEMORY);
        assertFails(Errno.EINVAL, () -> client.startLogging(PAGE, MEMORY));
        assertFails(Errno.EINVAL, () -> client.report(0, PAGE, 2 * PAGE, ByteBuffer.allocate(8)));
    }

    @Test
    void resetFreesItFromEverybody() {
        client.startLogging(PAGE, MEMORY);
        client.request(MigrationState.STOP_COPY);
        other.reset();
        assertThat(device.calls).endsWith("untrack");
        other.request(MigrationState.STOP);
        other.request(MigrationState.RUNNING);
        other.startLogging(PAGE, MEMORY);
    }

    @Test
    void failedDeviceIsNobodysAndLeavesThatByResetOnly() {
        migration.fail();
        assertThat(client.state()).isEqualTo(MigrationState.ERROR);
        assertFails(Errno.EINVAL, () -> client.request(MigrationState.RUNNING));
        client.reset();
        assertThat(client.state()).isEqualTo(MigrationState.RUNNING);
    }

    @Test
    void whatWasAskedForInVainIsTakenBack() {
        device.errno = Errno.EAGAIN;
        device.broken = "track";
        assertFails(Errno.EAGAIN, () -> client.startLogging(PAGE, MEMORY));
        client.stopLogging();
        client.stopLogging();
        assertFails(Errno.EAGAIN, () -> client.startLogging(PAGE, MEMORY));
        other.reset();
        assertThat(device.calls).containsExactly("track", "untrack", "track", "untrack");
        assertFails(Errno.EAGAIN, () -> client.startLogging(PAGE, MEMORY));
        device.broken = "";
        other.startLogging(PAGE, MEMORY);
        other.stopLogging();
        other.stopLogging();
        assertThat(device.calls).endsWith("track", "track", "untrack");
        device.errno = Errno.EOPNOTSUPP;
        device.broken = "track";
        assertFails(Errno.EOPNOTSUPP, () -> client.startLogging(PAGE, MEMORY));
        client.stopLogging();
        assertThat(device.calls).endsWith("untrack", "track");
    }

    @Test
    void whatFailsOnTheWayGoesBack() {
        device.broken = "save";
        assertFails(Errno.EIO, () -> client.request(MigrationState.STOP_COPY));
        assertThat(client.state()).isEqualTo(MigrationState.RUNNING);
        assertThat(device.calls).containsExactly("stop", "save", "run");
        other.request(MigrationState.RESUMING);
        device.broken = "run";
        assertFails(Errno.EIO, () -> other.request(MigrationState.RUNNING));
        assertThat(client.state()).isEqualTo(MigrationState.RESUMING);
        assertBusy(() -> client.request(MigrationState.STOP));
    }

    @Test
    void whatCannotGoBackIsAnError() {
        device.broken = "save";
        device.brokenToo = "run";
        assertThatThrownBy(() -> client.request(MigrationState.STOP_COPY))
                .hasMessage("save fails")
                .satisfies(e -> assertThat(e.getSuppressed()[0]).hasMessage("run fails"));
        assertThat(client.state()).isEqualTo(MigrationState.ERROR);
    }

    /** It must be of such a device and driver, and have nothing that is needed and not known; and the device is as before. */
    @Test
    void foreignStateIsNotLoaded() {
        PciIds ids = new PciIds(1, 2, 3, 4, 5, 6);
        List<Section> whole = List.of(new Section("all", false, new byte[] {7}));
        List<Section> unknown = List.of(whole.get(0), new Section("new", false, new byte[1]));
        Map<String, SavedState> foreign = Map.of(
                "of a device", new SavedState(new Origin(new PciIds(1, 9, 3, 4, 5, 6), "fake", 1, (int) PAGE), whole),
                "driver other", new SavedState(new Origin(ids, "other", 1, (int) PAGE), whole),
                "version 2", new SavedState(new Origin(ids, "fake", 2, (int) PAGE), whole),
                "section new", new SavedState(new Origin(ids, "fake", 1, (int) PAGE), unknown));
        client.request(MigrationState.RESUMING);
        foreign.forEach((named, state) -> {
            client.write(state.encode());
            assertThatThrownBy(() -> client.request(MigrationState.STOP)).hasMessageContaining(named);
            assertThat(client.state()).isEqualTo(MigrationState.RESUMING);
        });
        assertThat(device.calls).doesNotContain("load");
        assertThat(device.state).containsExactly(1, 2);

        client.write(new SavedState(
                        new Origin(ids, "fake", 1, (int) PAGE),
                        List.of(whole.get(0), new Section("extra", true, new byte[3])))
                .encode());
        client.request(MigrationState.STOP);
        assertThat(device.state).as("what is optional is skipped").containsExactly(7);
    }

    private static void assertBusy(ThrowingCallable call) {
        assertFails(Errno.EBUSY, call);
    }

    private static void assertFails(Errno errno, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(errno));
    }
}
