package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import migration.region.HardwareSections;
import migration.region.RegionContent;
import migration.region.SavedState;
import migration.region.SavedState.Section;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.Regions;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciRegion;

/**
 * The state of a virtual function as sections of a {@link SavedState}, schema 1 of driver {@code i40e}. In the order in which they
 * are loaded: {@code config}, the configuration space; {@code msix}, the MSI-X table; {@code registers}, the values of {@link
 * VfRegister} in the order of that table; and {@code hardware.} with a name for each part that only the host knows.
 *
 * <p>Everything is checked before anything is written.
 */
final class FunctionState {
    static final int SCHEMA = 1;

    private static final String CONFIG = "config";
    private static final String MSIX = "msix";
    private static final String REGISTERS = "registers";

    /** Parts of the configuration space that two functions of a kind have in common: offset, bytes. */
    private static final int[][] CONSTANT = {
        {PciConfig.VENDOR_ID, 4},
        {PciConfig.REVISION_ID, 4},
        {PciConfig.HEADER_TYPE, 1},
        {PciConfig.SUBSYSTEM_VENDOR_ID, 4},
        {PciConfig.CAPABILITY_LIST, 1}
    };

    private final Regions regions;
    private final HardwareState hardware;
    private final RegionRegisters config;
    private final RegionRegisters bar0;

    FunctionState(Regions regions, HardwareState hardware) {
        this.regions = regions;
        this.hardware = hardware;
        config = new RegionRegisters(regions, PciRegion.CONFIG);
        bar0 = new RegionRegisters(regions, PciRegion.BAR0);
    }

    Set<String> sections() {
        Set<String> names = new HashSet<>(Set.of(CONFIG, MSIX, REGISTERS));
        names.addAll(HardwareSections.names(hardware));
        return names;
    }

    List<Section> save() {
        List<Section> sections = new ArrayList<>();
        byte[] space = space();
        MsixCapability msix = msix(space);
        sections.add(new Section(CONFIG, false, space));
        sections.add(
                new Section(MSIX, false, RegionContent.read(regions, msix.region(), msix.table(), msix.tableSize())));
        ByteBuffer values = ByteBuffer.allocate(VfRegister.TOTAL_SIZE).order(ByteOrder.LITTLE_ENDIAN);
        for (VfRegister register : VfRegister.values()) {
            for (int index = 0; index < register.count(); index++) {
                values.putInt(bar0.getInt(register.at(index)));
            }
        }
        sections.add(new Section(REGISTERS, false, values.array()));
        sections.addAll(HardwareSections.save(hardware));
        return sections;
    }

    void load(SavedState state) {
        byte[] space = state.section(CONFIG);
        MsixCapability msix = check(space);
        byte[] table = content(state, MSIX, msix.tableSize()).array();
        ByteBuffer values = content(state, REGISTERS, VfRegister.TOTAL_SIZE);
        Map<String, byte[]> parts = HardwareSections.parts(hardware, state);

        write(space);
        RegionContent.write(regions, msix.region(), msix.table(), table);
        for (VfRegister register : VfRegister.values()) {
            for (int index = 0; index < register.count(); index++) {
                bar0.putInt(register.at(index), register.loaded(values.getInt()));
            }
        }
        hardware.write(parts);
    }

    /** The configuration space as it is. */
    byte[] space() {
        return RegionContent.read(regions, PciRegion.CONFIG, 0, (int) config.size());
    }

    /** Refuses the configuration space of a function that is not of this kind; returns where the table is. */
    private MsixCapability check(byte[] saved) {
        byte[] here = space();
        if (saved.length != here.length) {
            throw new VfioException(
                    Errno.EINVAL,
                    "the configuration space in the state has " + saved.length + " bytes, and that here "
                            + here.length);
        }
        for (int[] field : CONSTANT) {
            for (int at = field[0]; at < field[0] + field[1]; at++) {
                if (saved[at] != here[at]) {
                    throw new VfioException(
                            Errno.EINVAL,
                            "the configuration space in the state has 0x%02x at 0x%02x, and that here has 0x%02x"
                                    .formatted(saved[at], at, here[at]));
                }
            }
        }
        MsixCapability msix = msix(here);
        if (!msix.equals(msix(saved))) {
            throw new VfioException(
                    Errno.EINVAL, "the MSI-X capability in the state is " + msix(saved) + ", and here it is " + msix);
        }
        return msix;
    }

    /** All but what resets the function. Of two halves of a word, those that are cleared by ones are left alone. */
    private void write(byte[] saved) {
        ByteBuffer bytes = ByteBuffer.wrap(saved).order(ByteOrder.LITTLE_ENDIAN);
        int control = MsixCapability.find(saved, PciConfig.CAP_ID_EXP, PciConfig.EXP_DEVCTL + 4)
                .map(at -> at + PciConfig.EXP_DEVCTL)
                .orElse(-1);
        int features = MsixCapability.find(saved, AdvancedFeatures.ID, AdvancedFeatures.SIZE)
                .map(at -> at + AdvancedFeatures.CONTROL)
                .orElse(-1);
        for (int at = 0; at < saved.length; at += Integer.BYTES) {
            if (at == control) {
                config.putShort(at, bytes.getShort(at) & ~PciConfig.EXP_DEVCTL_BCR_FLR);
            } else if (at == PciConfig.COMMAND) {
                config.putShort(at, bytes.getShort(at));
            } else if (at != features) {
                config.putInt(at, bytes.getInt(at));
            }
        }
    }

    private static MsixCapability msix(byte[] space) {
        return MsixCapability.of(space)
                .orElseThrow(() -> new VfioException(
                        Errno.EINVAL, "the configuration space has no MSI-X capability, so it is not that of a VF"));
    }

    private static ByteBuffer content(SavedState state, String name, int size) {
        byte[] content = state.section(name);
        if (content.length != size) {
            throw new VfioException(
                    Errno.EINVAL, "section " + name + " has " + content.length + " bytes, and should have " + size);
        }
        return ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The conventional Advanced Features capability, whose control register does nothing but reset. */
    private static final class AdvancedFeatures {
        static final int ID = 0x13;
        static final int CONTROL = 4;
        static final int SIZE = 6;
    }
}
