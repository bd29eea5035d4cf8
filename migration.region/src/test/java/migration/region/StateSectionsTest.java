package migration.region;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.testing.FakeDevice;
import vfio.pci.api.testing.FakeHardwareState;
import vfio.pci.api.testing.MediatedDevice;

class StateSectionsTest {
    private static final int PART = 0x100;

    /** A device with a part of BAR0, a value and two parts of its host. */
    private static final class Party {
        final FakeHardwareState host = new FakeHardwareState();
        final FakeDevice device = FakeDevice.of("1234:11e8").withBar(0, 4096).withHardwareState(host);
        final int length;
        byte[] own;

        Party(int number, int length) {
            host.with("a", (byte) number).with("b", (byte) (number + 1));
            device.region(0).putInt(PART, number);
            this.length = length;
            own = new byte[length];
            own[0] = (byte) number;
        }

        MediateOps driver() {
            return context -> {
                Migration migration = StateSections.of(
                                context, context.hardwareState().orElseThrow())
                        .region("registers", 0, PART, 8)
                        .value("own", length, () -> own, content -> own = content)
                        .migration("test", 1);
                return Decision.accept(new Mediation() {
                    @Override
                    public Optional<Migratable> migration(String user) {
                        return Optional.of(migration.as(user));
                    }
                });
            };
        }
    }

    private static void move(Party from, Party to) {
        try (MediatedDevice source = from.device.mediatedBy(from.driver());
                MediatedDevice target = to.device.mediatedBy(to.driver())) {
            Migratable leaving = source.migration("test");
            leaving.request(MigrationState.STOP_COPY);
            ByteBuffer state = ByteBuffer.allocate(10_000);
            leaving.read(state);
            Migratable coming = target.migration("test");
            coming.request(MigrationState.RESUMING);
            coming.write(state.flip());
            coming.request(MigrationState.RUNNING);
        }
    }

    @Test
    void allThatIsDeclaredArrives() {
        Party source = new Party(1, 4);
        Party target = new Party(5, 4);
        move(source, target);
        assertThat(target.device.region(0).getInt(PART)).isEqualTo(1);
        assertThat(target.own).containsExactly(1, 0, 0, 0);
        assertThat(target.host.read("a")).containsExactly(1);
        assertThat(target.host.read("b")).containsExactly(2);
        assertThat(source.host.calls()).containsExactly("freeze");
        assertThat(target.host.calls()).containsExactly("freeze", "write", "thaw");
    }

    @Test
    void nothingIsLoadedIfALengthIsWrong() {
        Party target = new Party(5, 4);
        assertThatThrownBy(() -> move(new Party(1, 3), target))
                .isInstanceOf(VfioException.class)
                .hasMessage("section own has 3 bytes, and should have 4");
        assertUntouched(target);
    }

    @Test
    void nothingIsLoadedIfTheHostDoesNotTakeIt() {
        Party source = new Party(1, 4);
        source.host.with("b", (byte) 0xff);
        Party target = new Party(5, 4);
        assertThatThrownBy(() -> move(source, target)).isInstanceOf(VfioException.class);
        assertUntouched(target);
    }

    private static void assertUntouched(Party target) {
        assertThat(target.device.region(0).getInt(PART)).isEqualTo(5);
        assertThat(target.own[0]).isEqualTo((byte) 5);
        assertThat(target.host.read("a")).containsExactly(5);
    }
}
