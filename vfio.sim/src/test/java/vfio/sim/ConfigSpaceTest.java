package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciRegion;

class ConfigSpaceTest {
    static List<DeviceModel> functions() {
        return Functions.all();
    }

    @ParameterizedTest
    @MethodSource("functions")
    void identityIsReadOnly(DeviceModel function) {
        Accessor config = Accessor.config(function);
        for (int offset : new int[] {PciConfig.VENDOR_ID, PciConfig.REVISION_ID, PciConfig.SUBSYSTEM_VENDOR_ID}) {
            int before = config.read(offset);
            config.write(offset, ~before);
            assertThat(config.read(offset)).isEqualTo(before);
        }
        assertThat(config.read(PciConfig.VENDOR_ID, 2)).isEqualTo(function.ids().vendor());
        assertThat(config.read(PciConfig.DEVICE_ID, 2)).isEqualTo(function.ids().device());
        assertThat(config.read(PciConfig.REVISION_ID) >>> 8)
                .isEqualTo(function.ids().classCode());
    }

    @ParameterizedTest
    @MethodSource("functions")
    void sizingReadsBackTheSizeOfEveryRegion(DeviceModel function) {
        Accessor config = Accessor.config(function);
        for (int bar = 0; bar < 6; bar++) {
            int offset = PciConfig.BASE_ADDRESS_0 + 4 * bar;
            int type = config.read(offset);
            config.write(offset, -1);
            long mask = config.read(offset) & 0xffff_ffffL;
            RegionInfo info = function.regionInfo(bar);
            if (info.size() == 0) {
                assertThat(mask).as("BAR%d", bar).isZero();
                continue;
            }
            boolean io = (type & PciConfig.BASE_ADDRESS_IO) != 0;
            boolean wide = (type & PciConfig.BASE_ADDRESS_MEM_TYPE_64) != 0;
            long typeBits = io ? 3 : 15;
            assertThat(mask & typeBits).isEqualTo(type);
            if (wide) {
                config.write(offset + 4, -1);
                mask |= config.read(offset + 4, 4) << 32;
                bar++;
            }
            long size = wide ? -(mask & ~typeBits) : -(mask & ~typeBits) & 0xffff_ffffL;
            assertThat(size).as("BAR at 0x%x", offset).isEqualTo(info.size());
        }
    }

    @Test
    void barTypesAreThoseOfTheDevices() {
        assertThat(Accessor.config(Functions.vf()).read(0x10)).isEqualTo(0xc);
        assertThat(Accessor.config(Functions.vf()).read(0x18)).isZero();
        assertThat(Accessor.config(Functions.vf()).read(0x1c)).isEqualTo(0xc);
        assertThat(Accessor.config(Functions.pf()).read(0x10)).isEqualTo(0xc);
        assertThat(Accessor.config(Functions.igd()).read(0x10)).isEqualTo(0x4);
        assertThat(Accessor.config(Functions.igd()).read(0x18)).isEqualTo(0xc);
        assertThat(Accessor.config(Functions.igd()).read(0x20)).isEqualTo(0x1);
        assertThat(Accessor.config(Functions.edu()).read(0x10)).isZero();
    }

    @Test
    void barTakesAnAddressBytewise() {
        Accessor config = Accessor.config(Functions.vf());
        config.write(0x13, 1, 0xfe);
        config.write(0x12, 2, 0xfe37);
        config.write(0x14, 4, 0x12);
        assertThat(config.read(0x10, 8)).isEqualTo(0x12_fe37_000cL);
        assertThat(config.read(0x11, 2)).isEqualTo(0x3700);
    }

    @ParameterizedTest
    @MethodSource("functions")
    void thereIsNoRom(DeviceModel function) {
        Accessor config = Accessor.config(function);
        config.write(PciConfig.ROM_ADDRESS, -1);
        assertThat(config.read(PciConfig.ROM_ADDRESS)).isZero();
        assertThat(function.regionInfo(PciRegion.ROM).size()).isZero();
        assertThat(function.regionInfo(PciRegion.VGA).size()).isZero();
    }

