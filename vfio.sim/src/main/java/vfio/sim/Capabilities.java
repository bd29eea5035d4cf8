package vfio.sim;

import java.util.List;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;

/**
 * The capabilities that the simulated functions have, laid out as in the PCI Express Base Specification and {@code
 * <linux/pci_regs.h>}.
 */
final class Capabilities {
    private static final int POWER_MANAGEMENT = 0x01;
    private static final int ADVANCED_FEATURES = 0x13;
    private static final int ADVANCED_ERROR_REPORTING = 0x0001;
    private static final int ALTERNATIVE_ROUTING_ID = 0x000e;
    private static final int SINGLE_ROOT_IO_VIRTUALIZATION = 0x0010;

    /** Offsets within the capability. */
    static final int SRIOV_CTRL = 0x08;

    static final int SRIOV_NUM_VF = 0x10;

    private static final int SRIOV_CTRL_VFE = 1;
    private static final int SRIOV_CTRL_MSE = 1 << 3;

    private static final int MSI_MASKABLE = 1 << 8;
    private static final int MSI_64_BIT = 1 << 7;

    private Capabilities() {}

    /** Power management, version 3, without PME; D3hot keeps the state of the function. */
    static Capability powerManagement(int offset) {
        return Capability.conventional(
                POWER_MANAGEMENT,
                offset,
                new ConfigImage(8).constant(2, 2, 0x0023).field(4, 2, 1 << 3, 0x3));
    }

    /** MSI with one vector and a 64-bit address. */
    static Capability msi(int offset, boolean maskable) {
        ConfigImage body = new ConfigImage(maskable ? 24 : 14)
                .field(2, 2, MSI_64_BIT | (maskable ? MSI_MASKABLE : 0), 0x71)
                .field(4, 4, 0, 0xffff_fffcL)
                .field(8, 4, 0, 0xffff_ffffL)
                .field(12, 2, 0, 0xffff);
        if (maskable) {
            body.field(16, 4, 0, 1);
        }
        return Capability.conventional(PciConfig.CAP_ID_MSI, offset, body).withVectors(PciInterrupt.MSI, 1);
    }

    /** MSI-X; table and pending bits lie in one BAR. */
    static Capability msix(int offset, int vectors, int bar, int tableOffset, int pendingOffset) {
        return Capability.conventional(
                        PciConfig.CAP_ID_MSIX,
                        offset,
                        new ConfigImage(12)
                                .field(
                                        PciConfig.MSIX_FLAGS,
                                        2,
                                        vectors - 1,
                                        PciConfig.MSIX_FLAGS_ENABLE | PciConfig.MSIX_FLAGS_MASKALL)
                                .constant(PciConfig.MSIX_TABLE, 4, tableOffset | bar)
                                .constant(PciConfig.MSIX_PBA, 4, pendingOffset | bar))
                .withVectors(PciInterrupt.MSIX, vectors);
    }

    /** PCI Express, version 2: an endpoint with function level reset on an 8 GT/s x8 link. */
    static Capability express(int offset) {
        return Capability.conventional(
                        PciConfig.CAP_ID_EXP,
                        offset,
                        new ConfigImage(0x3c)
                                .constant(2, 2, 0x0002)
                                .constant(PciConfig.EXP_DEVCAP, 4, 0x0000_8ce4 | PciConfig.EXP_DEVCAP_FLR)
                                .field(PciConfig.EXP_DEVCTL, 2, 0x2810, 0x79ff)
                                .clearOnWrite(0x0a, 2, 0x000f)
                                .constant(0x0c, 4, 0x0040_0883)
                                .field(0x10, 2, 0, 0x00cb)
                                .constant(0x12, 2, 0x1083)
                                .constant(0x24, 4, 0x0000_001f)
                                .field(0x28, 2, 0, 0x001f)
                                .constant(0x2c, 4, 0x0000_000e)
                                .field(0x30, 2, 0x0003, 0))
                .withResetTrigger(PciConfig.EXP_DEVCTL + 1, PciConfig.EXP_DEVCTL_BCR_FLR >> 8);
    }

    /** Advanced Features: function level reset for a function without PCI Express capability. */
    static Capability advancedFeatures(int offset) {
        return Capability.conventional(
                        ADVANCED_FEATURES,
                        offset,
                        new ConfigImage(6).constant(2, 1, 6).constant(3, 1, 0x3))
                .withResetTrigger(4, 0x1);
    }

    /** Advanced error reporting; no error ever happens. */
    static Capability advancedErrorReporting(int offset) {
        return Capability.extended(
                ADVANCED_ERROR_REPORTING,
                2,
                offset,
                new ConfigImage(0x48)
                        .clearOnWrite(0x04, 4, 0x0017_f010)
                        .field(0x08, 4, 0, 0x0017_f010)
                        .field(0x0c, 4, 0x0006_2010, 0x0017_f010)
                        .clearOnWrite(0x10, 4, 0x0000_31c1)
                        .field(0x14, 4, 0x0000_2000, 0x0000_31c1));
    }

    /** Alternative routing id interpretation; no next function. */
    static Capability alternativeRoutingId(int offset) {
        return Capability.extended(ALTERNATIVE_ROUTING_ID, 1, offset, new ConfigImage(8));
    }

    /**
     * Single root I/O virtualization with the VFs already enabled. Their number is given from outside, so the registers that
     * tell it are read-only: {@link #SRIOV_CTRL} and {@link #SRIOV_NUM_VF}.
     */
    static Capability singleRootIoVirtualization(int offset, VirtualFunctions functions) {
        ConfigImage body = new ConfigImage(0x40)
                .constant(SRIOV_CTRL, 2, sriovControl(functions.enabled()))
                .constant(0x0c, 2, functions.total())
                .constant(0x0e, 2, functions.total())
                .constant(SRIOV_NUM_VF, 2, functions.enabled())
                .constant(0x14, 2, functions.offset())
                .constant(0x16, 2, functions.stride())
                .constant(0x1a, 2, functions.deviceId())
                .constant(0x1c, 4, 0x553)
                .constant(0x20, 4, 0x1);
        for (BarShape bar : functions.bars()) {
            body.field(
                    0x24 + 4 * bar.index(),
                    bar.kind().wide() ? 8 : 4,
                    bar.kind().typeBits(),
                    bar.addressMask());
        }
        return Capability.extended(SINGLE_ROOT_IO_VIRTUALIZATION, 1, offset, body);
    }

    /** The control register of {@link #singleRootIoVirtualization} with so many VFs. */
    static int sriovControl(int enabled) {
        return enabled > 0 ? SRIOV_CTRL_VFE | SRIOV_CTRL_MSE : 0;
    }

    /**
     * The virtual functions of a physical function.
     *
     * @param total how many there can be
     * @param enabled how many there are
     * @param offset routing id of the first, relative to the physical function
     * @param stride distance between routing ids
     * @param deviceId their device id
     * @param bars their BARs
     */
    record VirtualFunctions(int total, int enabled, int offset, int stride, int deviceId, List<BarShape> bars) {}
}
