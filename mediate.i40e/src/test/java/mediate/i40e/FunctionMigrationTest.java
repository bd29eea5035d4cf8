package mediate.i40e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import migration.region.SavedState;
import migration.region.SavedState.Section;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciRegion;
import vfio.pci.api.testing.FakeDevice;
import vfio.pci.api.testing.FakeHardwareState;
import vfio.pci.api.testing.FakeRegion;
import vfio.pci.api.testing.MediatedDevice;

class FunctionMigrationTest {
    private static final String PARENT = "0000:03:00.0";
    private static final PciIds IDS = new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2);
    private static final int MSIX = 0x70;
    private static final int EXPRESS = 0xa0;
    private static final int VECTORS = 5;

    private final FakeHardwareState sourceState =
            new FakeHardwareState().with("queues", (byte) 1).with("rss", (byte) 2);
    private final FakeHardwareState targetState =
            new FakeHardwareState().with("queues", (byte) 9).with("rss", (byte) 9);
    private final FakeDevice source = function(sourceState);
    private final FakeDevice target = function(targetState);

    static FakeDevice function(HardwareState state) {
        FakeDevice device = FakeDevice.of(IDS)
                .withPhysicalFunction(PARENT, 0)
                .withRegion(RegionInfo.trapped(PciRegion.CONFIG, PciConfig.EXTENDED_SIZE))
                .withBar(PciRegion.BAR0, 0x1_0000)
                .withBar(PciRegion.BAR3, 0x4000)
                .withHardwareState(state);
        FakeRegion config = device.region(PciRegion.CONFIG);
        config.putInt(PciConfig.VENDOR_ID, 0x154c_8086);
        config.putInt(PciConfig.REVISION_ID, 0x0200_0002);
        config.putInt(PciConfig.SUBSYSTEM_VENDOR_ID, 0x0000_8086);
        config.putShort(PciConfig.STATUS, PciConfig.STATUS_CAP_LIST);
        config.putByte(PciConfig.CAPABILITY_LIST, (byte) MSIX);
        config.putShort(MSIX, PciConfig.CAP_ID_MSIX | EXPRESS << 8);
        config.putShort(MSIX + PciConfig.MSIX_FLAGS, VECTORS - 1);
        config.putInt(MSIX + PciConfig.MSIX_TABLE, 0x400 | PciRegion.BAR3);
        config.putShort(EXPRESS, PciConfig.CAP_ID_EXP);
        return device;
    }

    private static MediatedDevice open(FakeDevice device) {
        return device.mediatedBy(new VirtualFunctionOps(PciAddress.parse(PARENT), Settings.DEFAULT));
    }

    static byte[] save(FakeDevice device) {
        try (MediatedDevice mediated = open(device)) {
            Migratable migration = mediated.migration("a test");
            migration.request(MigrationState.STOP_COPY);
            ByteBuffer stream = ByteBuffer.allocate((int) migration.pending());
            migration.read(stream);
            migration.request(MigrationState.RUNNING);
            return stream.array();
        }
    }

    static void load(FakeDevice device, byte[] stream) {
        try (MediatedDevice mediated = open(device)) {
            Migratable migration = mediated.migration("a test");
            migration.request(MigrationState.RESUMING);
            migration.write(ByteBuffer.wrap(stream));
            migration.request(MigrationState.STOP);
            assertThat(migration.state()).isEqualTo(MigrationState.STOP);
            migration.request(MigrationState.RUNNING);
        }
    }

    @Test
    void movesEverything() {
        int value = 0x100;
        for (VfRegister register : VfRegister.values()) {
            for (int index = 0; index < register.count(); index++) {
                source.region(PciRegion.BAR0).putInt(register.at(index), value += 8);
            }
        }
        for (int at = 0; at < VECTORS * 16; at += 4) {
            source.region(PciRegion.BAR3).putInt(0x400 + at, 0xabc0 + at);
        }
        FakeRegion config = source.region(PciRegion.CONFIG);
        config.putShort(PciConfig.COMMAND, PciConfig.COMMAND_MASTER | PciConfig.COMMAND_MEMORY);
        config.putInt(PciConfig.BASE_ADDRESS_0, 0xfe00_000c);
        config.putShort(MSIX + PciConfig.MSIX_FLAGS, PciConfig.MSIX_FLAGS_ENABLE | (VECTORS - 1));
        config.putShort(EXPRESS + PciConfig.EXP_DEVCTL, 0x2810);
        config.putInt(0x104, 0x12345678);

        load(target, save(source));

        for (int region : new int[] {PciRegion.BAR0, PciRegion.BAR3, PciRegion.CONFIG}) {
            assertThat(content(target, region)).as("region " + region).isEqualTo(content(source, region));
        }
        assertThat(targetState.read("queues")).containsExactly(1);
        assertThat(targetState.read("rss")).containsExactly(2);
        assertThat(sourceState.calls()).containsExactly("freeze", "thaw");
        assertThat(targetState.calls()).containsExactly("freeze", "write", "thaw");
    }

    /** A read of the causes would clear them. */
    @Test
    void doesNotReadTheCauses() {
        assertThat(Stream.of(VfRegister.values())).noneMatch(register -> register.isTouchedBy(0x4800, 4));
    }

    @Test
    void controlOfVectorsIsWrittenBeforeTheirIntervalsAndTriggersNothing() {
        source.region(PciRegion.BAR0).putInt(VfRegister.VFINT_DYN_CTLN1.at(0), 0x8000_0007 | 25 << 5);
        source.region(PciRegion.BAR0).putInt(VfRegister.VFINT_ITRN1.at(0), 7);
        FakeRegion bar0 = target.region(PciRegion.BAR0);
        bar0.onWrite(write -> {
            if (write.offset() == VfRegister.VFINT_DYN_CTLN1.at(0)) {
                bar0.putInt(VfRegister.VFINT_ITRN1.at(0), (int) write.value() >> 5);
            }
        });

        load(target, save(source));

        assertThat(bar0.getInt(VfRegister.VFINT_DYN_CTLN1.at(0))).isEqualTo(1 | 25 << 5);
        assertThat(bar0.getInt(VfRegister.VFINT_ITRN1.at(0))).isEqualTo(7);
    }

    @Test
    void theWriteThatResetsIsLeftOut() {
        source.region(PciRegion.CONFIG).putShort(EXPRESS + PciConfig.EXP_DEVCTL, 0x2810 | PciConfig.EXP_DEVCTL_BCR_FLR);

        load(target, save(source));

        assertThat(target.region(PciRegion.CONFIG).writes())
                .filteredOn(write -> write.offset() == EXPRESS + PciConfig.EXP_DEVCTL)
                .containsExactly(new FakeRegion.Write(EXPRESS + PciConfig.EXP_DEVCTL, 2, 0x2810));
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                Arguments.of("config", changing(section -> null), "no section config"),
                Arguments.of("config", changing(section -> cut(section)), "4095 bytes"),
                Arguments.of("config", changing(section -> flipped(section, 0)), "at 0x00"),
                Arguments.of("config", changing(section -> flipped(section, PciConfig.SUBSYSTEM_ID)), "at 0x2e"),
                Arguments.of("config", changing(section -> flipped(section, MSIX)), "no MSI-X"),
                Arguments.of("config", changing(section -> flipped(section, MSIX + 2)), "MSI-X capability"),
                Arguments.of("config", changing(section -> flipped(section, MSIX + 5)), "MSI-X capability"),
                Arguments.of("msix", changing(section -> cut(section)), "section msix"),
                Arguments.of("msix", changing(section -> null), "no section msix"),
                Arguments.of("registers", changing(section -> cut(section)), "section registers"),
                Arguments.of("registers", changing(section -> null), "no section registers"),
                Arguments.of("hardware.rss", changing(section -> null), "no section hardware.rss"),
                Arguments.of("hardware.rss", changing(section -> new byte[] {(byte) 0xff}), "rss cannot be"));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void whatIsWrongIsRefusedAndChangesNothing(String name, UnaryOperator<byte[]> change, String reason) {
        source.region(PciRegion.BAR0).putInt(0, 5);
        source.region(PciRegion.BAR3).putInt(0x400, 5);
        source.region(PciRegion.CONFIG).putInt(PciConfig.BASE_ADDRESS_0, 0xfe00_000c);
        byte[] stream = changed(save(source), name, change);

        assertThatThrownBy(() -> load(target, stream))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL))
                .hasMessageContaining(reason);

        for (int region : new int[] {PciRegion.BAR0, PciRegion.BAR3, PciRegion.CONFIG}) {
            assertThat(target.region(region).writes()).isEmpty();
        }
        assertThat(targetState.read("queues")).containsExactly(9);
        assertThat(targetState.calls()).containsExactly("freeze");
    }

    @Test
    void aFunctionOfWhichTheHostKnowsNothingCannotBeMoved() {
        FakeDevice bare = FakeDevice.of(IDS).withPhysicalFunction(PARENT, 0).withBar(PciRegion.BAR0, 0x1_0000);
        try (MediatedDevice device = open(bare)) {
            assertThat(device.mediation().migration("a test")).isEmpty();
            assertThat(device.counters()).containsEntry("migration.possible", 0L);
            assertThat(bare.logged()).singleElement().asString().contains("cannot be moved");
        }
    }

    private static UnaryOperator<byte[]> changing(UnaryOperator<byte[]> change) {
        return change;
    }

    private static byte[] cut(byte[] section) {
        return Arrays.copyOf(section, section.length - 1);
    }

    private static byte[] flipped(byte[] section, int at) {
        byte[] copy = section.clone();
        copy[at] ^= 1;
        return copy;
    }

    private static byte[] changed(byte[] stream, String name, UnaryOperator<byte[]> change) {
        SavedState state = SavedState.decode(ByteBuffer.wrap(stream));
        List<Section> sections = new ArrayList<>();
        for (Section section : state.sections()) {
            byte[] content = section.name().equals(name) ? change.apply(section.content()) : section.content();
            if (content != null) {
                sections.add(new Section(section.name(), false, content));
            }
        }
        ByteBuffer encoded = new SavedState(state.origin(), sections).encode();
        byte[] bytes = new byte[encoded.remaining()];
        encoded.get(bytes);
        return bytes;
    }

    private static byte[] content(FakeDevice device, int region) {
        ByteBuffer bytes = ByteBuffer.allocate((int) device.region(region).size());
        device.region(region).get(0, bytes);
        return bytes.array();
    }
}