    @Test
    void commandHasOnlyItsImplementedBits() {
        Accessor vf = Accessor.config(Functions.vf());
        vf.write(PciConfig.COMMAND, 2, 0xffff);
        assertThat(vf.read(PciConfig.COMMAND, 2)).isEqualTo(0x0546);

        Accessor igd = Accessor.config(Functions.igd());
        igd.write(PciConfig.COMMAND, 2, 0xffff);
        assertThat(igd.read(PciConfig.COMMAND, 2)).isEqualTo(0x0547);
    }

    @Test
    void writingOneClearsOnlyClearableBits() {
        ConfigImage registers = new ConfigImage(8).field(2, 2, 0xffff, 0x00f0).clearOnWrite(2, 2, 0xf000);
        FunctionLayout layout = FunctionLayout.of(new PciIds(0x1234, 1, 0, 0, 0xff0000, 0))
                .capability(Capability.conventional(0x09, 0x40, registers))
                .build();
        DeviceModel function = new DeviceModel(Functions.EDU_ADDRESS, layout) {};
        Accessor config = Accessor.config(function);
        config.write(0x42, 2, 0x5050);
        assertThat(config.read(0x42, 2)).isEqualTo(0xaf5f);
        function.reset();
        assertThat(config.read(0x42, 2)).isEqualTo(0xffff);
    }

    @Test
    void statusShowsTheCapabilityListAndNothingElse() {
        Accessor vf = Accessor.config(Functions.vf());
        vf.write(PciConfig.STATUS, 2, 0xffff);
        assertThat(vf.read(PciConfig.STATUS, 2)).isEqualTo(PciConfig.STATUS_CAP_LIST);
    }

    @Test
    void capabilityListsAreThoseOfTheDevices() {
        assertThat(capabilities(Functions.vf())).containsExactly(Map.entry(0x70, 0x11), Map.entry(0xa0, 0x10));
        assertThat(capabilities(Functions.pf()))
                .containsExactly(
                        Map.entry(0x40, 0x01), Map.entry(0x50, 0x05), Map.entry(0x70, 0x11), Map.entry(0xa0, 0x10));
        assertThat(capabilities(Functions.igd()))
                .containsExactly(Map.entry(0x90, 0x05), Map.entry(0xd0, 0x01), Map.entry(0xa4, 0x13));
        assertThat(capabilities(Functions.edu())).containsExactly(Map.entry(0x40, 0x05));
    }

    @Test
    void extendedCapabilityListsAreThoseOfTheDevices() {
        assertThat(extendedCapabilities(Functions.vf()))
                .containsExactly(Map.entry(0x100, 0x20001), Map.entry(0x150, 0x1000e));
        assertThat(extendedCapabilities(Functions.pf()))
                .containsExactly(Map.entry(0x100, 0x20001), Map.entry(0x150, 0x1000e), Map.entry(0x160, 0x10010));
    }

    @Test
    void onlyAnExpressFunctionHasExtendedSpace() {
        assertThat(Functions.vf().regionInfo(PciRegion.CONFIG).size()).isEqualTo(4096);
        assertThat(Functions.igd().regionInfo(PciRegion.CONFIG).size()).isEqualTo(256);
    }

    @Test
    void msixCapabilityPointsIntoBar3() {
        Accessor config = Accessor.config(Functions.vf());
        assertThat(config.read(0x72, 2)).isEqualTo(4);
        assertThat(config.read(0x74)).isEqualTo(3);
        assertThat(config.read(0x78)).isEqualTo(0x2003);
        config.write(0x72, 2, 0xffff);
        assertThat(config.read(0x72, 2)).isEqualTo(PciConfig.MSIX_FLAGS_ENABLE | PciConfig.MSIX_FLAGS_MASKALL | 4);
    }

    @ParameterizedTest
    @MethodSource("functions")
    void oneLargeReadGivesTheSameAsManySmallOnes(DeviceModel function) {
        Accessor config = Accessor.config(function);
        int size = (int) function.regionInfo(PciRegion.CONFIG).size();
        byte[] large = config.readBytes(0, size);
        for (int offset = 0; offset < size; offset++) {
            assertThat(config.read(offset, 1)).as("0x%x", offset).isEqualTo(large[offset] & 0xffL);
        }
    }

    @Test
    void functionLevelResetByTheExpressCapability() {
        Xl710Vf vf = Functions.vf();
        Accessor config = Accessor.config(vf);
        byte[] fresh = config.readBytes(0, 4096);
        dirty(config);
        int control = 0xa0 + PciConfig.EXP_DEVCTL;
        config.write(control, 2, config.read(control, 2) | PciConfig.EXP_DEVCTL_BCR_FLR);
        assertThat(config.readBytes(0, 4096)).isEqualTo(fresh);

        dirty(config);
        config.write(control + 1, 1, 0x80);
        assertThat(config.readBytes(0, 4096)).isEqualTo(fresh);

        dirty(config);
        config.write(control, 1, 0xff);
        assertThat(config.readBytes(0, 4096)).isNotEqualTo(fresh);
    }

    @Test
    void functionLevelResetByTheAdvancedFeaturesCapability() {
        Igd igd = Functions.igd();
        Accessor config = Accessor.config(igd);
        byte[] fresh = config.readBytes(0, 256);
        dirty(config);
        assertThat(config.read(0xa7, 1)).as("TP and FLR").isEqualTo(3);
        config.write(0xa8, 1, 1);
        assertThat(config.readBytes(0, 256)).isEqualTo(fresh);
    }

    @Test
    void resetThroughHardwareRestoresEverything() {
        for (DeviceModel function : Functions.all()) {
            Accessor config = Accessor.config(function);
            int size = (int) function.regionInfo(PciRegion.CONFIG).size();
            byte[] fresh = config.readBytes(0, size);
            byte[] ones = new byte[64];
            Arrays.fill(ones, (byte) 0xff);
            config.writeBytes(0, ones);
            assertThat(config.readBytes(0, size)).isNotEqualTo(fresh);
            function.reset();
            assertThat(config.readBytes(0, size))
                    .as(function.address().toString())
                    .isEqualTo(fresh);
        }
    }

    @Test
    void advertisesTheVirtualFunctions() {
        Accessor config = Accessor.config(Functions.pf());
        assertThat(config.read(0x168, 2)).as("VF enable, memory enable").isEqualTo(0x9);
        assertThat(config.read(0x16e, 2)).as("TotalVFs").isEqualTo(32);
        assertThat(config.read(0x170, 2)).as("NumVFs").isEqualTo(2);
        assertThat(config.read(0x174, 2)).as("offset").isEqualTo(16);
        assertThat(config.read(0x176, 2)).as("stride").isEqualTo(1);
        assertThat(config.read(0x17a, 2)).as("device id").isEqualTo(0x154c);
        config.write(0x170, 2, 7);
        config.write(0x168, 2, 0);
        assertThat(config.read(0x170, 2)).isEqualTo(2);
        assertThat(config.read(0x168, 2)).isEqualTo(0x9);
        config.write(0x184, 4, -1);
        assertThat(config.read(0x184)).isEqualTo(0xffff_000c);
    }

    private static void dirty(Accessor config) {
        config.write(PciConfig.COMMAND, 2, 0x0406);
        config.write(PciConfig.BASE_ADDRESS_0, 0xfe00_0000);
        config.write(PciConfig.INTERRUPT_LINE, 1, 11);
    }

    private static Map<Integer, Integer> capabilities(DeviceModel function) {
        Accessor config = Accessor.config(function);
        Map<Integer, Integer> found = new LinkedHashMap<>();
        for (int at = (int) config.read(PciConfig.CAPABILITY_LIST, 1); at != 0; at = (int) config.read(at + 1, 1)) {
            assertThat(found.put(at, (int) config.read(at, 1))).as("no loop").isNull();
        }
        return found;
    }

    private static Map<Integer, Integer> extendedCapabilities(DeviceModel function) {
        Accessor config = Accessor.config(function);
        Map<Integer, Integer> found = new LinkedHashMap<>();
        for (int at = 0x100; at != 0; at = config.read(at) >>> 20) {
            assertThat(found.put(at, config.read(at) & 0xf_ffff)).as("no loop").isNull();
        }
        return found;
    }
}
